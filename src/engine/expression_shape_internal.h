// Bound expressions over one table as texts: equal texts mean equal values in every row.
//
// A view's expressions and a query's are compared by these texts, which the view keeps (AggregateQuery::shapes), so
// that no view is bound again to see whether it answers a query. Where it is not certain that the text tells all that
// an expression depends on, there is no text.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/planner/column_binding.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/operator/logical_projection.hpp>
#include <duckdb/planner/operator/logical_window.hpp>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/aggregate_query.h"

namespace hyprstream::engine {

// What lies below an aggregation: filters, projections and window functions, as session() is made of, over the scan of
// one table.
class AggregationInput {
 public:
  // Nothing when it is anything else.
  static std::optional<AggregationInput> Of(duckdb::LogicalOperator& input);

  duckdb::LogicalGet& scan() const { return *scan_; }
  // Of all filters over the rows that come out in the end, AND taken apart.
  const std::vector<const duckdb::Expression*>& conditions() const { return conditions_; }
  // Of the filters below window functions, and how many of these each is below.
  struct ConditionBelow {
    int windows;
    const duckdb::Expression* condition;
  };
  const std::vector<ConditionBelow>& conditions_below() const { return conditions_below_; }
  bool has_windows() const { return !windows_.empty(); }
  // What a projection or a window function computes for a column; null for a column of the table, or of something else.
  const duckdb::Expression* Behind(const duckdb::ColumnBinding& binding) const;
  // The table's column; empty for a column of something else.
  std::string ColumnOf(const duckdb::ColumnBinding& binding) const;

 private:
  duckdb::LogicalGet* scan_ = nullptr;
  std::map<std::uint64_t, const duckdb::LogicalProjection*> projections_;  // by table index
  std::map<std::uint64_t, const duckdb::LogicalWindow*> windows_;          // likewise
  std::vector<const duckdb::Expression*> conditions_;
  std::vector<ConditionBelow> conditions_below_;
};

// `time_zone`: what an expression with zoned times is evaluated in. None of a text that is longer than `size_max`.
std::optional<std::string> ShapeOf(const AggregationInput& input, const duckdb::Expression& expression,
                                   const std::string& time_zone,
                                   std::size_t size_max = std::numeric_limits<std::size_t>::max());
// Of the rows that window functions are over: equal texts and equal window functions, equal values in every row. Empty
// where there are none.
std::optional<std::string> ShapeOfRows(const AggregationInput& input, const std::string& time_zone);
// Of an aggregate; `with_filter` false: as if it had none.
std::optional<std::string> ShapeOfAggregate(const AggregationInput& input, const duckdb::Expression& expression,
                                            const std::string& time_zone, bool with_filter = true);

// Does a view's bound SELECT compute nothing of its keys and aggregates, as macros do?
bool SelectsAsItIs(const duckdb::LogicalOperator& plan);
// The shapes of a view's bound SELECT, empty where it computes something. None at all where its plan is not one
// aggregation of one table, as over hop.
SelectShapes ShapesOf(duckdb::LogicalOperator& plan, const std::string& time_zone);

}  // namespace hyprstream::engine
