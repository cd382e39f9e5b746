// ewma, decayed_sum and decayed_count of a column and a time in microseconds: one sum for each half-life.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

// `half_life` in microseconds. Only decayed_count takes a column that is no DOUBLE.
std::unique_ptr<StateOps> MakeDecayOps(double half_life);

}  // namespace hyprstream::aggregate
