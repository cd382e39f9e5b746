// Rows of a table in the shape of a scan of one of its views' states, for the parts of a time range that are no whole
// windows: each row is its own group, with the states of that one row.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <cstdint>
#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "core/snapshot.h"

namespace duckdb {
class Optimizer;
}

namespace hyprstream::engine {

// What only -infinity is before; no date itself, so that no constant of SQL is it.
inline constexpr std::int64_t kAfterMinusInfinity = -std::numeric_limits<std::int64_t>::max() + 1;

// Event times in microseconds, [from, to); without an end where there is none.
struct TimeRange {
  std::optional<std::int64_t> from;
  std::optional<std::int64_t> to;

  bool any() const { return from.has_value() || to.has_value(); }
};

// A time range over windows of one size: the whole windows in it, and what is left of it before and after them.
struct WindowSplit {
  TimeRange windows;  // by their starts
  std::vector<TimeRange> rows;
};

// `whole_from`: earlier windows are not whole. nullopt when no whole window is in the range, or it ends beyond time.
std::optional<WindowSplit> SplitByWindows(const FixedWindow& windows, const TimeRange& range,
                                          std::optional<std::int64_t> whole_from);

// A timestamp as the constant of SQL that `type` (TIMESTAMP or TIMESTAMPTZ) has.
duckdb::Value TimeValue(const duckdb::LogicalType& type, std::int64_t time);

// The rows of the view's table in any of `ranges`, with the columns that `scan`, a scan of the view, has by now. Null
// when a key of the view is not carried as it is.
duckdb::unique_ptr<duckdb::LogicalOperator> RowsAsStates(duckdb::Optimizer& optimizer, const AnsweringView& view,
                                                         const duckdb::LogicalGet& scan,
                                                         const duckdb::LogicalType& time_type,
                                                         const std::vector<TimeRange>& ranges);

}  // namespace hyprstream::engine
