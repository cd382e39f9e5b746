#include "flight/result_stream.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <utility>

#include "flight/rpc_middleware.h"
#include "flight/status_mapping.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;

namespace {

class CountedReader final : public arrow::RecordBatchReader {
 public:
  CountedReader(Rpc& rpc, std::unique_ptr<arrow::RecordBatchReader> rows, const SliceBounds& bounds)
      : rpc_(rpc), rows_(std::move(rows), bounds) {}

  std::shared_ptr<arrow::Schema> schema() const override { return rows_.schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_.ReadNext(batch));
    if (*batch != nullptr) rpc_.AddRows((*batch)->num_rows());
    return arrow::Status::OK();
  }
  arrow::Status Close() override { return rows_.Close(); }

 private:
  Rpc& rpc_;
  SlicedReader rows_;
};

}  // namespace

ResultStream::ResultStream(std::unique_ptr<RequestContext> context, std::shared_ptr<arrow::RecordBatchReader> rows)
    : context_(std::move(context)), rows_(std::move(rows)), encoder_(rows_) {}

std::unique_ptr<fl::FlightDataStream> ResultStream::Make(const fl::ServerCallContext& call,
                                                         std::unique_ptr<RequestContext> context,
                                                         std::unique_ptr<arrow::RecordBatchReader> rows,
                                                         const SliceBounds& bounds) {
  auto counted = std::make_shared<CountedReader>(Rpc::Of(call), std::move(rows), bounds);
  return std::unique_ptr<fl::FlightDataStream>(new ResultStream(std::move(context), std::move(counted)));
}

arrow::Result<fl::FlightPayload> ResultStream::GetSchemaPayload() {
  fl::FlightPayload payload;
  ARROW_RETURN_NOT_OK(Guarded([&] { return encoder_.GetSchemaPayload().Value(&payload); }));
  return payload;
}

arrow::Result<fl::FlightPayload> ResultStream::Next() {
  fl::FlightPayload payload;
  ARROW_RETURN_NOT_OK(Guarded([&] { return encoder_.Next().Value(&payload); }));
  return payload;
}

arrow::Status ResultStream::Close() {
  return Guarded([&] { return encoder_.Close(); });
}

arrow::Result<std::unique_ptr<fl::FlightDataStream>> StreamOf(const fl::ServerCallContext& call,
                                                              const std::shared_ptr<arrow::Schema>& schema,
                                                              arrow::RecordBatchVector batches,
                                                              const SliceBounds& bounds) {
  class Batches final : public arrow::RecordBatchReader {
   public:
    Batches(std::shared_ptr<arrow::Schema> schema, arrow::RecordBatchVector batches)
        : schema_(std::move(schema)), batches_(std::move(batches)) {}
    std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
    arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
      *batch = next_ < batches_.size() ? std::move(batches_[next_++]) : nullptr;
      return arrow::Status::OK();
    }

   private:
    std::shared_ptr<arrow::Schema> schema_;
    arrow::RecordBatchVector batches_;
    std::size_t next_ = 0;
  };
  return ResultStream::Make(call, nullptr, std::make_unique<Batches>(schema, std::move(batches)), bounds);
}

}  // namespace hyprstream::flight
