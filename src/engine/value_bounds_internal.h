// Bounds on what one call of a function may make or cost.
//
// DuckDB checks its memory limit for what its buffer manager holds, not for the strings and lists of a vector at hand,
// and looks for interrupts between vectors only: repeat(s, 1000000000) over ten rows takes 2 GB under a limit of 512
// MB, and 40 s that nothing can stop. So functions whose result is not in proportion to their arguments are wrapped to
// look at a vector's arguments before the work starts.
#pragma once

#include <cstdint>

namespace duckdb {
class ClientContext;
class Connection;
class LogicalOperator;
}  // namespace duckdb

namespace hyprstream::engine {

// Bytes that one call (for a vector of at most 2,048 rows) may make from a number (repeat, lpad, range, ...), and from
// texts (||, replace, ...).
inline constexpr double kGrownBytesMax = 64e6;
inline constexpr double kJoinedBytesMax = 256e6;
// The name of a time zone.
inline constexpr double kNameBytesMax = 10'000;

// Replaces such functions in the catalog by wrapped ones: some functions evaluate constant arguments while they are
// bound (length(repeat('x', 1000000000))), where no gate can look. Also replaces json_transform and from_json, which
// overflow the stack there over a deep structure, by ones that refuse: JSON can be cast instead. Inside a transaction.
void ReplaceUnsafeFunctions(duckdb::Connection& connection);

// Wraps those that chose their implementation while they were bound, lambda bodies included, and those that copy one
// large value for each row (up to a quarter of DuckDB's memory, at least kJoinedBytesMax). Call it after CheckPlan.
void BoundValues(duckdb::ClientContext& context, duckdb::LogicalOperator& plan);

}  // namespace hyprstream::engine
