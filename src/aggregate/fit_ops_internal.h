// linear_fit of a DOUBLE and a list of DOUBLEs: least squares by mergeable normal equations, one for all ridges.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

std::unique_ptr<StateOps> MakeFitOps();
// Of linear_fit's result.
std::shared_ptr<arrow::DataType> FitType();

}  // namespace hyprstream::aggregate
