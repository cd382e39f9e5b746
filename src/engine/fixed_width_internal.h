// One column of an outgoing batch whose values DuckDB and Arrow lay out alike: copied whole, not value by value.
//
// DuckDB's own appender converts each value by itself, and doubles its buffers from one vector up, which copies all of
// them once more. Thread safety: one thread at a time. Stays inside the room.
#pragma once

#include <cstdint>
#include <memory>

namespace arrow {
struct ArrayData;
class ResizableBuffer;
}  // namespace arrow

namespace duckdb {
struct LogicalType;
class Vector;
struct UnifiedVectorFormat;
}  // namespace duckdb

namespace hyprstream::engine {

class FixedWidthColumn {
 public:
  // Integers, floats, dates and times of up to 8 bytes.
  static bool Takes(const duckdb::LogicalType& type);

  // `rows_expected` is what the first allocation holds.
  FixedWidthColumn(const duckdb::LogicalType& type, std::int64_t rows_expected);

  void Append(const duckdb::Vector& vector, std::int64_t rows);
  // What was appended, but for its Arrow type, which the reader knows. The column is empty then, and of no more use.
  std::shared_ptr<arrow::ArrayData> Finish();

 private:
  void Reserve(std::int64_t rows);
  void AppendValues(const duckdb::UnifiedVectorFormat& format, std::int64_t rows);
  void AppendValidity(const duckdb::UnifiedVectorFormat& format, std::int64_t rows);

  std::int64_t width_;
  std::int64_t capacity_;
  std::int64_t rows_ = 0;
  std::int64_t nulls_ = 0;
  std::shared_ptr<arrow::ResizableBuffer> values_;
  std::shared_ptr<arrow::ResizableBuffer> validity_;  // null: no value is NULL so far
};

}  // namespace hyprstream::engine
