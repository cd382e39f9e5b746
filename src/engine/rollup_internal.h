// Aggregations over a table that are answered from the states of one of its materialized views.
//
// Before DuckDB optimizes a client's plan, each aggregation over one table is compared with the views over that table:
// keys and conditions must be expressions over the view's keys (a coarser window, fewer keys, a part of a date), and
// aggregates must be among the view's. Then the aggregation reads the view's states and merges them; where a time range
// ends within a window, the table's own rows are read for that window. Of several views one that needs no rows is
// taken, and of these the one with the fewest groups. The answer is the plain
// query's, but for the last bits of floating sums.
//
// Not where the transaction has changed anything, the view lacks rows that the table stands for, or the session has SET
// use_views = false.
#pragma once

#include <cstdint>
#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/common/vector.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/aggregate_query.h"
#include "engine/state_reading_internal.h"
#include "engine/window_bounds_internal.h"

namespace duckdb {
class ClientContext;
struct DBConfig;
class Expression;
class LogicalAggregate;
class LogicalOperator;
class Optimizer;
}  // namespace duckdb

namespace hyprstream::engine {

inline constexpr const char* kUseViews = "use_views";

// A client may SET it. Before the database is opened.
void AddUseViews(duckdb::DBConfig& config);

// What a plan owes to a view.
struct RolledUp {
  std::shared_ptr<const AggregateQuery> query;  // of the view
  std::optional<std::int64_t> from;             // event time in microseconds; it reads no earlier window
  std::string how;                              // for EXPLAIN
};

struct RollUpFacts {
  std::vector<RolledUp> answered;
  std::vector<std::string> unanswered;  // for EXPLAIN: aggregations that no view answers, and why
  std::vector<WindowBound> bounds;      // that the plan has as constants

  void Add(RollUpFacts more);
};

// Throws DuckDB's exceptions.
RollUpFacts AnswerFromViews(duckdb::Optimizer& optimizer, duckdb::LogicalOperator& plan);

// An aggregation's input, group by group of a view that answers it: what the states of the aggregation's groups are
// merged of.
struct GroupsOfView {
  std::shared_ptr<const AggregateQuery> query;  // of the view
  duckdb::unique_ptr<duckdb::LogicalOperator> plan;
  // Over the plan's columns: keys of the aggregation, the state of each of its aggregates (NULL where none of the
  // group's rows count for it), and one that has the number of rows.
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> groups;
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> states;
  duckdb::unique_ptr<duckdb::Expression> rows;
};

// Of the views in the connection's snapshot the one that AnswerFromViews would take, if it needs no rows of the table
// and lacks none that the table has accepted. `aggregates`: which of the request's view each of the aggregation's is.
// Nothing, and request.refusal says why, where there is none.
std::optional<GroupsOfView> GroupsFor(duckdb::Optimizer& optimizer, duckdb::LogicalAggregate& aggregation,
                                      const std::map<std::size_t, std::size_t>& aggregates, StateRequest& request);

// Would the connection's transaction be answered so as well?
bool StillAnswers(duckdb::ClientContext& context, const RolledUp& rolled_up);

}  // namespace hyprstream::engine
