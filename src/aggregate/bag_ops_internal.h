// Exact answers that need every distinct value: count(DISTINCT), sum and avg(DISTINCT), quantiles, mode, entropy and
// histogram of one argument share one bag of values.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

// `sums_decimals`: sums end at 38 digits. What is kept is counted in `kept`, over all copies.
std::unique_ptr<StateOps> MakeBagOps(const std::shared_ptr<arrow::DataType>& argument, bool sums_decimals,
                                     std::shared_ptr<std::atomic<std::int64_t>> kept);

}  // namespace hyprstream::aggregate
