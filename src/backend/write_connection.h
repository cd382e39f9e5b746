// The connection that one transaction has for itself.
//
// It is leased for as long as the transaction lasts, and goes back to the pool only after a commit that left it as it
// was found; after anything that failed it is ended, and the database rolls back. Every wait for the database is
// watched: the caller's cancel, a detached backend and the statement timeout end it.
// Thread safety: all methods, from any thread, one after the other: a connection has one stream. A stream that is open
// when something else is asked is first read into memory, up to kHeldBytesMax.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend_core.h"
#include "backend/writing_dialect.h"
#include "base/mutex.h"

namespace arrow {
class RecordBatchReader;
}

namespace hyprstream::backend {

class WriteConnection : public std::enable_shared_from_this<WriteConnection> {
 public:
  static constexpr std::int64_t kHeldBytesMax = 256LL << 20;
  using Options = std::vector<std::pair<std::string, std::string>>;

  // In a transaction that may write. Errors as BackendCore::Start().
  static arrow::Result<std::shared_ptr<WriteConnection>> Begin(std::shared_ptr<BackendCore> core,
                                                               BackendCore::Cancelled cancelled);
  ~WriteConnection();
  WriteConnection(const WriteConnection&) = delete;
  WriteConnection& operator=(const WriteConnection&) = delete;

  // Without rows; how many it changed.
  arrow::Result<std::int64_t> Run(const std::string& sql) EXCLUDES(mutex_);
  arrow::Result<TextRows> ReadTexts(const std::string& sql) EXCLUDES(mutex_);
  // May be read until the transaction ends.
  arrow::Result<std::unique_ptr<StatementRows>> Start(const std::string& sql) EXCLUDES(mutex_);
  // The driver's bulk ingest of all rows; an error of the reader is returned as it is.
  arrow::Result<std::int64_t> Ingest(const Options& options, std::shared_ptr<arrow::RecordBatchReader> rows)
      EXCLUDES(mutex_);
  // A statement that takes the rows as its parameters, once for each.
  arrow::Result<std::int64_t> RunBound(const std::string& sql, std::shared_ptr<arrow::RecordBatchReader> rows)
      EXCLUDES(mutex_);
  // What the driver says of a table. KeyError: there is none, and the transaction goes on.
  arrow::Result<std::shared_ptr<arrow::Schema>> Describe(const std::string& table) EXCLUDES(mutex_);
  // Then it is over.
  arrow::Status Commit() EXCLUDES(mutex_);
  // From here on everything is Cancelled.
  void End() EXCLUDES(mutex_);

 private:
  class Rows;
  class Step;

  WriteConnection(std::shared_ptr<BackendCore> core, ConnectionPool::Lease lease, BackendCore::Cancelled cancelled)
      : core_(std::move(core)), lease_(std::move(lease)), cancelled_(std::move(cancelled)) {}
  DriverConnection& driver() { return BackendCore::ConnectionOf(lease_); }
  arrow::Status Open() EXCLUDES(mutex_);
  arrow::Status CheckOpen() const REQUIRES(mutex_);
  // Ends the connection with the error, in the backend's words.
  arrow::Status Fail(const arrow::Status& status, const WatchedStatement* watched) REQUIRES(mutex_);
  arrow::Status HoldOpenRows() REQUIRES(mutex_);
  void EndLocked() REQUIRES(mutex_);
  // What executes a statement over bound rows; `statement` or why there is none.
  arrow::Result<std::int64_t> Feed(arrow::Result<std::unique_ptr<DriverStatement>> statement, const Options& options,
                                   std::shared_ptr<arrow::RecordBatchReader> rows) REQUIRES(mutex_);
  arrow::Result<std::int64_t> RunLocked(const std::string& sql) REQUIRES(mutex_);

  const std::shared_ptr<BackendCore> core_;
  Mutex mutex_;
  ConnectionPool::Lease lease_;
  const BackendCore::Cancelled cancelled_;
  Rows* open_rows_ GUARDED_BY(mutex_) = nullptr;
  bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace hyprstream::backend
