// Aggregates that are read from sketches: small whatever the rows, and wrong by no more than documents say.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

// approx_count_distinct of a value of any type that keys may have.
std::unique_ptr<StateOps> MakeDistinctOps(const arrow::DataType& argument);
// approx_quantile of numbers: one for all shares.
std::unique_ptr<StateOps> MakeQuantileOps(const arrow::DataType& argument);
// approx_top_k; the one parameter says how many.
std::unique_ptr<StateOps> MakeTopOps(const arrow::DataType& argument, double most);

}  // namespace hyprstream::aggregate
