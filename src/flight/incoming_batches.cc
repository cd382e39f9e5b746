#include "flight/incoming_batches.h"

#include <arrow/buffer.h>
#include <arrow/flight/server.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <optional>
#include <utility>

#include "base/batch_bytes.h"
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
// Together they have one reservation after the other; the first few bytes of a statement need none.
class KeptParameters {
 public:
  KeptParameters(MemoryShare* share, std::int64_t bytes_max) : share_(share), bytes_max_(bytes_max) {}

  // Keeps a copy of the record only: the message's own reservation ends here.
  arrow::Status Keep(const arrow::RecordBatch& batch) {
    constexpr std::int64_t kSmall = 4 << 10;
    const auto bytes = BatchBytes(batch);
    bytes_ += bytes;
    if (bytes_ > bytes_max_) {
      return arrow::Status::CapacityError("The parameters take more than ", bytes_max_,
                                          " bytes; bind fewer rows at once, or ingest them into a table");
    }
    MemoryShare::Reservation room;
    unreserved_ += bytes;
    if (share_ != nullptr && unreserved_ > kSmall) {
      ARROW_ASSIGN_OR_RAISE(room, Reserve());
    }
    auto own = arrow::RecordBatch::Make(batch.schema(), batch.num_rows(), batch.columns());
    batches_.push_back(Holding(std::move(own), std::move(room)));
    return arrow::Status::OK();
  }
  bool empty() const { return batches_.empty(); }
  std::vector<std::shared_ptr<arrow::RecordBatch>> Take() { return std::move(batches_); }

 private:
  arrow::Result<MemoryShare::Reservation> Reserve() {
    auto room = share_->TryReserve(std::exchange(unreserved_, 0));
    if (room.has_value()) return *std::move(room);
    return arrow::Status::CapacityError("The memory for bound parameters is full (", share_->Snapshot().bytes_max,
                                        " bytes, the rest of memory_max); bind fewer rows at once, close prepared "
                                        "statements, or ingest the rows into a table");
  }

  MemoryShare* const share_;  // null: none
  const std::int64_t bytes_max_;
  std::int64_t bytes_ = 0;
  std::int64_t unreserved_ = 0;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
};

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
  const auto bytes = BatchBytes(*batch);
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
  KeptParameters kept(Rpc::Of(call).memory().parameters, bytes_max);
  IncomingBatches incoming(call, messages);
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto message, incoming.Next());
    if (message.end) break;
    if (message.batch == nullptr || message.batch->num_columns() == 0) continue;
    ARROW_RETURN_NOT_OK(message.batch->ValidateFull());
    if (message.batch->num_rows() == 0 && !kept.empty()) continue;  // one tells what there is to tell
    ARROW_RETURN_NOT_OK(kept.Keep(*message.batch));
  }
  auto batches = kept.Take();
  if (!batches.empty()) return batches;
  const auto schema = incoming.Schema();
  if (!schema.ok()) return batches;  // there was no stream
  ARROW_ASSIGN_OR_RAISE(batches.emplace_back(), arrow::RecordBatch::MakeEmpty(*schema));
  return batches;
}

}  // namespace hyprstream::flight
