// The part of a record that sum, avg, min, max and count of one argument are read from.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

// What is asked of one argument.
struct SummaryNeeds {
  bool sum = false;       // for sum and avg
  bool extremes = false;  // for min and max of fixed-width values
};

// Numbers, truths and times of any fixed width; without needs, arguments of any type that are only counted, or none
// (null).
std::unique_ptr<StateOps> MakeSummaryOps(const arrow::DataType* argument, SummaryNeeds needs);
// min or max of text and bytes.
std::unique_ptr<StateOps> MakeTextExtremeOps(AggregateKind kind, const arrow::DataType& argument);

}  // namespace hyprstream::aggregate
