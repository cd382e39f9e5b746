// One attached database: its connections, the statements that run there, and the threads that look after both.
//
// Two threads a backend, so that one that hangs holds up no other: `backend-watch` ends statements whose time is up or
// whose caller has gone, and waits for no database; `backend-tend` closes idle connections and tries again what could
// not be reached. Thread safety: all methods, from any thread. Ownership: shared by the registry, the catalog and every
// reader of rows; the last of them ends the threads.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backend/backend_registry.h"
#include "backend/backend_spec.h"
#include "backend/background_cancel.h"
#include "backend/breaker.h"
#include "backend/connection_pool.h"
#include "backend/connection_socket.h"
#include "backend/dialect.h"
#include "backend/driver.h"
#include "backend/open_files.h"
#include "backend/statement_watch.h"
#include "base/clock.h"

namespace hyprstream::backend {

class BackendCore;

// Rows of a statement that runs. One thread at a time.
class StatementRows {
 public:
  virtual ~StatementRows() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // A released array: the end.
  virtual arrow::Status Next(ArrowArray& array) = 0;
};

// A statement that gives rows, on a connection of its own.
//
// Its connection goes back to the pool at the end of its rows; it is ended when the statement fails, is destroyed
// before, or was a client's.
class RunningStatement : public StatementRows {
 public:
  ~RunningStatement() override;
  RunningStatement(const RunningStatement&) = delete;
  RunningStatement& operator=(const RunningStatement&) = delete;

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  arrow::Status Next(ArrowArray& array) override;

 private:
  friend class BackendCore;
  RunningStatement(BackendCore& core, ConnectionPool::Lease lease) : core_(core), lease_(std::move(lease)) {}
  void Finish(bool reusable);

  BackendCore& core_;
  ConnectionPool::Lease lease_;
  std::unique_ptr<DriverStatement> statement_;
  std::unique_ptr<BackgroundCancel> cancel_;
  DriverStream stream_;
  std::shared_ptr<WatchedStatement> watched_;
  std::shared_ptr<arrow::Schema> schema_;
  bool is_clients_ = false;
  bool finished_ = false;
};

class BackendCore {
 public:
  using Cancelled = std::function<bool()>;

  // `files`: where the file of a DuckDB backend is taken for as long as it is open. `host`: the program that the driver
  // runs in, where the spec isolates it.
  BackendCore(BackendSpec spec, std::string library, std::unique_ptr<const Dialect> dialect,
              std::shared_ptr<OpenFiles> files, std::string host);
  ~BackendCore();
  BackendCore(const BackendCore&) = delete;
  BackendCore& operator=(const BackendCore&) = delete;

  // Connects once. IOError: it cannot be reached; then it is tried again in the background.
  arrow::Status Open();
  // Everything that runs ends with Cancelled, and nothing begins any more. The database is closed with its last
  // statement, whoever still knows its tables.
  void Close() EXCLUDES(mutex_);

  const std::string& name() const { return spec_.name; }
  const BackendSpec& spec() const { return spec_; }
  const Dialect& dialect() const { return *dialect_; }
  const Clock& clock() const { return clock_; }

  // Whose words a statement has. Ours change nothing: they are sent again, once, where their connection turns out to be
  // dead before it gave anything. A client's may do anything: they are sent once, on a connection that nobody uses
  // after them, since they may have changed its settings.
  enum class Author { kServer, kClient };
  // A row by its primary key may come another way than many rows.
  enum class Reads { kRows, kByKey };
  // Runs a statement that gives rows. What is returned must not outlive this.
  arrow::Result<std::unique_ptr<RunningStatement>> Start(const std::string& sql, Cancelled cancelled, Author author,
                                                         Reads reads = Reads::kRows);
  // The schema of its rows, as the driver gives it, without running it where the driver can.
  arrow::Result<std::shared_ptr<arrow::Schema>> SchemaOf(const std::string& sql, Cancelled cancelled = {});
  // All rows of a statement whose columns are texts.
  arrow::Result<TextRows> ReadTexts(const std::string& sql, Author author = Author::kServer);
  static arrow::Result<TextRows> AllTexts(StatementRows& rows);

  // What the driver says of tables (driver.h), where there is no catalog to ask.
  // By what they are called in SQL here (driver_objects.h).
  arrow::Result<std::map<std::string, NamedSchema>> ReadSchemas();
  arrow::Result<std::vector<NamedTable>> ReadTables(const NamedSchema* schema);
  // All that it says of all tables.
  arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> ReadKeys();
  arrow::Result<std::shared_ptr<arrow::Schema>> ReadTableSchema(const std::string& table);
  arrow::Result<DriverAbilities> Abilities();

  BackendInfo info() const EXCLUDES(mutex_);

  // ---- for whoever runs several statements on one connection (write_connection.h)
  // A connection that the caller has for itself. Errors as Start().
  arrow::Result<ConnectionPool::Lease> Lease(const Cancelled& cancelled);
  static DriverConnection& ConnectionOf(const ConnectionPool::Lease& lease);
  // Whoever waits in the driver sees the end of the connection.
  static void Cut(const ConnectionPool::Lease& lease);
  StatementWatch& watch() { return watch_; }
  void NoteStatement() EXCLUDES(mutex_);
  // With the statement's end and the backend's name in its words; counted.
  arrow::Status Explain(const arrow::Status& status, const WatchedStatement* watched) EXCLUDES(mutex_);

 private:
  friend class RunningStatement;

  arrow::Result<std::unique_ptr<PooledConnection>> Connect() EXCLUDES(mutex_);
  arrow::Result<std::unique_ptr<PooledConnection>> ConnectOnce() EXCLUDES(mutex_);
  // What its driver has connected for it goes into `socket`.
  arrow::Result<std::unique_ptr<DriverConnection>> OpenConnection(ConnectedSocket& socket) EXCLUDES(mutex_);
  // What the dialect wants of a new connection.
  arrow::Status BeginSession(DriverConnection& connection, SocketId socket);
  // Into version_. An error: it had no answer in time, and its connection is of no use.
  arrow::Status AskVersion(PooledConnection& connection) EXCLUDES(mutex_);
  bool is_closed() const EXCLUDES(mutex_);
  // One at a time; who came meanwhile gets what that one got.
  arrow::Result<std::shared_ptr<DriverDatabase>> OpenDatabase() EXCLUDES(mutex_);
  arrow::Result<std::shared_ptr<DriverDatabase>> OpenAnew() EXCLUDES(mutex_);
  template <class Ask>
  auto AskDriver(const Ask& ask) -> decltype(ask(std::declval<DriverConnection&>()));
  arrow::Result<std::unique_ptr<RunningStatement>> Prepare(const std::string& sql, Cancelled cancelled, Author author,
                                                           Reads reads);
  void NoteError(const arrow::Status& status) EXCLUDES(mutex_);
  void NoteLatency(std::chrono::microseconds latency) EXCLUDES(mutex_);
  arrow::Status Unavailable() const EXCLUDES(mutex_);
  void Probe();
  void Watch() EXCLUDES(mutex_);
  void Tend() EXCLUDES(mutex_);

  const BackendSpec spec_;
  const std::string library_;
  const std::unique_ptr<const Dialect> dialect_;
  const std::shared_ptr<OpenFiles> files_;
  const std::string host_;  // empty: the driver runs here
  const SystemClock clock_;
  Breaker breaker_;
  StatementWatch watch_;
  ConnectionPool pool_;

  mutable Mutex mutex_;
  std::shared_ptr<DriverDatabase> database_ GUARDED_BY(mutex_);
  bool opening_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
  arrow::Status opened_ GUARDED_BY(mutex_);  // of the last attempt
  CondVar opening_ended_;
  std::string version_ GUARDED_BY(mutex_);
  std::string last_error_ GUARDED_BY(mutex_);
  bool reachable_ GUARDED_BY(mutex_) = false;
  std::int64_t statements_ GUARDED_BY(mutex_) = 0;
  std::int64_t errors_ GUARDED_BY(mutex_) = 0;
  std::vector<std::chrono::microseconds> latencies_ GUARDED_BY(mutex_);  // a ring of the last ones
  std::size_t latency_at_ GUARDED_BY(mutex_) = 0;
  bool tending_stopped_ GUARDED_BY(mutex_) = false;
  bool watching_stopped_ GUARDED_BY(mutex_) = false;
  CondVar stop_;
  std::thread watcher_;  // last: they use all of the above
  std::thread tender_;
};

}  // namespace hyprstream::backend
