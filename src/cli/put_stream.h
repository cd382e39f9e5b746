// One DoPut into a table: batches are sent on without waiting, acknowledgements are read meanwhile.
//
// Thread safety: Send and Finish from one thread; on_accepted is called from another one. Ownership: the link outlives
// the stream; its thread is joined by Finish, which the destructor calls.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow
namespace arrow::flight {
class FlightMetadataReader;
class FlightStreamWriter;
}  // namespace arrow::flight

namespace hyprstream::cli {

class ServerLink;

struct PutStreamOptions {
  std::vector<std::string> path;  // [table] or [schema, table]
  std::shared_ptr<arrow::Schema> schema;
  bool create = false;  // make the table when it is missing
  // Told how many of the stream's rows the server has accepted so far.
  std::function<void(std::int64_t)> on_accepted;
};

class PutStream {
 public:
  static arrow::Result<std::unique_ptr<PutStream>> Open(ServerLink& link, PutStreamOptions options);
  ~PutStream();
  PutStream(const PutStream&) = delete;
  PutStream& operator=(const PutStream&) = delete;

  // Waits while the server is behind by more than it holds. False when it takes no more: Finish says why.
  bool Send(const arrow::RecordBatch& batch);
  // Waits for the last acknowledgement. The server's error, if there was any; idempotent.
  arrow::Status Finish();

 private:
  explicit PutStream(PutStreamOptions options);
  void ReadAcknowledgements();
  arrow::Status Write(const arrow::RecordBatch& batch);

  const PutStreamOptions options_;
  std::unique_ptr<arrow::flight::FlightStreamWriter> writer_;
  std::unique_ptr<arrow::flight::FlightMetadataReader> reader_;
  bool begun_ = false;
  std::optional<arrow::Status> finished_;
  std::thread acknowledgements_;
};

}  // namespace hyprstream::cli
