// How many rows a view's late policy and retention have met.
#pragma once

#include <cstdint>

namespace hyprstream::commit {

// Rows, since the view was created or lost count of them in a crash.
struct LateCounts {
  std::int64_t updated = 0;   // late, and taken
  std::int64_t dropped = 0;   // late, and left out
  std::int64_t rejected = 0;  // late, of commits that were refused for it
  std::int64_t expired = 0;   // that came for windows which had expired
  std::int64_t gone = 0;      // that went with their windows when these expired

  LateCounts& operator+=(const LateCounts& other);
};

}  // namespace hyprstream::commit
