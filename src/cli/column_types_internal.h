// Which types the columns of a text get.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace arrow {
class Array;
class BinaryArray;
class DataType;
class RecordBatch;
class Schema;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::cli {

// Has it a form in text that values are read from, be it a cell of CSV or one of JSON? Not of nested types.
bool ReadsFromText(const arrow::DataType& type);

// The table's type for `name` (case does not count) where texts can be read as it, else what was inferred, made to hold
// what may still come: text for columns that were all null so far, microseconds for times.
std::shared_ptr<arrow::DataType> TypeFor(const std::string& name, const std::shared_ptr<arrow::DataType>& inferred,
                                         const arrow::Schema* table);

// The numbers of a column whose type is inferred.
class NumberRange {
 public:
  void Add(std::string_view number);  // as it is written
  // The type that holds all of them exactly when they are integers, one of them beyond BIGINT; else null.
  std::shared_ptr<arrow::DataType> WideType() const;

 private:
  bool all_integers_ = true;
  bool any_negative_ = false;
  bool beyond_int64_ = false;
  bool beyond_uint64_ = false;
};

// Values that are written as `\x` and hexadecimal digits become the bytes they stand for, others their characters.
// Invalid for `\x` with anything else behind it.
arrow::Result<std::shared_ptr<arrow::Array>> DecodeBinary(const arrow::BinaryArray& column);
// The same for each binary column of a batch.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> DecodeBinary(std::shared_ptr<arrow::RecordBatch> batch);

}  // namespace hyprstream::cli
