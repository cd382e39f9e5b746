// vec_sum, vec_avg, vec_min, vec_max and vec_stddev of lists of DOUBLEs: aggregates of numbers, place by place.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

// vec_sum and vec_avg are read from the same states.
std::unique_ptr<StateOps> MakeVectorOps(AggregateKind kind);

}  // namespace hyprstream::aggregate
