// What a client sends in DoPut and DoExchange, as batches that can be trusted to be whole.
//
// Thread safety: used by one thread at a time.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flight/reading_turns.h"

namespace arrow::flight {
class FlightMessageReader;
class ServerCallContext;
}  // namespace arrow::flight

namespace hyprstream::flight {

struct IncomingMessage {
  std::shared_ptr<arrow::RecordBatch> batch;  // null: only metadata, or the end
  std::string metadata;
  bool end = false;
};

// What a batch holds is reserved of the call's share for messages as long as the batch lives. When the share is full,
// Next() waits, and gRPC's flow control holds back the sender; large messages of all calls wait for their turn to be
// read. So nobody may hold a batch while the next is waited for,
// but for a thread that reads ahead of another which needs no more to go on: several would wait for each other.
//
// Invalid for bytes that are no Arrow stream, CapacityError when a message is over the bound, Cancelled when the client
// went away: Flight shows that as an end, and half a stream must never pass for a whole one.
class IncomingBatches {
 public:
  IncomingBatches(const arrow::flight::ServerCallContext& call, arrow::flight::FlightMessageReader& messages)
      : call_(call), messages_(messages) {}

  arrow::Result<IncomingMessage> Next();
  // After the first batch, or the end: of the stream; Invalid when none was sent.
  arrow::Result<std::shared_ptr<arrow::Schema>> Schema();

 private:
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Account(std::shared_ptr<arrow::RecordBatch> batch,
                                                             std::optional<ReadingTurns::Turn> turn);
  arrow::Result<std::optional<ReadingTurns::Turn>> TakeTurn();

  const arrow::flight::ServerCallContext& call_;
  arrow::flight::FlightMessageReader& messages_;
  std::optional<std::int64_t> last_bytes_;  // of the batch before
};

// The same as a reader; its schema is read (and may fail) when it is made. Adds to the call's rows. Batches are not
// validated: the commit path does that.
arrow::Result<std::unique_ptr<arrow::RecordBatchReader>> ReadIncoming(const arrow::flight::ServerCallContext& call,
                                                                      arrow::flight::FlightMessageReader& messages);

// All batches, fully validated: the parameters of a prepared statement. Batches without columns are left out, and those
// without rows but for a first one: it asks for no execution. Of a stream that has no others, one without rows is made
// of its schema, which may have no columns. CapacityError when they are larger than `bytes_max` together, or find no
// room in the share for parameters.
arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> ReadParameters(
    const arrow::flight::ServerCallContext& call, arrow::flight::FlightMessageReader& messages, std::int64_t bytes_max);

}  // namespace hyprstream::flight
