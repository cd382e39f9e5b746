// Which types the columns of a text get.
#pragma once

#include <memory>
#include <string>

namespace arrow {
class DataType;
class Schema;
}  // namespace arrow

namespace hyprstream::cli {

// The table's type for `name` (case does not count) where texts can be read as it, else what was inferred, made to hold
// what may still come: text for columns that were all null so far, microseconds for times.
std::shared_ptr<arrow::DataType> TypeFor(const std::string& name, const std::shared_ptr<arrow::DataType>& inferred,
                                         const arrow::Schema* table);

}  // namespace hyprstream::cli
