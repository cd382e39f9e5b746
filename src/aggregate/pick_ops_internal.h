// Aggregates that keep the value of one row: any_value, arg_min and arg_max, first and last by time.
//
// Of rows that compare equal the first stays. Exact in any split; any_value is that of the first row that has one.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

// `arguments`: the value and, but for any_value, what rows are compared by.
std::unique_ptr<StateOps> MakePickOps(AggregateKind kind, const ArgumentTypes& arguments);

}  // namespace hyprstream::aggregate
