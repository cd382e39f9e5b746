// The rows of a SELECT, batch by batch.
//
// Thread safety: one thread.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace adbc_redis {

struct ReadOptions {
  int64_t batch_rows = 65536;
  int64_t batch_bytes = int64_t{16} << 20;  // of text; a batch ends with the row that reaches it
  int64_t pipeline_rows = 1000;
};

class RowStream {
 public:
  virtual ~RowStream() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // Null at the end. INVALID_DATA names key and column of a text that is no value of the column. A stream that has
  // failed says so again: rows that were on their way are lost.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
};

}  // namespace adbc_redis
