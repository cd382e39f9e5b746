// Which types the columns of a text get.
#pragma once

#include <memory>
#include <string>

namespace arrow {
class DataType;
class RecordBatch;
class Schema;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::cli {

// The table's type for `name` (case does not count) where texts can be read as it, else what was inferred, made to hold
// what may still come: text for columns that were all null so far, microseconds for times.
std::shared_ptr<arrow::DataType> TypeFor(const std::string& name, const std::shared_ptr<arrow::DataType>& inferred,
                                         const arrow::Schema* table);

// Values of binary columns that are written as `\x` and hexadecimal digits become the bytes they stand for.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> DecodeBinary(std::shared_ptr<arrow::RecordBatch> batch);

}  // namespace hyprstream::cli
