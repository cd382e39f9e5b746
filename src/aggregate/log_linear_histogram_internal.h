// Quantiles of numbers to 1 % of their value: counts of log-linear buckets.
//
// Each power of two is cut into 64 buckets of equal width, so that a bucket's middle is within 0.8 % of every value in
// it; zero has a bucket of its own, and whole numbers below 64 are exact. A sketch with the guarantee of DDSketch
// (Masson, Rim, Lee, VLDB 2019), with the buckets of HdrHistogram: finding one takes no logarithm. It holds every
// finite double; NaN and infinities are left out, as DuckDB's approx_quantile does. Merging adds counts: exact in any
// order and split. Thread safety: none.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "aggregate/state_bytes_internal.h"

namespace hyprstream::aggregate {

class LogLinearHistogram {
 public:
  static constexpr std::int64_t kOctaveBytes = 260;  // of all values of one sign and power of two

  void Add(double value) {
    if (!std::isfinite(value)) return;
    const Bucket bucket = BucketOf(value);
    least_ = total_ == 0 ? value : std::min(least_, value);
    greatest_ = total_ == 0 ? value : std::max(greatest_, value);
    ++total_;
    if (octaves_.empty()) return AddFew(bucket);
    Count(OctaveOf(bucket.place), bucket.index);
  }
  // As Add() of each, from left to right.
  template <class V>
  void AddAll(const V* values, std::size_t count);
  void Merge(const LogLinearHistogram& other);

  std::uint64_t total() const { return total_; }
  // The value below or at which a share `q` of [0, 1] lies, as quantile_disc has it; nullopt: there is none. Within the
  // least and the greatest value that came.
  std::optional<double> Quantile(double q) const;
  std::int64_t bytes() const {
    return static_cast<std::int64_t>(sizeof(*this) + octaves_.capacity() * sizeof(Octave) +
                                     few_.capacity() * sizeof(Bucket) + places_.capacity() * sizeof(std::uint16_t) +
                                     carries_.capacity() * sizeof(std::uint64_t));
  }

  // f64 least, f64 greatest, u32 octaves, of each i32 place and 64 counts (u64), ascending.
  void Save(StateWriter& writer) const;
  arrow::Status Load(StateReader& reader);

 private:
  static constexpr int kBucketBits = 6;
  static constexpr std::size_t kBuckets = std::size_t{1} << kBucketBits;

  static constexpr std::size_t kFewMax = 128;
  static constexpr std::uint16_t kNoOctave = 0xffff;
  static constexpr int kMantissaBits = 52;

  struct Bucket {
    std::int16_t place;
    std::uint16_t index;

    friend bool operator==(const Bucket&, const Bucket&) = default;
  };
  // All values of one sign and exponent. Places rise with the values: 0 is zero and what is next to it.
  struct Octave {
    std::int32_t place = 0;
    std::array<std::uint32_t, kBuckets> counts{};  // by the size of the values, not by the values; see carries_
  };
  static_assert(sizeof(Octave) == kOctaveBytes);

  static Bucket BucketOf(double value) {
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(std::abs(value));
    const auto exponent = static_cast<std::int16_t>(bits >> kMantissaBits);
    if (exponent == 0) return {.place = 0, .index = 0};  // subnormal numbers are all but zero
    return {.place = static_cast<std::int16_t>(value < 0 ? -exponent : exponent),
            .index = static_cast<std::uint16_t>((bits >> (kMantissaBits - kBucketBits)) & (kBuckets - 1))};
  }
  Octave& OctaveOf(std::int32_t place) {
    const auto at = static_cast<std::size_t>(place - least_place_);  // of a lesser place, a great number
    if (at < places_.size() && places_[at] != kNoOctave) [[likely]]
      return octaves_[places_[at]];
    return AddOctave(place);
  }
  Octave& AddOctave(std::int32_t place);
  void PlaceOctaves();
  void AddFew(Bucket bucket) {
    if (few_.size() == kFewMax) UseOctaves();
    if (octaves_.empty()) {
      few_.push_back(bucket);
    } else {
      Count(OctaveOf(bucket.place), bucket.index);
    }
  }
  void Count(Octave& octave, std::size_t index) {
    if (++octave.counts[index] == 0) [[unlikely]]
      ++CarryOf({static_cast<std::int16_t>(octave.place), static_cast<std::uint16_t>(index)});
  }
  void Count(Octave& octave, std::size_t index, std::uint64_t times);
  std::uint64_t& CarryOf(Bucket bucket);
  std::uint64_t CountIn(const Octave& octave, std::size_t index) const;
  void UseOctaves();
  // The same, its values in octaves.
  LogLinearHistogram InOctaves() const;
  static double MiddleOf(std::int32_t place, std::size_t bucket);

  std::vector<Bucket> few_;      // of each value, while they are few; empty when octaves_ are used
  std::vector<Octave> octaves_;  // ascending
  // Where in octaves_ that of least_place_ + i is, or kNoOctave.
  std::vector<std::uint16_t> places_;
  std::int32_t least_place_ = 0;
  // How often each counter began at zero again, octave by octave; empty: none did.
  std::vector<std::uint64_t> carries_;
  std::uint64_t total_ = 0;
  double least_ = 0;
  double greatest_ = 0;
};

template <class V>
void LogLinearHistogram::AddAll(const V* values, std::size_t count) {
  std::size_t i = 0;
  for (; i < count && octaves_.empty(); ++i) Add(static_cast<double>(values[i]));
  // What a row reads and writes beside its counter is in registers.
  const std::uint16_t* places = places_.data();
  std::size_t place_count = places_.size();
  std::int32_t least_place = least_place_;
  Octave* octaves = octaves_.data();
  double least = least_;
  double greatest = greatest_;
  std::uint64_t counted = 0;
  for (; i < count; ++i) {
    const auto value = static_cast<double>(values[i]);
    const Bucket bucket = BucketOf(value);
    const auto at = static_cast<std::size_t>(bucket.place - least_place);
    if (at < place_count && places[at] != kNoOctave && total_ != 0) [[likely]] {  // NaN and infinity have no place
      least = std::min(least, value);
      greatest = std::max(greatest, value);
      ++counted;
      Octave& octave = octaves[places[at]];
      if (++octave.counts[bucket.index] == 0) [[unlikely]]
        ++CarryOf(bucket);
      continue;
    }
    least_ = least;
    greatest_ = greatest;
    Add(value);
    least = least_;
    greatest = greatest_;
    places = places_.data();
    place_count = places_.size();
    least_place = least_place_;
    octaves = octaves_.data();
  }
  least_ = least;
  greatest_ = greatest;
  total_ += counted;
}

}  // namespace hyprstream::aggregate
