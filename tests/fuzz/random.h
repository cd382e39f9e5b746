// The one source of chance in a random test: everything a seed does follows from it.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace hyprstream::fuzz {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  // In [0, below).
  std::int64_t Below(std::int64_t below) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(below));
  }
  bool Chance(int percent) { return Below(100) < percent; }
  template <class T>
  const T& Pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(Below(static_cast<std::int64_t>(from.size())))];
  }
  std::string Text(const std::vector<const char*>& from) { return Pick(from); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace hyprstream::fuzz
