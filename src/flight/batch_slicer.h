// Outgoing batches cut to what clients accept: ADBC's Go driver refuses messages over 16 MiB.
//
// Thread safety: a reader is read by one thread at a time.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace hyprstream::flight {

struct SliceBounds {
  std::int64_t batch_bytes_max = 8LL << 20;  // a batch of several rows, as encoded on the wire
  std::int64_t row_bytes_max = 15LL << 20;   // a batch of one row; beyond it is an error
};

// `batch` in order, in pieces within the bounds. CapacityError (0-based row and bytes named) for a row that is too
// large.
arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> SliceBatch(
    const std::shared_ptr<arrow::RecordBatch>& batch, const SliceBounds& bounds);

// The rows of `source`, sliced. A result of no batch becomes one of zero rows: JDBC's driver doubles the columns of a
// stream that has none.
class SlicedReader final : public arrow::RecordBatchReader {
 public:
  SlicedReader(std::unique_ptr<arrow::RecordBatchReader> source, SliceBounds bounds)
      : source_(std::move(source)), bounds_(bounds) {}

  std::shared_ptr<arrow::Schema> schema() const override { return source_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override;
  arrow::Status Close() override { return source_->Close(); }

 private:
  std::unique_ptr<arrow::RecordBatchReader> source_;
  const SliceBounds bounds_;
  std::deque<std::shared_ptr<arrow::RecordBatch>> pieces_;
  bool sent_ = false;
};

}  // namespace hyprstream::flight
