#include "backend/connect_timeout.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace hyprstream::backend {
namespace {

constexpr std::int64_t kSecondsMax = 86'400;

// The first number behind `name` in an option of the driver; 0: none.
std::int64_t NumberIn(const BackendSpec& spec, const std::string& option, std::string_view name) {
  const auto found = spec.driver_options.find(option);
  if (found == spec.driver_options.end()) return 0;
  std::string_view text = found->second;
  const auto at = text.find(name);
  if (at == std::string_view::npos) return 0;
  text.remove_prefix(at + name.size());
  text.remove_prefix(std::min(text.find_first_not_of(" ='"), text.size()));
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

std::chrono::milliseconds ConnectTimeoutOf(const BackendSpec& spec) {
  std::chrono::milliseconds own{0};
  if (spec.driver == "postgresql") {
    own = std::chrono::seconds(std::clamp<std::int64_t>(NumberIn(spec, "uri", "connect_timeout"), 0, kSecondsMax));
  } else if (spec.driver == "redis") {
    own = std::chrono::milliseconds(
        std::clamp<std::int64_t>(NumberIn(spec, "adbc.redis.connect_timeout_ms", ""), 0, kSecondsMax * 1'000));
  }
  return std::max(own, spec.connect_timeout);
}

}  // namespace hyprstream::backend
