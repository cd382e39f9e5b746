// Conditions on a scan's columns, taken from the plan for the source of the rows: what one row can be told by is handed
// on, the plan keeps all of it.
//
// Taken when the plan is made, worth something when it runs: parameters and now() have their values then. Throws
// DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/common/vector.hpp>
#include <duckdb/planner/expression.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/table_source.h"

namespace duckdb {
class ClientContext;
class LogicalGet;
}  // namespace duckdb

namespace hyprstream::engine {

// `column <op> values`, or likewise of the column as another kind of time.
struct PlannedFilter {
  int column;
  ColumnFilter::Op op;
  std::vector<std::shared_ptr<const duckdb::Expression>> values;
  bool or_null = false;  // IS NOT DISTINCT FROM: of NULL it is IS NULL
  bool shifted = false;  // the column is cast to another kind of time: up to two days more or less
  std::string text;      // for EXPLAIN
};

// Of the conditions over the columns of `get` alone, those that a source can use: comparisons with what is constant
// while the statement runs, BETWEEN, IN, IS NULL. `filters` stay as they are.
std::vector<PlannedFilter> PlanFilters(const duckdb::LogicalGet& get,
                                       const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& filters);

// The same of one condition, when together they ask for just what it does; else nullopt.
std::optional<std::vector<PlannedFilter>> PlanExactly(const duckdb::LogicalGet& get,
                                                      const duckdb::Expression& condition);

// With their values, as the columns of `schema` carry them; without those that have none, or one that fails.
std::vector<ColumnFilter> EvaluateFilters(duckdb::ClientContext& context, const std::vector<PlannedFilter>& filters,
                                          const arrow::Schema& schema);

}  // namespace hyprstream::engine
