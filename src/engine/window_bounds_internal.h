// The least and the greatest window of a view, which its slices tell at once: `max(window_start)` over a whole view,
// and what is compared with it, as in
//
//   SELECT ... FROM sales_5m WHERE window_start = (SELECT max(window_start) FROM sales_5m)
//
// It becomes a constant before DuckDB optimizes the plan, so that the scan looks up that window alone. The plan is
// right for snapshots that give the same bounds.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <cstdint>
#include <duckdb/common/unique_ptr.hpp>
#include <optional>
#include <vector>

#include "core/table_ref.h"

namespace duckdb {
class ClientContext;
class LogicalOperator;
class Optimizer;
}  // namespace duckdb

namespace hyprstream::engine {

// What a plan takes for granted.
struct WindowBound {
  TableRef view;
  int column;                         // of the view's windows
  bool greatest;                      // or the least
  std::optional<std::int64_t> value;  // in the units of the column's type; nullopt: NULL, there are no windows

  friend bool operator==(const WindowBound&, const WindowBound&) = default;
};

std::vector<WindowBound> FoldWindowBounds(duckdb::Optimizer& optimizer,
                                          duckdb::unique_ptr<duckdb::LogicalOperator>& plan);

// Does the connection's snapshot give the same?
bool StillHolds(duckdb::ClientContext& context, const WindowBound& bound);

}  // namespace hyprstream::engine
