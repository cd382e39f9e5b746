// Are two results the same rows? Exactly for everything but floating-point sums and averages.
#pragma once

#include <arrow/table.h>

#include <string>

namespace hyprstream::fuzz {

// Empty when they are, in whatever order; else the first rows that differ.
std::string Difference(const arrow::Table& expected, const arrow::Table& actual);

}  // namespace hyprstream::fuzz
