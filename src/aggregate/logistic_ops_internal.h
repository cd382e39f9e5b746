// logistic_fit of a DOUBLE and a list of DOUBLEs, learned in the order in which rows come.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

std::unique_ptr<StateOps> MakeLogisticOps(double ridge);
// Is it the type of logistic_fit's result, whose weights may have a fixed length? Invalid says what is.
arrow::Status CheckLogisticType(const arrow::DataType& type);

}  // namespace hyprstream::aggregate
