// Count, mean and spread of numbers as they come (Welford, Technometrics 4(3) 1962), merged as Chan, Golub and LeVeque
// (STAN-CS-79-773), and what standardizes them.
#pragma once

#include <cmath>
#include <cstdint>

namespace hyprstream {

struct SecondMoment {
  std::int64_t count = 0;
  double mean = 0;
  double m2 = 0;  // sum of squared distances from the mean

  void Add(double value) {
    ++count;
    const double before = value - mean;
    mean += before / static_cast<double>(count);
    m2 += (value - mean) * before;
  }
  void Merge(const SecondMoment& from) {
    if (count == 0) {
      *this = from;
      return;
    }
    if (from.count == 0) return;
    const auto ours = static_cast<double>(count);
    const auto theirs = static_cast<double>(from.count);
    const double all = ours + theirs;
    const double delta = from.mean - mean;
    m2 = from.m2 + m2 + delta * delta * theirs * ours / all;
    mean = std::fma(theirs / all, delta, mean);
    count += from.count;
  }
  double variance() const { return count > 1 ? m2 / static_cast<double>(count) : 0; }
};

// x * weight + bias has the mean 0 and the standard deviation 1; where all numbers are the same, 0 and 0.
struct Standardization {
  double mean;
  double stddev;  // of the population
  double weight;
  double bias;

  explicit Standardization(const SecondMoment& moment)
      : mean(moment.mean),
        stddev(std::sqrt(moment.variance())),
        weight(stddev == 0 ? 1 : 1 / stddev),
        bias(-mean * weight) {}
};

}  // namespace hyprstream
