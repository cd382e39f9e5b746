// What stands behind the handles of ADBC: a database is options, a connection has the wire, a statement runs.
//
// Thread safety: as ADBC asks: one thread at a time for each object, but for Cancel(), from any thread. Objects of one
// database may be used by different threads at once. Ownership: a statement and its streams keep the wire.
#pragma once

#include <arrow-adbc/adbc.h>
#include <arrow/result.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bound_rows.h"
#include "catalog_results.h"
#include "changes.h"
#include "select_stream.h"
#include "sql.h"
#include "table.h"
#include "transaction.h"

namespace adbc_redis {

// Options of databases, which statements may change for themselves.
struct TransferOptions {
  int64_t batch_rows = 65536;
  int64_t pipeline_rows = 1000;
  int64_t replace_grace_ms = 60'000;
  int64_t transaction_bytes_max = int64_t{256} << 20;  // of commands that a transaction holds

  // False: `name` is none of them.
  arrow::Result<bool> Set(const std::string& name, const std::string& value);
};

class Database {
 public:
  arrow::Status SetOption(const std::string& name, const std::string& value);
  // NOT_FOUND: it was not set, or is a secret.
  arrow::Result<std::string> GetOption(const std::string& name) const;
  arrow::Status Init();

  bool is_initialized() const { return initialized_; }
  const ServerAddress& address() const { return address_; }
  const std::string& prefix() const { return prefix_; }
  const TransferOptions& transfer() const { return transfer_; }

 private:
  arrow::Status Apply(const std::string& name, const std::string& value);

  std::map<std::string, std::string> options_;
  ServerAddress address_;
  std::string prefix_ = "adbc";
  TransferOptions transfer_;
  bool initialized_ = false;
};

class Connection {
 public:
  Connection() = default;
  ~Connection();  // rolls back
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  arrow::Status SetOption(const std::string& name, const std::string& value);
  arrow::Result<std::string> GetOption(const std::string& name) const;
  arrow::Status Init(const Database& database);
  // INVALID_STATE in autocommit mode.
  arrow::Status Commit();
  arrow::Status Rollback();
  void Cancel();

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Info(std::span<const uint32_t> codes) const;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Objects(const ObjectsFilter& filter) const;
  // Its metadata name the primary key and the time column: adbc.redis.primary_key, adbc.redis.time.
  arrow::Result<std::shared_ptr<arrow::Schema>> TableSchema(const std::string& table) const;

  // A statement that changes something has failed.
  void NoteFailedChange() {
    if (transaction_ != nullptr) transaction_->Spoil(*tables_);
  }
  // Within the open transaction. INVALID_STATE before Init().
  arrow::Result<Tables> tables() const;
  const TransferOptions& transfer() const { return transfer_; }
  // A flag that Cancel() sets, for one execution.
  std::shared_ptr<CancelFlag> NewCancelFlag();

 private:
  arrow::Status SetAutocommit(bool on);
  arrow::Status CheckTransaction() const;

  std::optional<Tables> tables_;
  std::shared_ptr<Transaction> transaction_;  // null: autocommit
  bool autocommit_ = true;                    // also before Init()
  TransferOptions transfer_;
  std::mutex mutex_;  // over flags_
  std::vector<std::weak_ptr<CancelFlag>> flags_;
};

class Statement {
 public:
  explicit Statement(Connection& connection) : connection_(connection), transfer_(connection.transfer()) {}

  arrow::Status SetOption(const std::string& name, const std::string& value);
  arrow::Result<std::string> GetOption(const std::string& name) const;
  arrow::Status SetQuery(const std::string& text);
  // Checks the query against the tables that there are.
  arrow::Status Prepare();
  void Bind(std::unique_ptr<BoundRows> rows) { bound_ = std::move(rows); }

  struct Outcome {
    std::unique_ptr<RowStream> stream;  // of a SELECT
    int64_t rows = -1;                  // changed
  };
  arrow::Result<Outcome> Execute();
  arrow::Result<std::shared_ptr<arrow::Schema>> ExecuteSchema();
  arrow::Result<std::shared_ptr<arrow::Schema>> Parameters();
  void Cancel();

 private:
  arrow::Status SetIngestOption(const std::string& name, const std::string& value);
  arrow::Result<const sql::Statement*> Query() const;
  arrow::Result<int64_t> Ingest(const Tables& tables, const CancelFlag* cancel);
  arrow::Result<int64_t> Change(const Tables& tables, const sql::Statement& query, const CancelFlag* cancel);

  Connection& connection_;
  TransferOptions transfer_;
  std::optional<sql::Statement> query_;
  std::optional<IngestTarget> ingest_;  // bulk ingest instead of a query
  std::unique_ptr<BoundRows> bound_;
  std::mutex mutex_;  // over cancel_
  std::shared_ptr<CancelFlag> cancel_;
};

}  // namespace adbc_redis
