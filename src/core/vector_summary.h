// Aggregates of vectors, place by place: at each place what an aggregate of numbers gives of the values that are there.
//
// All vectors have one length; what has another is not added, and the summary says so from then on. A NULL counts in no
// way at its place. Thread safety: none; const methods from any thread while nobody writes.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/float_sum.h"
#include "core/second_moment.h"

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream {

// ---- what is kept of one place; results are nullopt where no value was

struct SumAtPlace {
  FloatSum total;
  std::int64_t count = 0;

  void Add(double value) {
    total.Add(value);
    ++count;
  }
  void Merge(const SumAtPlace& from) {
    total.Merge(from.total);
    count += from.count;
  }
  std::optional<double> sum() const { return count == 0 ? std::nullopt : std::optional(total.total()); }
  std::optional<double> mean() const {
    return count == 0 ? std::nullopt : std::optional(total.total() / static_cast<double>(count));
  }
};

// NaN is the greatest number, as in DuckDB.
template <bool kGreatest>
struct ExtremeAtPlace {
  double extreme = 0;
  std::int64_t count = 0;

  void Add(double value) { Merge({.extreme = value, .count = 1}); }
  void Merge(const ExtremeAtPlace& from) {
    if (from.count == 0) return;
    const bool less = from.extreme < extreme || (std::isnan(extreme) && !std::isnan(from.extreme));
    const bool greater = from.extreme > extreme || (std::isnan(from.extreme) && !std::isnan(extreme));
    if (count == 0 || (kGreatest ? greater : less)) extreme = from.extreme;
    count += from.count;
  }
  std::optional<double> value() const { return count == 0 ? std::nullopt : std::optional(extreme); }
};
using LeastAtPlace = ExtremeAtPlace<false>;
using GreatestAtPlace = ExtremeAtPlace<true>;

struct SpreadAtPlace : SecondMoment {
  // Of a sample, as DuckDB's stddev.
  std::optional<double> stddev() const {
    return count < 2 ? std::nullopt : std::optional(std::sqrt(m2 / static_cast<double>(count - 1)));
  }
};

// Says how long vectors are, and that others came.
struct VectorLengths {
  std::uint32_t length = 0;
  std::optional<std::uint32_t> other = {};

  // Invalid ("... needs vectors of one length ...") when there are others. `function` names the aggregate.
  arrow::Status Check(std::string_view function) const;
};

template <class Place>
class VectorSummary {
 public:
  // A row's vector: `value(i)` is the number at place i, nullopt for NULL.
  template <class Value>
  void Add(std::size_t length, Value&& value) {
    if (!Admit(static_cast<std::uint32_t>(length))) return;
    for (std::size_t i = 0; i < length; ++i) {
      if (const std::optional<double> number = value(i)) places_[i].Add(*number);
    }
  }
  void Merge(const VectorSummary& other) {
    if (!other.started_ || !Admit(other.lengths_.length)) return;
    for (std::size_t i = 0; i < places_.size(); ++i) places_[i].Merge(other.places_[i]);
    if (!lengths_.other) lengths_.other = other.lengths_.other;
  }

  const VectorLengths& lengths() const { return lengths_; }
  const std::vector<Place>& places() const { return places_; }
  std::int64_t bytes() const { return static_cast<std::int64_t>(sizeof(*this) + places_.capacity() * sizeof(Place)); }

  // As saved: of vectors of one length, or with another that came.
  static VectorSummary Of(std::vector<Place> places, std::optional<std::uint32_t> other) {
    VectorSummary summary;
    summary.started_ = true;
    summary.lengths_ = {.length = static_cast<std::uint32_t>(places.size()), .other = other};
    summary.places_ = std::move(places);
    return summary;
  }

 private:
  // The first vector says how long all are.
  bool Admit(std::uint32_t length) {
    if (!started_) {
      started_ = true;
      lengths_.length = length;
      places_.resize(length);
    }
    if (length == lengths_.length) return true;
    lengths_.other = length;
    return false;
  }

  bool started_ = false;
  VectorLengths lengths_;
  std::vector<Place> places_;
};

}  // namespace hyprstream
