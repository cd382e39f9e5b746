// The rows of an ingest, or of a statement's parameters, on their way to a driver in a process of its own.
//
// The driver asks for them while it executes: its host sends kRowsWanted over the connection's socket, before the reply
// of the call, and gets a batch, the end, or that there will be no more because of an error. So no more than one piece
// of them is on its way, and a driver that is slow is not sent more than it has asked for.
#pragma once

#include <arrow-adbc/adbc.h>

#include <cstdint>
#include <memory>
#include <string>

#include "backend/host_protocol.h"
#include "base/mutex.h"

namespace arrow {
class RecordBatchReader;
}  // namespace arrow

namespace hyprstream::backend {

// In the server. Thread safety: one thread.
class FedRows {
 public:
  static constexpr std::int64_t kPieceBytesMax = std::int64_t{4} << 20;  // but a single row is one piece

  // Takes the stream, also where it fails.
  static arrow::Result<std::unique_ptr<FedRows>> Make(ArrowArrayStream* stream);
  // As kBind has it.
  arrow::Result<std::string> Schema() const;
  // Answers one kRowsWanted. An error of the rows themselves is told to the other side as one without words: whoever
  // bound them knows it. IOError: the other side is gone.
  arrow::Status Answer(const HostSocket& socket);

 private:
  explicit FedRows(std::shared_ptr<arrow::RecordBatchReader> rows) : rows_(std::move(rows)) {}
  // Empty: the end. Where there is no row, one batch of none comes before it: Go's Flight SQL driver sends an ingest
  // without a batch as nothing at all, not even its columns.
  arrow::Result<std::string> Piece();

  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  std::shared_ptr<arrow::RecordBatch> batch_;  // of which some rows were sent
  std::int64_t sent_ = 0;
  bool any_ = false;
  bool ended_ = false;
};

// In the host: where the rows that a driver has bound come from. Open while its statement executes.
// Thread safety: all methods, from any thread: some drivers read in threads of their own. Ownership: the rows share it,
// and may outlive the connection.
class RowsLine : public std::enable_shared_from_this<RowsLine> {
 public:
  void Open(const HostSocket& socket) EXCLUDES(mutex_);
  // Waits for an answer that is on its way. From here on rows are an error.
  void Close() EXCLUDES(mutex_);
  // Rows for AdbcStatementBindStream.
  arrow::Status Export(const std::shared_ptr<arrow::Schema>& schema, ArrowArrayStream* out);

 private:
  class Rows;
  // Null: the end.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Ask() EXCLUDES(mutex_);

  Mutex mutex_;  // held from question to answer
  const HostSocket* socket_ GUARDED_BY(mutex_) = nullptr;
};

}  // namespace hyprstream::backend
