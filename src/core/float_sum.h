// A sum of doubles that loses no digits to its terms' order of size.
#pragma once

#include <cmath>

namespace hyprstream {

// Double-double: each addition's rounding error is found exactly (Knuth's TwoSum) and summed up beside the sum.
struct FloatSum {
  double sum = 0;
  double error = 0;

  template <class V>
  void Add(V value) {
    const double term = static_cast<double>(value);
    const double before = sum;
    const double after = before + term;
    const double part = after - before;
    sum = after;
    error += (before - (after - part)) + (term - part);
  }
  void Merge(const FloatSum& from) {
    Add(from.sum);
    error += from.error;
  }
  // With an infinity or a NaN the error term means nothing.
  double total() const { return std::isfinite(sum) ? sum + error : sum; }
};

}  // namespace hyprstream
