#include "aggregate/log_linear_histogram_internal.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hyprstream::aggregate {
namespace {

constexpr int kMantissaBits = 52;
constexpr std::int32_t kPlaceMax = 2047;
constexpr std::uint64_t kTotalMax = std::uint64_t{1} << 48;

}  // namespace

LogLinearHistogram::Octave& LogLinearHistogram::OctaveOf(std::int32_t place) {
  if (last_ < octaves_.size() && octaves_[last_].place == place) return octaves_[last_];
  auto at = std::ranges::lower_bound(octaves_, place, {}, &Octave::place);
  if (at == octaves_.end() || at->place != place) at = octaves_.insert(at, Octave{.place = place});
  last_ = static_cast<std::size_t>(at - octaves_.begin());
  return *at;
}

void LogLinearHistogram::Add(double value) {
  if (!std::isfinite(value)) return;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(std::abs(value));
  const auto exponent = static_cast<std::int32_t>(bits >> kMantissaBits);
  const std::size_t bucket = (bits >> (kMantissaBits - kBucketBits)) & (kBuckets - 1);
  // Subnormal numbers are all but zero.
  const bool is_zero = exponent == 0;
  const std::int32_t place = is_zero ? 0 : value < 0 ? -exponent : exponent;
  ++OctaveOf(place).counts[is_zero ? 0 : bucket];
  least_ = total_ == 0 ? value : std::min(least_, value);
  greatest_ = total_ == 0 ? value : std::max(greatest_, value);
  ++total_;
}

void LogLinearHistogram::Merge(const LogLinearHistogram& other) {
  if (other.total_ == 0) return;
  for (const Octave& from : other.octaves_) {
    Octave& octave = OctaveOf(from.place);
    for (std::size_t i = 0; i < kBuckets; ++i) octave.counts[i] += from.counts[i];
  }
  least_ = total_ == 0 ? other.least_ : std::min(least_, other.least_);
  greatest_ = total_ == 0 ? other.greatest_ : std::max(greatest_, other.greatest_);
  total_ += other.total_;
}

double LogLinearHistogram::MiddleOf(std::int32_t place, std::size_t bucket) {
  if (place == 0) return 0;
  const auto exponent = static_cast<std::uint64_t>(std::abs(place));
  const double low = std::bit_cast<double>(exponent << kMantissaBits | static_cast<std::uint64_t>(bucket)
                                                                           << (kMantissaBits - kBucketBits));
  const double width = std::bit_cast<double>(exponent << kMantissaBits) / kBuckets;
  // A bucket no wider than 1 that begins at a whole number is that number to whoever counts whole ones.
  const bool is_whole = width <= 1 && low == std::floor(low);
  const double middle = is_whole ? low : low + width / 2;
  return place < 0 ? -middle : middle;
}

std::optional<double> LogLinearHistogram::Quantile(double q) const {
  if (total_ == 0) return std::nullopt;
  const auto n = static_cast<double>(total_);
  const auto above = static_cast<std::uint64_t>(std::floor(n - n * q));
  std::uint64_t left = std::max<std::uint64_t>(1, total_ - std::min(above, total_));
  for (const Octave& octave : octaves_) {
    for (std::size_t i = 0; i < kBuckets; ++i) {
      const std::size_t bucket = octave.place < 0 ? kBuckets - 1 - i : i;
      if (octave.counts[bucket] >= left) {
        return std::clamp(MiddleOf(octave.place, bucket), least_, greatest_);
      }
      left -= octave.counts[bucket];
    }
  }
  return greatest_;
}

void LogLinearHistogram::Save(StateWriter& writer) const {
  writer.Put(least_);
  writer.Put(greatest_);
  writer.Put(static_cast<std::uint32_t>(octaves_.size()));
  for (const Octave& octave : octaves_) {
    writer.Put(octave.place);
    for (const std::uint64_t count : octave.counts) writer.Put(count);
  }
}

arrow::Status LogLinearHistogram::Load(StateReader& reader) {
  ARROW_ASSIGN_OR_RAISE(least_, reader.Take<double>());
  ARROW_ASSIGN_OR_RAISE(greatest_, reader.Take<double>());
  ARROW_ASSIGN_OR_RAISE(const auto octaves, reader.Take<std::uint32_t>());
  if (!std::isfinite(least_) || !std::isfinite(greatest_) || least_ > greatest_) {
    return arrow::Status::Invalid("View state: bounds that cannot be");
  }
  for (std::uint32_t i = 0; i < octaves; ++i) {
    Octave octave;
    ARROW_ASSIGN_OR_RAISE(octave.place, reader.Take<std::int32_t>());
    if (octave.place > kPlaceMax || octave.place < -kPlaceMax ||
        (!octaves_.empty() && octave.place <= octaves_.back().place)) {
      return arrow::Status::Invalid("View state: buckets that are not in order");
    }
    for (std::uint64_t& count : octave.counts) {
      ARROW_ASSIGN_OR_RAISE(count, reader.Take<std::uint64_t>());
      if (count > kTotalMax - total_) return arrow::Status::Invalid("View state: a count that cannot be");
      total_ += count;
    }
    octaves_.push_back(octave);
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::aggregate
