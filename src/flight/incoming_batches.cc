#include "flight/incoming_batches.h"

#include <arrow/buffer.h>
#include <arrow/flight/server.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <optional>
#include <utility>

#include "base/memory_budget.h"
#include "flight/ipc_guard.h"
#include "flight/rpc_middleware.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;

namespace {

constexpr int kColumnsMax = 10'000;  // making a table takes time with the square of its columns

arrow::Status BadStream(const fl::ServerCallContext& call, const arrow::Status& status) {
  if (call.is_cancelled()) return arrow::Status::Cancelled("The client went away");
  ARROW_RETURN_NOT_OK(RefusalOf(status));
  if (status.IsOutOfMemory() || status.IsCapacityError() || status.IsCancelled()) return status;
  return arrow::Status::Invalid("Bad Arrow stream: ", status.message());
}

// The same batch; its memory is given back when the last reference to it goes.
std::shared_ptr<arrow::RecordBatch> Holding(std::shared_ptr<arrow::RecordBatch> batch,
                                            MemoryShare::Reservation reservation) {
  struct Holder {
    MemoryShare::Reservation reservation;
    std::shared_ptr<arrow::RecordBatch> batch;
  };
  auto holder = std::make_shared<Holder>(std::move(reservation), std::move(batch));
  return {holder, holder->batch.get()};
}

class MessageReader final : public arrow::RecordBatchReader {
 public:
  MessageReader(const fl::ServerCallContext& call, fl::FlightMessageReader& messages,
                std::shared_ptr<arrow::Schema> schema)
      : rpc_(Rpc::Of(call)), incoming_(call, messages), schema_(std::move(schema)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(auto message, incoming_.Next());
      *batch = std::move(message.batch);
      if (*batch != nullptr) rpc_.AddRows((*batch)->num_rows());
      if (*batch != nullptr || message.end) return arrow::Status::OK();
    }
  }

 private:
  Rpc& rpc_;
  IncomingBatches incoming_;
  std::shared_ptr<arrow::Schema> schema_;
};

// Parameters may be kept for as long as their statement: they must not take the room of messages, nor wait for it.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> Keep(const fl::ServerCallContext& call,
                                                        std::shared_ptr<arrow::RecordBatch> batch) {
  constexpr std::int64_t kSmall = 64 << 10;
  auto* share = Rpc::Of(call).memory().parameters;
  const auto bytes = BufferBytes(*batch);
  std::optional<MemoryShare::Reservation> room;
  if (share != nullptr && bytes > kSmall) {
    room = share->TryReserve(bytes);
    if (!room.has_value()) {
      return arrow::Status::CapacityError("The memory for bound parameters is full (", share->Snapshot().bytes_max,
                                          " bytes, the rest of memory_max); bind fewer rows at once, close prepared "
                                          "statements, or ingest the rows into a table");
    }
  }
  // A copy of the record only: the message's own reservation ends here.
  auto own = arrow::RecordBatch::Make(batch->schema(), batch->num_rows(), batch->columns());
  return Holding(std::move(own), room.has_value() ? *std::move(room) : MemoryShare::Reservation());
}

}  // namespace

arrow::Result<IncomingMessage> IncomingBatches::Next() {
  ARROW_ASSIGN_OR_RAISE(auto turn, TakeTurn());
  auto chunk = messages_.Next();
  if (!chunk.ok()) return BadStream(call_, chunk.status());
  IncomingMessage message;
  if (chunk->app_metadata != nullptr) message.metadata = chunk->app_metadata->ToString();
  if (chunk->data != nullptr) {
    ARROW_ASSIGN_OR_RAISE(message.batch, Account(std::move(chunk->data), std::move(turn)));
  }
  message.end = message.batch == nullptr && chunk->app_metadata == nullptr;
  if (message.end && call_.is_cancelled()) return arrow::Status::Cancelled("The client went away");
  return message;
}

// Small messages need none.
arrow::Result<std::optional<ReadingTurns::Turn>> IncomingBatches::TakeTurn() {
  constexpr std::int64_t kSmall = 1 << 20;
  auto* turns = Rpc::Of(call_).memory().turns;
  if (turns == nullptr) return std::nullopt;
  const auto expected = last_bytes_.value_or(turns->first_claim());
  if (expected <= kSmall) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(auto turn, turns->Take(expected, [this] { return call_.is_cancelled(); }));
  return std::make_optional(std::move(turn));
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> IncomingBatches::Account(std::shared_ptr<arrow::RecordBatch> batch,
                                                                            std::optional<ReadingTurns::Turn> turn) {
  auto* share = Rpc::Of(call_).memory().messages;
  if (share == nullptr) return batch;
  const auto bytes = BufferBytes(*batch);
  last_bytes_ = bytes;
  if (turn.has_value()) turn->Hold(bytes);  // until it is reserved
  ARROW_ASSIGN_OR_RAISE(auto reservation, share->Reserve(bytes, [this] { return call_.is_cancelled(); }));
  return Holding(std::move(batch), std::move(reservation));
}

arrow::Result<std::shared_ptr<arrow::Schema>> IncomingBatches::Schema() {
  auto schema = messages_.GetSchema();
  if (!schema.ok()) return BadStream(call_, schema.status());
  if ((*schema)->num_fields() > kColumnsMax) {
    return arrow::Status::Invalid("The stream has ", (*schema)->num_fields(), " columns; at most ", kColumnsMax,
                                  " are taken");
  }
  return schema;
}

arrow::Result<std::unique_ptr<arrow::RecordBatchReader>> ReadIncoming(const fl::ServerCallContext& call,
                                                                      fl::FlightMessageReader& messages) {
  ARROW_ASSIGN_OR_RAISE(auto schema, IncomingBatches(call, messages).Schema());
  return std::make_unique<MessageReader>(call, messages, std::move(schema));
}

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> ReadParameters(const fl::ServerCallContext& call,
                                                                               fl::FlightMessageReader& messages,
                                                                               std::int64_t bytes_max) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  std::int64_t bytes = 0;
  IncomingBatches incoming(call, messages);
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto message, incoming.Next());
    if (message.end) return batches;
    if (message.batch == nullptr || message.batch->num_columns() == 0) continue;
    bytes += BufferBytes(*message.batch);
    if (bytes > bytes_max) {
      return arrow::Status::CapacityError("The parameters take more than ", bytes_max,
                                          " bytes; bind fewer rows at once, or ingest them into a table");
    }
    ARROW_RETURN_NOT_OK(message.batch->ValidateFull());
    ARROW_ASSIGN_OR_RAISE(auto kept, Keep(call, std::move(message.batch)));
    batches.push_back(std::move(kept));
  }
}

std::int64_t BufferBytes(const arrow::RecordBatch& batch) { return arrow::util::TotalBufferSize(batch); }

}  // namespace hyprstream::flight
