// Batches as they are given, turned into those that a driver writes without changing a value.
//
// Drivers check little: PostgreSQL's compares the width of a type's bytes, SQLite's stores whatever it gets. So every
// value is brought here, exactly, to the type that its column has, and refused where that type cannot hold it.
// Thread safety: immutable; all methods, from any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace arrow {
class Array;
class DataType;
class RecordBatch;
class Schema;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::backend {

// What a driver is given for a value of the column's type.
enum class Encoding {
  kNone,
  kDateText,       // of a date: `2013-01-02`
  kTimestampText,  // of microseconds: `2013-01-02 03:04:05.000006`, without a fraction where it is none
  kInteger,        // of a boolean: 0 or 1
  kUuidText,       // of 16 bytes: `550e8400-e29b-41d4-a716-446655440000`
};

// Which values of its type a column takes.
struct ValueBounds {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();  // of integers, dates and times, as Arrow counts them
  std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
  std::int64_t multiple_of = 1;      // of times: a column of milliseconds takes whole thousands of microseconds
  std::int64_t characters_max = -1;  // of texts; -1: any number
  std::int64_t bytes_max = -1;
  bool takes_nan = true;
  bool takes_nul = false;          // in a text
  bool takes_number_texts = true;  // false: the database would make a number of a text that is one
};

struct WrittenColumn {
  std::string name;
  std::string declared;                        // its type, as the database spells it
  std::shared_ptr<arrow::DataType> type = {};  // what its values are brought to; null: none can be written
  Encoding encoding = Encoding::kNone;
  ValueBounds bounds = {};
  std::string cast_to = {};     // its type without lengths and digits
  bool cast_there = false;      // its values are written as text, and cast by the database
  bool rounds = false;          // that cast might change them
  bool cast_in_append = false;  // by DuckDB's append, which casts no more than a vector of values at once
  std::string check = {};       // the database's function that says whether it takes a text for a type
  bool nullable = true;
  bool has_default = false;
  bool computed = false;  // by the database alone
};

class ValueWriting {
 public:
  // `given` names columns of the table `table` as they are spelled there, or in another case where that is one column's
  // alone. Invalid: it has no such column, it names one twice, a column that must have a value is not there, or the
  // column's type takes no values of the given type at all; NotImplemented: a column of a type that cannot be written.
  static arrow::Result<ValueWriting> Make(const std::string& table, const std::vector<WrittenColumn>& columns,
                                          const arrow::Schema& given);

  // The columns that are written, under the table's names, as the driver takes them.
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  const std::vector<WrittenColumn>& columns() const { return columns_; }
  // Invalid, naming column, row and value: one that the column would change. Rows are counted from `first_row`.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Write(const arrow::RecordBatch& batch,
                                                           std::int64_t first_row) const;

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<WrittenColumn> columns_;  // as the given ones
};

}  // namespace hyprstream::backend
