// The first rows of a scan in the order of one column: what ORDER BY and LIMIT ask for, taken while the scan runs, so
// that no more than these rows are kept.
//
// Stays inside the room.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace arrow {
class DataType;
class RecordBatch;
class RecordBatchReader;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::engine {

struct RowOrder {
  int column = 0;  // of the batches
  bool descending = false;
  bool nulls_first = false;
  std::int64_t rows = 0;  // no more than these
};

// Are values of the type ordered here as DuckDB orders them? Integers, times, decimals, and floating-point numbers with
// NaN above all others.
bool CanOrder(const arrow::DataType& type);

// In their order; rows that are equal there come in any. `before_batch` may throw to end it. Memory: twice the rows
// asked for, and one batch.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> FirstRows(arrow::RecordBatchReader& reader, const RowOrder& order,
                                                             const std::function<void()>& before_batch);

}  // namespace hyprstream::engine
