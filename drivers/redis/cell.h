// Values of columns as the text of hash fields, exact both ways. NULL is a field that is absent.
//
//   integers      decimal digits                      REAL, DOUBLE   shortest text that reads back the same; nan, inf,
//   -inf BOOLEAN       true, false                         DECIMAL        plain digits with all places after the point
//   TEXT, BLOB    their bytes                         DATE           days since 1970-01-01
//   TIMESTAMP     count of the column's unit since 1970-01-01 (in UTC with a zone)
// Read as well, for hashes that others write: 1 and 0 as BOOLEAN, ISO 8601 as DATE and TIMESTAMP.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sql.h"

namespace arrow {
class Array;
class DataType;
}  // namespace arrow

namespace adbc_redis {

using Wide = __int128;  // nanoseconds since 1970 of every time that any unit can hold

// The type that a column of `type` has here: large and view layouts and dictionaries become the plain type of their
// values. NOT_IMPLEMENTED: values of it cannot be kept.
arrow::Result<std::shared_ptr<arrow::DataType>> StoredType(const arrow::DataType& type);

// The value at `row`, which is not null, as a column of `target` keeps it. INVALID_ARGUMENT where the target cannot
// hold it exactly, or is of another kind; the message has the value.
arrow::Status WriteCell(const arrow::Array& array, int64_t row, const arrow::DataType& target, std::string& text);
// The same for a literal, neither NULL nor a parameter.
arrow::Status WriteCell(const sql::Value& literal, const arrow::DataType& target, std::string& text);

// A time to compare a column of `target` (DATE or TIMESTAMP) with; it may be finer than the column's unit.
arrow::Result<Wide> ReadTime(const arrow::Array& array, int64_t row, const arrow::DataType& target);
arrow::Result<Wide> ReadTime(const sql::Value& literal, const arrow::DataType& target);

// The kept text of a DATE or TIMESTAMP column as a count of its unit, and that unit in nanoseconds.
arrow::Result<int64_t> CountOf(std::string_view text, const arrow::DataType& type);
Wide NanosecondsPerCount(const arrow::DataType& type);

// Builds a column from kept texts.
//
// Thread safety: one thread.
class ColumnReader {
 public:
  static arrow::Result<std::unique_ptr<ColumnReader>> Make(const std::shared_ptr<arrow::DataType>& type);
  virtual ~ColumnReader() = default;

  // INVALID_DATA: the text is no value of the type; nothing was appended.
  virtual arrow::Status Append(std::string_view text) = 0;
  virtual arrow::Status AppendNull() = 0;
  // What was appended since the last Finish().
  virtual arrow::Result<std::shared_ptr<arrow::Array>> Finish() = 0;
};

// At most 40 bytes of a value for a message; what cannot be printed as \xNN.
std::string Printable(std::string_view value);

}  // namespace adbc_redis
