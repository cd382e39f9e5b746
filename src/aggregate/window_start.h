// A window by its start.
#pragma once

#include <compare>
#include <cstdint>

namespace hyprstream::aggregate {

// In the units of the window key's type; 0 for a view without windows. Ascending, the NULL window last.
struct WindowStart {
  bool is_null = false;
  std::int64_t start = 0;

  friend auto operator<=>(const WindowStart&, const WindowStart&) = default;
};

}  // namespace hyprstream::aggregate
