// Vectors in queries: what views maintain of vec_sum and its kin is the same in any query.
//
//   vec_sum(x), vec_avg(x), vec_min(x), vec_max(x), vec_stddev(x) -> DOUBLE[n] of FLOAT[n] and its like, DOUBLE[] of
//   lists vec_normalize(x)                                              -> x at length 1, of those types
#pragma once

namespace duckdb {
class Connection;
}

namespace hyprstream::engine {

// Adds them to the system catalog. Throws DuckDB's exceptions.
void RegisterVectorFunctions(duckdb::Connection& connection);

}  // namespace hyprstream::engine
