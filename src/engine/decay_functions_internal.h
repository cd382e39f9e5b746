// Time-decayed aggregates in queries: what views maintain of them is the same in any query.
//
//   ewma(x, time, half_life)          -> DOUBLE, the average; a row weighs half as much for every half-life that it is
//                                        older than the latest
//   decayed_sum(x, time, half_life)   -> DOUBLE, the sum of those parts
//   decayed_count(x, time, half_life) -> DOUBLE, the sum of the weights
//
// In a view the time may be left out: it is the table's event time then.
#pragma once

namespace duckdb {
class Connection;
}

namespace hyprstream::engine {

// Adds them to the system catalog. Throws DuckDB's exceptions.
void RegisterDecayFunctions(duckdb::Connection& connection);

}  // namespace hyprstream::engine
