// Memory of this process, as the system counts it.
#pragma once

#include <cstdint>

namespace hyprstream {

// Physical memory that the process holds now, freed memory that an allocator keeps included; 0 when nobody tells.
std::int64_t ResidentBytes();

}  // namespace hyprstream
