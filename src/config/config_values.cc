#include "config/config_values.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace hyprstream::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t bytes;
};
constexpr std::array<Unit, 9> kUnits = {{{"tib", 1LL << 40},
                                         {"gib", 1LL << 30},
                                         {"mib", 1LL << 20},
                                         {"kib", 1LL << 10},
                                         {"tb", 1'000'000'000'000},
                                         {"gb", 1'000'000'000},
                                         {"mb", 1'000'000},
                                         {"kb", 1'000},
                                         {"b", 1}}};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return lower;
}

}  // namespace

arrow::Result<std::int64_t> ParseInteger(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return arrow::Status::Invalid("'", text, "' is not a whole number");
  }
  if (value < least || value > most) {
    return arrow::Status::Invalid(text, " is out of range; use ", least, " to ", most);
  }
  return value;
}

arrow::Result<std::int64_t> ParseBytes(std::string_view text, std::int64_t least, std::int64_t most) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit_text(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit_text.starts_with(' ')) unit_text.remove_prefix(1);
  const std::string unit = unit_text.empty() ? "b" : Lower(unit_text);
  const auto* found = std::ranges::find(kUnits, unit, &Unit::name);
  const double bytes = found == kUnits.end() ? 0 : number * static_cast<double>(found->bytes);
  if (error != std::errc() || found == kUnits.end() || !(bytes >= 0) || bytes > 9e18) {
    return arrow::Status::Invalid("'", text, "' is not a size; write for example 512MiB or 8GiB");
  }
  const auto value = static_cast<std::int64_t>(std::llround(bytes));
  if (value < least || value > most) {
    return arrow::Status::Invalid(text, " is out of range; use ", FormatBytes(least), " to ", FormatBytes(most));
  }
  return value;
}

arrow::Result<bool> ParseBoolean(std::string_view text) {
  const std::string lower = Lower(text);
  if (lower == "true" || lower == "1" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "0" || lower == "no" || lower == "off") return false;
  return arrow::Status::Invalid("'", text, "' is neither true nor false");
}

std::string FormatBytes(std::int64_t bytes) {
  constexpr std::array<std::pair<std::int64_t, std::string_view>, 4> kBinary = {
      {{1LL << 40, "TiB"}, {1LL << 30, "GiB"}, {1LL << 20, "MiB"}, {1LL << 10, "KiB"}}};
  for (const auto& [size, name] : kBinary) {
    if (bytes >= size && bytes % size == 0) return std::to_string(bytes / size) + std::string(name);
  }
  return std::to_string(bytes);
}

}  // namespace hyprstream::config
