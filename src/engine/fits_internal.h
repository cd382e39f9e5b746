// Weights and biases in queries: what views maintain of linear_fit and standard_scaler is the same in any query, and
// can be applied there.
//
//   linear_fit(y, [x1, x2, …][, ridge]) -> STRUCT(weights DOUBLE[], bias DOUBLE, r2 DOUBLE, n BIGINT)
//     weights DOUBLE[n] where the features are of type FLOAT[n] or its like
//   logistic_fit(y, [x1, x2, …][, ridge]) -> STRUCT(weights DOUBLE[], bias DOUBLE, n BIGINT), weights likewise; depends
//                                          on the order of the rows
//   apply_logistic(fit, [x1, x2, …])    -> DOUBLE, how likely y is
//   standard_scaler(x)                  -> STRUCT(mean DOUBLE, stddev DOUBLE, weight DOUBLE, bias DOUBLE)
//   apply_weights(fit, [x1, x2, …])     -> DOUBLE, what a fit expects of features
//   zscore(x, scaler)                   -> DOUBLE
#pragma once

namespace duckdb {
class Connection;
}

namespace hyprstream::engine {

// Adds them to the system catalog. Throws DuckDB's exceptions.
void RegisterFits(duckdb::Connection& connection);

}  // namespace hyprstream::engine
