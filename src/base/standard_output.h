// What a command has to say.
#pragma once

#include <string_view>

namespace arrow {
class Status;
}

namespace hyprstream {

// Writes `text` to standard output, and whatever was written there before. IOError when it does not get there: the disk
// is full, say.
arrow::Status Print(std::string_view text);

}  // namespace hyprstream
