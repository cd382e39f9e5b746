// The time, injected, so that tests need not wait for it.
//
// Thread safety: all methods, from any thread.
#pragma once

#include <chrono>

#include "base/mutex.h"

namespace hyprstream {

class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using WallTime = std::chrono::system_clock::time_point;

  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;     // monotonic: for durations and deadlines
  virtual WallTime WallNow() const = 0;  // for what a person reads
  // Waits on `condition`, whose mutex is held, until it is notified (true) or the time has come (false). May return
  // true early: loop over what is waited for.
  virtual bool WaitUntil(CondVar& condition, Mutex& mutex, TimePoint deadline) const REQUIRES(mutex) = 0;

  void SleepUntil(TimePoint deadline) const;
};

class SystemClock final : public Clock {
 public:
  TimePoint Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
  bool WaitUntil(CondVar& condition, Mutex& mutex, TimePoint deadline) const override REQUIRES(mutex) {
    return condition.WaitUntil(mutex, deadline);
  }
};

}  // namespace hyprstream
