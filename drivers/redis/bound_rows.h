// Parameters: the rows that an application has bound to a statement, batch by batch.
//
// Thread safety: one thread. Ownership: owns the stream.
#pragma once

#include <arrow-adbc/adbc.h>
#include <arrow/result.h>

#include <memory>

namespace arrow {
class RecordBatch;
class RecordBatchReader;
class Schema;
}  // namespace arrow

namespace adbc_redis {

class BoundRows {
 public:
  // Take over what they are given, also where they fail.
  static arrow::Result<std::unique_ptr<BoundRows>> Of(ArrowArray* values, ArrowSchema* schema);
  static arrow::Result<std::unique_ptr<BoundRows>> Of(ArrowArrayStream* stream);
  ~BoundRows();

  const arrow::Schema& schema() const;
  // Null at the end. A stream's own error is IO, with its words.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next();

 private:
  explicit BoundRows(std::shared_ptr<arrow::RecordBatchReader> reader);
  std::shared_ptr<arrow::RecordBatchReader> reader_;
};

}  // namespace adbc_redis
