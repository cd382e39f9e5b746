// The states of a view, made of those of another view over the same table.
//
// AggregateQuery::states_sql is the view's SELECT with kStateOf() around its aggregates. When it is planned, the
// roll-up of queries (rollup_internal.h) says which view would answer it; in the place of the aggregation it then scans
// that view, group by group: whoever reads the states merges them.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <cstdint>
#include <duckdb/common/unique_ptr.hpp>
#include <optional>
#include <string>

#include "core/aggregate_query.h"

namespace duckdb {
class Connection;
class LogicalOperator;
class Optimizer;
class SQLStatement;
}  // namespace duckdb

namespace hyprstream::engine {

inline constexpr const char* kStateOf = "hyprstream_state";

// While the statement is run, in the connection's ContextState.
struct StateRequest {
  const AggregateQuery& view;                // whose states are made
  std::optional<std::int64_t> needed_after;  // see Connection::ReadStates
  TableRef from = {};                        // the view that has them
  bool refused = false;                      // none has
  std::string refusal = {};                  // which comes nearest, and what it lacks
};

// Adds kStateOf to the system catalog; it runs in no plan.
void RegisterStateOf(duckdb::Connection& connection);

// `select`: the view's, bound or not, over its table as every session names it.
std::string StatesSql(const AggregateQuery& view, const duckdb::SQLStatement& select);

// When it is bound: DuckDB would put others in the place of some of its aggregates (histogram, mode) before
// PlanStates() sees it.
void KeepAggregates(duckdb::LogicalOperator& plan);

// Makes the plan of states_sql one that reads states. Throws duckdb::BinderException, the refusal being set, where no
// view has them.
void PlanStates(duckdb::Optimizer& optimizer, duckdb::unique_ptr<duckdb::LogicalOperator>& plan, StateRequest& request);

}  // namespace hyprstream::engine
