// How event time is cut into windows.
#pragma once

#include <cstdint>
#include <numeric>

namespace hyprstream {

enum class WindowKind { kTumbling, kHopping, kSession };

// Windows of one length, in the units of the time that they cut. Windows begin at origin + n * slide and end before
// their start + size. They are cut along the edges of slices: slice n is [origin + n * slice(), + slice()).
struct WindowSpec {
  WindowKind kind = WindowKind::kTumbling;
  std::int64_t size = 1;   // > 0
  std::int64_t slide = 1;  // 0 < slide <= size; of tumbling ones the size
  std::int64_t origin = 0;

  std::int64_t slice() const { return std::gcd(size, slide); }
  // How many windows a slice is in, at most.
  std::int64_t overlap() const { return (size - 1) / slide + 1; }
};

}  // namespace hyprstream
