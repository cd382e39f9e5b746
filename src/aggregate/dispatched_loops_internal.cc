#include "aggregate/dispatched_loops_internal.h"

#include <algorithm>

// Function multi-versioning resolves at load time, which sanitizers' runtimes do not survive.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define HYPRSTREAM_BY_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HYPRSTREAM_BY_PROCESSOR
#endif

namespace hyprstream::aggregate {

HYPRSTREAM_BY_PROCESSOR
std::pair<std::int64_t, std::int64_t> LeastAndGreatest(const std::int64_t* values, std::size_t count) {
  std::int64_t least = values[0];
  std::int64_t greatest = values[0];
  for (std::size_t i = 1; i < count; ++i) {
    least = std::min(least, values[i]);
    greatest = std::max(greatest, values[i]);
  }
  return {least, greatest};
}

HYPRSTREAM_BY_PROCESSOR
std::pair<std::int32_t, std::int32_t> LeastAndGreatest(const std::int32_t* values, std::size_t count) {
  std::int32_t least = values[0];
  std::int32_t greatest = values[0];
  for (std::size_t i = 1; i < count; ++i) {
    least = std::min(least, values[i]);
    greatest = std::max(greatest, values[i]);
  }
  return {least, greatest};
}

HYPRSTREAM_BY_PROCESSOR
std::size_t CountBefore(const std::int64_t* values, std::size_t count, std::int64_t least, std::uint64_t size) {
  // A whole block is looked at without a branch.
  constexpr std::size_t kBlock = 64;
  const auto first = static_cast<std::uint64_t>(least);
  std::size_t held = 0;
  for (; held + kBlock <= count; held += kBlock) {
    std::uint64_t outside = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      outside |= static_cast<std::uint64_t>(values[held + i]) - first >= size ? 1 : 0;
    }
    if (outside != 0) break;
  }
  while (held < count && static_cast<std::uint64_t>(values[held]) - first < size) ++held;
  return held;
}

HYPRSTREAM_BY_PROCESSOR
void MaxInto(std::uint8_t* to, const std::uint8_t* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = std::max(to[i], from[i]);
}

HYPRSTREAM_BY_PROCESSOR
void AddInto(std::uint32_t* to, const std::uint32_t* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace hyprstream::aggregate
