#include "flight/incoming_batches.h"

#include <arrow/buffer.h>
#include <arrow/flight/server.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <utility>

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

class IncomingReader final : public arrow::RecordBatchReader {
 public:
  IncomingReader(const fl::ServerCallContext& call, fl::FlightMessageReader& messages,
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

}  // namespace

arrow::Result<IncomingMessage> IncomingBatches::Next() {
  auto chunk = messages_.Next();
  if (!chunk.ok()) return BadStream(call_, chunk.status());
  IncomingMessage message;
  if (chunk->app_metadata != nullptr) message.metadata = chunk->app_metadata->ToString();
  message.batch = std::move(chunk->data);
  message.end = message.batch == nullptr && chunk->app_metadata == nullptr;
  if (message.end && call_.is_cancelled()) return arrow::Status::Cancelled("The client went away");
  return message;
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
  return std::make_unique<IncomingReader>(call, messages, std::move(schema));
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
    batches.push_back(std::move(message.batch));
  }
}

std::int64_t BufferBytes(const arrow::RecordBatch& batch) { return arrow::util::TotalBufferSize(batch); }

}  // namespace hyprstream::flight
