// combine(column): the aggregate that merges the states behind a view's column.
//
// Bound like any aggregate, of any argument and the argument's type. Before DuckDB optimizes the plan, each call is
// followed to the scan of a view that its column comes from, the scan is made to give that column's states beside its
// values, and the call takes those. Where the column does not come from a view's scan as it is, the statement is an
// error: finished values are never merged.
#pragma once

#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/planner/column_binding.hpp>
#include <duckdb/planner/expression.hpp>

#include "engine/state_scan_internal.h"

namespace duckdb {
class ClientContext;
class Connection;
class LogicalOperator;
}  // namespace duckdb

namespace hyprstream::engine {

inline constexpr const char* kCombine = "combine";

// Adds it to the system catalog, in the place of DuckDB's own function of that name, which no client may call. Throws
// DuckDB's exceptions.
void RegisterCombine(duckdb::Connection& connection);

// The aggregate that merges a column's states, found at `binding`; only those that `filter` holds for, if there is one.
duckdb::unique_ptr<duckdb::Expression> MergeOf(duckdb::ClientContext& context, StateColumn column,
                                               const duckdb::ColumnBinding& binding,
                                               duckdb::unique_ptr<duckdb::Expression> filter);

// Gives the calls in a bound plan their states. Throws duckdb::BinderException, saying which call cannot have them.
void ReachStates(duckdb::ClientContext& context, duckdb::LogicalOperator& plan);

}  // namespace hyprstream::engine
