// Sums whose terms count for less the older they are: half after every half-life.
//
// Kept as of the latest time that was seen, so that rows may come in any order and two sums merge, each up to rounding
// (Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", ICDE 2009).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace hyprstream {

struct DecayedSum {
  double sum = 0;
  double weight = 0;        // the sum of ones
  std::int64_t latest = 0;  // in microseconds; means something when there are rows
  std::int64_t rows = 0;

  // `half_life` in microseconds, above zero.
  void Add(double value, std::int64_t at, double half_life) {
    Merge({.sum = value, .weight = 1, .latest = at, .rows = 1}, half_life);
  }
  void Merge(const DecayedSum& from, double half_life) {
    if (from.rows == 0) return;
    if (rows == 0) {
      *this = from;
      return;
    }
    const std::int64_t now = std::max(latest, from.latest);
    const double ours = Left(latest, now, half_life);
    const double theirs = Left(from.latest, now, half_life);
    sum = Part(sum, ours) + Part(from.sum, theirs);
    weight = weight * ours + from.weight * theirs;
    latest = now;
    rows += from.rows;
  }
  // The average, of those weights; there are rows.
  double mean() const { return sum / weight; }

 private:
  static double Left(std::int64_t then, std::int64_t now, double half_life) {
    if (then == now) return 1;
    const auto age = static_cast<std::uint64_t>(now) - static_cast<std::uint64_t>(then);
    return std::exp2(-static_cast<double>(age) / half_life);
  }
  // What has decayed to nothing is nothing, infinities too.
  static double Part(double value, double left) { return left == 0 ? 0 : value * left; }
};

}  // namespace hyprstream
