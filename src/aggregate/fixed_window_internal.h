// Which window of one size a value lies in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "aggregate/physical_internal.h"
#include "core/aggregate_query.h"

namespace hyprstream::aggregate {

// The values from `start` on, `size` of them.
struct FixedWindowRange {
  std::int64_t start;
  std::uint64_t size;

  bool Holds(std::int64_t value) const {
    return static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(start) < size;
  }
};

// Without `fixed` each value is a window. nullopt when the value has none.
inline std::optional<FixedWindowRange> WindowOf(const std::optional<FixedWindow>& fixed, std::int64_t value) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (!fixed || value == kMax || value == -kMax) return FixedWindowRange{.start = value, .size = 1};
  if (value < fixed->least || value > fixed->greatest) return std::nullopt;
  constexpr std::int64_t kNear = kMax / 4;  // no overflow on the way, and no need of wide divisions
  const bool is_near = std::max({value, fixed->origin, fixed->size}) < kNear &&
                       std::min({value, fixed->origin}) > -kNear && value + fixed->size < fixed->greatest;
  if (is_near) {
    const std::int64_t rest = (value - fixed->origin) % fixed->size;
    return FixedWindowRange{.start = value - rest - (rest < 0 ? fixed->size : 0),
                            .size = static_cast<std::uint64_t>(fixed->size)};
  }
  const Int128 distance = static_cast<Int128>(value) - fixed->origin;
  const Int128 into = ((distance % fixed->size) + fixed->size) % fixed->size;
  const Int128 start = static_cast<Int128>(value) - into;
  if (start < std::numeric_limits<std::int64_t>::min()) return std::nullopt;
  // An infinite value that lies in reach is still a window of its own, one beyond the greatest none.
  const Int128 room =
      std::min<Int128>(static_cast<Int128>(kMax) - start, static_cast<Int128>(fixed->greatest) - start + 1);
  return FixedWindowRange{.start = static_cast<std::int64_t>(start),
                          .size = static_cast<std::uint64_t>(std::min<Int128>(fixed->size, room))};
}

}  // namespace hyprstream::aggregate
