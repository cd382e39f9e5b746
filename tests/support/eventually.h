// Waiting for what another process or thread does.
#pragma once

#include <chrono>
#include <thread>

namespace hyprstream::testing {

// True once `condition()` is; false when it was not within a bound.
template <class Condition>
bool Eventually(const Condition& condition, std::chrono::milliseconds bound = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + bound;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace hyprstream::testing
