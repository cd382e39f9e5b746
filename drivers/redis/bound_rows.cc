#include "bound_rows.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>

#include <utility>

#include "failure.h"

namespace adbc_redis {

BoundRows::BoundRows(std::shared_ptr<arrow::RecordBatchReader> reader) : reader_(std::move(reader)) {}
BoundRows::~BoundRows() = default;

arrow::Result<std::unique_ptr<BoundRows>> BoundRows::Of(ArrowArray* values, ArrowSchema* schema) {
  ARROW_ASSIGN_OR_RAISE(auto batch, arrow::ImportRecordBatch(values, schema));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make({batch}, batch->schema()));
  return std::unique_ptr<BoundRows>(new BoundRows(std::move(reader)));
}

arrow::Result<std::unique_ptr<BoundRows>> BoundRows::Of(ArrowArrayStream* stream) {
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ImportRecordBatchReader(stream));
  return std::unique_ptr<BoundRows>(new BoundRows(std::move(reader)));
}

const arrow::Schema& BoundRows::schema() const { return *reader_->schema(); }

arrow::Result<std::shared_ptr<arrow::RecordBatch>> BoundRows::Next() {
  std::shared_ptr<arrow::RecordBatch> batch;
  const arrow::Status read = reader_->ReadNext(&batch);
  if (!read.ok()) return Fail(ADBC_STATUS_IO, "The bound stream failed: " + read.message());
  if (batch != nullptr) {  // offsets out of range would otherwise be read
    const arrow::Status valid = batch->Validate();
    if (!valid.ok()) return Fail(ADBC_STATUS_INVALID_ARGUMENT, "The bound stream is not valid: " + valid.message());
  }
  return batch;
}

}  // namespace adbc_redis
