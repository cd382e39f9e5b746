// ADBC as this room uses it: databases, connections and statements of a driver that release themselves, and errors as
// arrow::Status without a secret in them.
//
// Thread safety: one thread at a time for each object, but for DriverStatement::Cancel, which any thread may call while
// the statement lives. Ownership: a connection keeps its database, a statement its connection's; a stream must not
// outlive its statement.
#pragma once

#include <arrow-adbc/adbc.h>
#include <arrow/status.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/backend_spec.h"
#include "backend/driver_objects.h"
#include "backend/redaction.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace hyprstream::backend {

// What a driver said of its error, beside the text.
class DriverErrorDetail : public arrow::StatusDetail {
 public:
  DriverErrorDetail(AdbcStatusCode code, std::string sqlstate) : code_(code), sqlstate_(std::move(sqlstate)) {}
  const char* type_id() const override { return "hyprstream::backend::DriverErrorDetail"; }
  std::string ToString() const override { return sqlstate_; }

  AdbcStatusCode code() const { return code_; }
  const std::string& sqlstate() const { return sqlstate_; }  // empty: it has none

  static const DriverErrorDetail* Of(const arrow::Status& status);

 private:
  AdbcStatusCode code_;
  std::string sqlstate_;
};

// The database's own message of an error without its context: that repeats the statement.
std::string MessageOf(const AdbcError& error);

// Is the connection gone, or could none be made? Such a status is an IOError.
bool IsConnectionFailure(const arrow::Status& status);
// Five letters, or empty.
std::string SqlStateOf(const arrow::Status& status);

// The drivers that are linked in; all others are libraries.
inline constexpr std::string_view kDuckdb = "duckdb";
inline constexpr std::string_view kRedis = "redis";

// The path of the library of a driver, given by its name in `folder` or as an absolute path; the name of one that is
// linked in. Invalid: none of them.
arrow::Result<std::string> DriverLibrary(const std::string& driver, const std::string& folder);

// A stream of batches that has the driver's errors. Move-only.
class DriverStream {
 public:
  DriverStream() = default;
  DriverStream(DriverStream&& other) noexcept;
  DriverStream& operator=(DriverStream&& other) noexcept;
  ~DriverStream();

  // Once, first.
  arrow::Result<std::shared_ptr<arrow::Schema>> ReadSchema();
  // A released array: the end.
  arrow::Status Next(ArrowArray& array);

 private:
  friend class DriverStatement;
  arrow::Status ErrorOf(int error);

  ArrowArrayStream stream_{};
  std::shared_ptr<const Redaction> redaction_;
  bool in_process_ = false;
};

class DriverConnection;

class DriverStatement {
 public:
  ~DriverStatement();
  DriverStatement(const DriverStatement&) = delete;
  DriverStatement& operator=(const DriverStatement&) = delete;

  arrow::Status SetOption(const std::string& name, const std::string& value);
  // The schema of the rows, without running it.
  arrow::Result<std::shared_ptr<arrow::Schema>> ExecuteSchema();
  arrow::Result<DriverStream> ExecuteQuery();
  // Without rows. The number of rows that it changed, -1 where that is unknown.
  arrow::Result<std::int64_t> ExecuteUpdate();
  // What an ingest or a statement with parameters takes its rows from; read while it executes. Takes the stream, whose
  // errors it does not hide: the stream's owner has them.
  arrow::Status Bind(ArrowArrayStream* rows);
  // From any thread. NotImplemented where the driver has no such thing.
  arrow::Status Cancel();

 private:
  friend class DriverConnection;
  DriverStatement() = default;

  AdbcStatement statement_{};
  std::shared_ptr<const Redaction> redaction_;
  bool in_process_ = false;
  std::shared_ptr<std::atomic<bool>> stop_;  // of its connection (sqlite_stop.h)
};

// An open database of a driver, from which connections are made.
class DriverDatabase {
 public:
  // Loads the library and opens the database as the spec's driver options say. The file of a DuckDB database is the
  // caller's to take (open_files.h). `host`: the program that the driver of an isolated backend runs in; empty: here.
  static arrow::Result<std::shared_ptr<DriverDatabase>> Open(const BackendSpec& spec, const std::string& library,
                                                             const std::string& host = {});
  ~DriverDatabase();
  DriverDatabase(const DriverDatabase&) = delete;
  DriverDatabase& operator=(const DriverDatabase&) = delete;

 private:
  friend class DriverConnection;
  explicit DriverDatabase(const BackendSpec& spec) : redaction_(std::make_shared<Redaction>(spec)) {}
  arrow::Status Initialize(const BackendSpec& spec, const std::string& library, const std::string& host);
  arrow::Status InitializeLinked(const BackendSpec& spec, const std::string& name);
  arrow::Status SetOption(const std::string& name, const std::string& value);

  AdbcDatabase database_{};
  std::shared_ptr<const Redaction> redaction_;
  bool in_process_ = false;  // there is no connection that could be lost
  bool is_sqlite_ = false;   // in this process
};

// What a driver has beside statements and their rows.
struct DriverAbilities {
  bool cancels = false;     // AdbcStatementCancel
  bool statistics = false;  // AdbcConnectionGetStatistics
};

class DriverConnection {
 public:
  static arrow::Result<std::unique_ptr<DriverConnection>> Connect(std::shared_ptr<DriverDatabase> database);
  ~DriverConnection();
  DriverConnection(const DriverConnection&) = delete;
  DriverConnection& operator=(const DriverConnection&) = delete;

  arrow::Result<std::unique_ptr<DriverStatement>> Prepare(const std::string& sql);
  // One without SQL: its options say what it does.
  arrow::Result<std::unique_ptr<DriverStatement>> MakeStatement();
  // Runs a statement that gives no rows.
  arrow::Status Run(const std::string& sql);
  // Runs a query of few rows, which nobody wants.
  arrow::Status Ask(const std::string& query);
  // The version of the database product; empty where the driver does not say.
  std::string ProductVersion();
  // From any thread: cuts a connection of an isolated driver off; whoever waits in it gets an IOError.
  void CutOff();
  // What the driver itself says of a database without a catalog in SQL: its schemas, its tables (of one schema, unless
  // it is null), and the columns of one. KeyError: there is none of that name.
  arrow::Result<std::vector<NamedSchema>> Schemas();
  arrow::Result<std::vector<NamedTable>> Tables(const NamedSchema* schema);
  // The batches of GetObjects, with all columns and constraints.
  arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> Everything();
  arrow::Result<std::shared_ptr<arrow::Schema>> TableSchema(const std::string& table);
  // Asked of the driver alone.
  DriverAbilities Abilities();

  arrow::Status SetOption(const std::string& name, const std::string& value);
  // Empty: the driver does not say.
  std::string Option(const std::string& name);
  // Of the open transaction, where ADBC_CONNECTION_OPTION_AUTOCOMMIT is disabled; another one begins at once. TRAP:
  // PostgreSQL's driver says OK of one that the database rolled back.
  arrow::Status Commit();
  arrow::Status Rollback();

 private:
  explicit DriverConnection(std::shared_ptr<DriverDatabase> database) : database_(std::move(database)) {}
  // The batches of GetObjects, down to `depth`; of one schema, unless it is null.
  arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> Objects(int depth, const NamedSchema* schema);

  std::shared_ptr<DriverDatabase> database_;
  AdbcConnection connection_{};
  std::shared_ptr<std::atomic<bool>> stop_;  // what ends its statements where the driver cannot; null: the driver does
};

}  // namespace hyprstream::backend
