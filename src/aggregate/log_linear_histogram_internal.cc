#include "aggregate/log_linear_histogram_internal.h"

#include <utility>

#include "aggregate/dispatched_loops_internal.h"

namespace hyprstream::aggregate {
namespace {

constexpr std::int32_t kPlaceMax = 2047;
constexpr std::uint64_t kTotalMax = std::uint64_t{1} << 48;

}  // namespace

LogLinearHistogram::Octave& LogLinearHistogram::AddOctave(std::int32_t place) {
  const auto after = std::ranges::lower_bound(octaves_, place, {}, &Octave::place);
  const auto added = octaves_.insert(after, Octave{.place = place});
  least_place_ = octaves_.front().place;
  places_.assign(static_cast<std::size_t>(octaves_.back().place - least_place_) + 1, kNoOctave);
  for (std::size_t i = 0; i < octaves_.size(); ++i) {
    places_[static_cast<std::size_t>(octaves_[i].place - least_place_)] = static_cast<std::uint16_t>(i);
  }
  return *added;
}

void LogLinearHistogram::UseOctaves() {
  for (const Bucket bucket : std::exchange(few_, {})) ++OctaveOf(bucket.place).counts[bucket.index];
}

LogLinearHistogram LogLinearHistogram::InOctaves() const {
  LogLinearHistogram copy = *this;
  copy.UseOctaves();
  return copy;
}

void LogLinearHistogram::Merge(const LogLinearHistogram& other) {
  if (other.total_ == 0) return;
  least_ = total_ == 0 ? other.least_ : std::min(least_, other.least_);
  greatest_ = total_ == 0 ? other.greatest_ : std::max(greatest_, other.greatest_);
  total_ += other.total_;
  for (const Bucket bucket : other.few_) AddFew(bucket);
  if (other.octaves_.empty()) return;
  UseOctaves();
  for (const Octave& from : other.octaves_) {
    AddInto(OctaveOf(from.place).counts.data(), from.counts.data(), kBuckets);
  }
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
  if (octaves_.empty()) return InOctaves().Quantile(q);
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
  if (!few_.empty()) return InOctaves().Save(writer);
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
    ARROW_ASSIGN_OR_RAISE(const auto place, reader.Take<std::int32_t>());
    if (place > kPlaceMax || place < -kPlaceMax || (!octaves_.empty() && place <= octaves_.back().place)) {
      return arrow::Status::Invalid("View state: buckets that are not in order");
    }
    for (std::uint64_t& count : AddOctave(place).counts) {
      ARROW_ASSIGN_OR_RAISE(count, reader.Take<std::uint64_t>());
      if (count > kTotalMax - total_) return arrow::Status::Invalid("View state: a count that cannot be");
      total_ += count;
    }
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::aggregate
