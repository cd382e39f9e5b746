// What the smaller side of a join has for keys, handed to the scan of a backend on its larger side.
//
// DuckDB collects the keys while it builds a join's hash table: all of them where they are at most kJoinKeysMax; of
// more, and of whole numbers without gaps, it makes filters that no database understands, or of some types the least
// and the greatest. A scan that starts after that gets them as conditions. They are never needed for the result: the
// join compares by itself.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/scan_filters_internal.h"

namespace duckdb {
class LogicalOperator;
class Optimizer;
struct TableFunctionInitInput;
}  // namespace duckdb

namespace hyprstream::engine {

inline constexpr std::uint64_t kJoinKeysMax = 1'000;

// Links joins to the scans of backends below them. When the plan has its final form but for its physical operators.
void LinkJoins(duckdb::Optimizer& optimizer, duckdb::LogicalOperator& plan);

// Of a scan over StreamScanData that starts now: what the joins above it have told.
std::vector<PlannedFilter> FiltersOfJoins(const duckdb::TableFunctionInitInput& input);

}  // namespace hyprstream::engine
