// How event time is cut into windows.
#pragma once

namespace hyprstream {

enum class WindowKind { kTumbling, kHopping, kSession };

}  // namespace hyprstream
