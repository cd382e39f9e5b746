// DoPut to a table: batches in, one acknowledgement out for each.
//
// A client that sends without waiting is read ahead on a second thread, into a queue bounded in bytes; what has arrived
// meanwhile shares one commit. A client that waits for each acknowledgement is served in lock step on the call's
// thread: a pending read could not be given up when its batch is refused, and both sides would wait. A full queue stops
// reading, and gRPC's flow control stops the sender.
//
// Thread safety: one handler serves one call; the thread it starts is joined before Run returns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/batch_read_ahead.h"
#include "flight/incoming_batches.h"
#include "flight/session_access.h"

namespace arrow::flight {
struct FlightDescriptor;
}

namespace hyprstream::flight {

// `[table]` or `[schema, table]`; Invalid otherwise.
arrow::Result<TableRef> TableOfPath(const std::vector<std::string>& path);
// The metadata of a stream's first message: nothing, or {"create": true|false}; Invalid for anything else.
arrow::Result<bool> WantsCreate(std::string_view metadata);
// {"rows": N, "lsn": "N"}
std::string AckText(const session::PutStream::Ack& ack);

class PutHandler {
 public:
  using Acknowledge = std::function<arrow::Status(const std::string&)>;

  PutHandler(SessionCall call, IncomingBatches incoming, Acknowledge acknowledge, std::int64_t queue_bytes_max);

  // Returns when the client has sent everything and it is committed, or at the first error.
  arrow::Status Run(const std::vector<std::string>& path, const std::function<void(std::int64_t)>& on_rows);

 private:
  using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

  arrow::Status Open(const std::vector<std::string>& path);
  arrow::Status RunInLockStep();
  arrow::Status RunReadingAhead();
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> NextBatch();
  Batches Waiting(BatchReadAhead& ahead, std::shared_ptr<arrow::RecordBatch> next) const;
  arrow::Status Write(const Batches& batches);

  const SessionCall call_;
  IncomingBatches incoming_;
  const Acknowledge acknowledge_;
  const std::int64_t queue_bytes_max_;
  std::function<void(std::int64_t)> on_rows_;
  std::unique_ptr<session::PutStream> stream_;
  IncomingMessage first_;
  std::int64_t rows_ = 0;
};

}  // namespace hyprstream::flight
