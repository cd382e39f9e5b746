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
void MaxInto(std::uint8_t* to, const std::uint8_t* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = std::max(to[i], from[i]);
}

HYPRSTREAM_BY_PROCESSOR
void AddInto(std::uint32_t* to, const std::uint32_t* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace hyprstream::aggregate
