// bit_and, bit_or and bit_xor of integers: exact in any order and split.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

// `argument`: integers, or decimal128(38, 0) for HUGEINT.
std::unique_ptr<StateOps> MakeBitOps(AggregateKind kind, const arrow::DataType& argument);

}  // namespace hyprstream::aggregate
