// Quantiles of numbers to 1 % of their value: counts of log-linear buckets.
//
// Each power of two is cut into 64 buckets of equal width, so that a bucket's middle is within 0.8 % of every value in
// it; zero has a bucket of its own, and whole numbers below 64 are exact. A sketch with the guarantee of DDSketch
// (Masson, Rim, Lee, VLDB 2019), with the buckets of HdrHistogram: finding one takes no logarithm. It holds every
// finite double; NaN and infinities are left out, as DuckDB's approx_quantile does. Merging adds counts: exact in any
// order and split. Thread safety: none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "aggregate/state_bytes_internal.h"

namespace hyprstream::aggregate {

class LogLinearHistogram {
 public:
  void Add(double value);
  void Merge(const LogLinearHistogram& other);

  std::uint64_t total() const { return total_; }
  // The value below or at which a share `q` of [0, 1] lies, as quantile_disc has it; nullopt: there is none. Within the
  // least and the greatest value that came.
  std::optional<double> Quantile(double q) const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(sizeof(*this) + octaves_.capacity() * sizeof(Octave)); }

  // f64 least, f64 greatest, u32 octaves, of each i32 place and 64 counts (u64), ascending.
  void Save(StateWriter& writer) const;
  arrow::Status Load(StateReader& reader);

 private:
  static constexpr int kBucketBits = 6;
  static constexpr std::size_t kBuckets = std::size_t{1} << kBucketBits;

  // All values of one sign and exponent. Places rise with the values: 0 is zero and what is next to it.
  struct Octave {
    std::int32_t place = 0;
    std::array<std::uint64_t, kBuckets> counts{};  // by the size of the values, not by the values
  };

  Octave& OctaveOf(std::int32_t place);
  static double MiddleOf(std::int32_t place, std::size_t bucket);

  std::vector<Octave> octaves_;  // ascending
  std::size_t last_ = 0;         // where the last value was
  std::uint64_t total_ = 0;
  double least_ = 0;
  double greatest_ = 0;
};

}  // namespace hyprstream::aggregate
