// The rows that a write is given, as the driver takes them: each value one that its column holds exactly.
//
// Thread safety: one thread. Ownership: the reader and the writing must outlive it.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>

#include "backend/value_writing.h"

namespace hyprstream::backend {

class WrittenRows final : public arrow::RecordBatchReader {
 public:
  // Numbered, they have one more column, kStagedNumber.
  WrittenRows(arrow::RecordBatchReader& rows, const ValueWriting& writing, bool numbered);

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override;

 private:
  arrow::RecordBatchReader& rows_;
  const ValueWriting& writing_;
  const bool numbered_;
  std::shared_ptr<arrow::Schema> schema_;
  std::int64_t rows_max_ = 0;                 // of a batch
  std::shared_ptr<arrow::RecordBatch> rest_;  // of what was read last
  std::int64_t count_ = 0;
};

}  // namespace hyprstream::backend
