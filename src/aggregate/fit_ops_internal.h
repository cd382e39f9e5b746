// linear_fit of a DOUBLE and a list of DOUBLEs: least squares by mergeable normal equations, one for all ridges.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

std::unique_ptr<StateOps> MakeFitOps();
// Is it the type of linear_fit's result, whose weights may have a fixed length? Invalid says what is.
arrow::Status CheckFitType(const arrow::DataType& type);

}  // namespace hyprstream::aggregate
