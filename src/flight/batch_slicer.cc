#include "flight/batch_slicer.h"

#include <arrow/ipc/options.h>
#include <arrow/ipc/writer.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <utility>

namespace hyprstream::flight {

namespace {

arrow::Result<std::int64_t> EncodedBytes(const arrow::RecordBatch& batch) {
  std::int64_t bytes = 0;
  ARROW_RETURN_NOT_OK(arrow::ipc::GetRecordBatchSize(batch, arrow::ipc::IpcWriteOptions::Defaults(), &bytes));
  return bytes;
}

arrow::Status Slice(const std::shared_ptr<arrow::RecordBatch>& batch, const SliceBounds& bounds, std::int64_t row,
                    std::vector<std::shared_ptr<arrow::RecordBatch>>& pieces) {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, EncodedBytes(*batch));
  const std::int64_t rows = batch->num_rows();
  if (bytes <= bounds.batch_bytes_max || (rows <= 1 && bytes <= bounds.row_bytes_max)) {
    pieces.push_back(batch);
    return arrow::Status::OK();
  }
  if (rows <= 1) {
    return arrow::Status::CapacityError("Row ", row, " of the result takes ", bytes, " bytes, more than the ",
                                        bounds.row_bytes_max, " that one message may have; select less of it");
  }
  const std::int64_t parts = std::min(rows, std::max<std::int64_t>(2, bytes / bounds.batch_bytes_max + 1));
  const std::int64_t step = (rows + parts - 1) / parts;
  for (std::int64_t at = 0; at < rows; at += step) {
    ARROW_RETURN_NOT_OK(Slice(batch->Slice(at, std::min(step, rows - at)), bounds, row + at, pieces));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> SliceBatch(
    const std::shared_ptr<arrow::RecordBatch>& batch, const SliceBounds& bounds) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> pieces;
  // The buffers bound what is encoded, but for padding and metadata.
  constexpr std::int64_t kSlack = 64 << 10;
  if (arrow::util::TotalBufferSize(*batch) + kSlack <= bounds.batch_bytes_max) {
    pieces.push_back(batch);
    return pieces;
  }
  ARROW_RETURN_NOT_OK(Slice(batch, bounds, 0, pieces));
  return pieces;
}

arrow::Status SlicedReader::ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) {
  while (pieces_.empty()) {
    std::shared_ptr<arrow::RecordBatch> next;
    ARROW_RETURN_NOT_OK(source_->ReadNext(&next));
    if (next == nullptr) {
      if (!sent_ && schema()->num_fields() > 0) {
        sent_ = true;
        return arrow::RecordBatch::MakeEmpty(schema()).Value(batch);
      }
      *batch = nullptr;
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(auto pieces, SliceBatch(next, bounds_));
    pieces_.assign(pieces.begin(), pieces.end());
  }
  *batch = std::move(pieces_.front());
  pieces_.pop_front();
  sent_ = true;
  return arrow::Status::OK();
}

}  // namespace hyprstream::flight
