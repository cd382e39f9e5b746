// Variance, higher moments, covariance and regression, products: states of doubles.
//
// Moments are central, about a running mean, and merge without a second look at the rows: Welford (Technometrics 4(3),
// 1962) for a row, Chan, Golub and LeVeque (Updating Formulae, Stanford STAN-CS-79-773) for two states, Pébay (Sandia
// SAND2008-6212) for the third and fourth. NULLs, infinities and too few rows give what DuckDB gives.
#pragma once

#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

// var_*, stddev_*, sem of one DOUBLE; `higher`: skewness and kurtosis too.
std::unique_ptr<StateOps> MakeMomentOps(bool higher);
// Of the result of standard_scaler, which is read from the states of moments.
std::shared_ptr<arrow::DataType> ScalerType();
// covar_*, corr and regr_* of two DOUBLEs, y and x.
std::unique_ptr<StateOps> MakePairOps();
// product of one DOUBLE.
std::unique_ptr<StateOps> MakeProductOps();

}  // namespace hyprstream::aggregate
