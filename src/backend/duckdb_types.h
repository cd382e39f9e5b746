// DuckDB's types that are Arrow's as they are, by the names that its catalog gives them.
//
// Pure functions.
#pragma once

#include <memory>
#include <string_view>

#include "backend/table_layout.h"

namespace hyprstream::backend {

struct DuckdbType {
  std::string_view name;
  std::shared_ptr<arrow::DataType> type;
  Comparable comparable;
};

// Null: it is none of them.
const DuckdbType* FindDuckdbType(std::string_view name);
// The type of `DECIMAL(18,3)`; null for another name.
std::shared_ptr<arrow::DataType> DuckdbDecimal(std::string_view name);

}  // namespace hyprstream::backend
