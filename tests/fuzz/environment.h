// Whole numbers that a random test takes from its environment: HYPRSTREAM_SEED, HYPRSTREAM_SEEDS.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace hyprstream::fuzz {

// `otherwise` where it is not set, or empty; 0 where it is no number.
inline std::int64_t Number(const char* name, std::int64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::strtoll(text, nullptr, 10) : otherwise;
}

}  // namespace hyprstream::fuzz
