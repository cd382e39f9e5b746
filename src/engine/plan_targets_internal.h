// What an operator of a bound plan writes to, creates, changes or drops.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/table_ref.h"

namespace duckdb {
class LogicalOperator;
enum class LogicalOperatorType : uint8_t;
}  // namespace duckdb

namespace hyprstream::engine {

struct PlanTarget {
  std::string database;  // empty where the plan does not say
  TableRef table;        // no name for a whole schema
  bool temporary = false;
};

// Nothing for operators that only read.
std::optional<PlanTarget> TargetOf(const duckdb::LogicalOperator& op);

// INSERT, UPDATE, DELETE and MERGE.
bool ChangesRows(duckdb::LogicalOperatorType type);

}  // namespace hyprstream::engine
