// Texts of settings to values and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::config {

// A decimal integer within [least, most].
arrow::Result<std::int64_t> ParseInteger(std::string_view text, std::int64_t least, std::int64_t most);
// `8GiB`, `512MiB`, `64KiB`, `2GB`, `1000000` (bytes); within [least, most].
arrow::Result<std::int64_t> ParseBytes(std::string_view text, std::int64_t least, std::int64_t most);
// true, false, 1, 0, yes, no, on, off.
arrow::Result<bool> ParseBoolean(std::string_view text);
// The largest binary unit that loses nothing: `8GiB`, `1000000`.
std::string FormatBytes(std::int64_t bytes);

}  // namespace hyprstream::config
