#include "aggregate/log_linear_histogram_internal.h"

#include <limits>
#include <utility>

#include "aggregate/dispatched_loops_internal.h"

namespace hyprstream::aggregate {
namespace {

constexpr std::int32_t kPlaceMax = 2047;
constexpr std::uint64_t kTotalMax = std::uint64_t{1} << 48;

}  // namespace

LogLinearHistogram::Octave& LogLinearHistogram::AddOctave(std::int32_t place) {
  const auto after = std::ranges::lower_bound(octaves_, place, {}, &Octave::place);
  const auto carries = (after - octaves_.begin()) * static_cast<std::ptrdiff_t>(kBuckets);
  if (!carries_.empty()) carries_.insert(carries_.begin() + carries, kBuckets, 0);
  const auto added = octaves_.insert(after, Octave{.place = place});
  PlaceOctaves();
  return *added;
}

void LogLinearHistogram::PlaceOctaves() {
  least_place_ = octaves_.front().place;
  places_.assign(static_cast<std::size_t>(octaves_.back().place - least_place_) + 1, kNoOctave);
  for (std::size_t i = 0; i < octaves_.size(); ++i) {
    places_[static_cast<std::size_t>(octaves_[i].place - least_place_)] = static_cast<std::uint16_t>(i);
  }
}

void LogLinearHistogram::UseOctaves() {
  const std::vector<Bucket> few = std::exchange(few_, {});
  if (octaves_.empty() && !few.empty()) {  // all at once: each that comes alone moves the others
    std::vector<std::int16_t> places;
    for (const Bucket bucket : few) {
      if (std::ranges::find(places, bucket.place) == places.end()) places.push_back(bucket.place);
    }
    std::ranges::sort(places);
    octaves_.reserve(places.size());
    for (const std::int16_t place : places) octaves_.push_back({.place = place});
    PlaceOctaves();
  }
  for (const Bucket bucket : few) Count(OctaveOf(bucket.place), bucket.index);
}

std::uint64_t& LogLinearHistogram::CarryOf(Bucket bucket) {
  if (carries_.empty()) carries_.resize(octaves_.size() * kBuckets);
  const std::size_t octave = places_[static_cast<std::size_t>(bucket.place - least_place_)];
  return carries_[octave * kBuckets + bucket.index];
}

void LogLinearHistogram::Count(Octave& octave, std::size_t index, std::uint64_t times) {
  const std::uint64_t sum = octave.counts[index] + times;
  octave.counts[index] = static_cast<std::uint32_t>(sum);
  if (const std::uint64_t carried = sum >> 32; carried != 0) {
    CarryOf({static_cast<std::int16_t>(octave.place), static_cast<std::uint16_t>(index)}) += carried;
  }
}

std::uint64_t LogLinearHistogram::CountIn(const Octave& octave, std::size_t index) const {
  if (carries_.empty()) return octave.counts[index];
  const auto at = static_cast<std::size_t>(&octave - octaves_.data());
  return octave.counts[index] + (carries_[at * kBuckets + index] << 32);
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
  const bool may_carry = total_ > std::numeric_limits<std::uint32_t>::max();
  for (const Octave& from : other.octaves_) {
    Octave& to = OctaveOf(from.place);
    if (!may_carry) {
      AddInto(to.counts.data(), from.counts.data(), kBuckets);
      continue;
    }
    for (std::size_t i = 0; i < kBuckets; ++i) Count(to, i, other.CountIn(from, i));
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
      const std::uint64_t count = CountIn(octave, bucket);
      if (count >= left) return std::clamp(MiddleOf(octave.place, bucket), least_, greatest_);
      left -= count;
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
    for (std::size_t i = 0; i < kBuckets; ++i) writer.Put(CountIn(octave, i));
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
    Octave& octave = AddOctave(place);
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      ARROW_ASSIGN_OR_RAISE(const auto count, reader.Take<std::uint64_t>());
      if (count > kTotalMax - total_) return arrow::Status::Invalid("View state: a count that cannot be");
      Count(octave, bucket, count);
      total_ += count;
    }
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::aggregate
