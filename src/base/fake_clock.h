// A clock for tests: time stands still until Advance().
//
//   auto waiting = std::async([&] { clock.SleepUntil(clock.Now() + 2s); });
//   clock.WaitForSleepers(1);
//   clock.Advance(2s);
//
// Thread safety: all methods, from any thread. Nobody may still wait when it is destroyed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace hyprstream {

class FakeClock final : public Clock {
 public:
  TimePoint Now() const override {
    MutexLock lock(mutex_);
    return TimePoint(elapsed_);
  }
  WallTime WallNow() const override {
    MutexLock lock(mutex_);
    return WallTime(std::chrono::duration_cast<WallTime::duration>(kWallStart + elapsed_));
  }

  bool WaitUntil(CondVar& condition, Mutex& mutex, TimePoint deadline) const override REQUIRES(mutex) {
    {
      MutexLock lock(mutex_);
      if (TimePoint(elapsed_) >= deadline) return false;
      sleepers_.push_back({&condition, &mutex});
      changed_.NotifyAll();
    }
    condition.Wait(mutex);
    // An Advance() that saw this sleeper may be about to touch its mutex and condition: both must outlive it.
    mutex.Unlock();
    const bool in_time = LeaveSleepers(condition, deadline);
    mutex.Lock();
    return in_time;
  }

  void Advance(std::chrono::nanoseconds by) {
    std::vector<Sleeper> wake;
    {
      MutexLock lock(mutex_);
      elapsed_ += by;
      wake = sleepers_;
      ++advancing_;
    }
    for (const Sleeper& sleeper : wake) {
      // Once its mutex is free, the sleeper is inside its wait; it stays there, and its condition alive, until
      // unlocked.
      sleeper.mutex->Lock();
      sleeper.condition->NotifyAll();
      sleeper.mutex->Unlock();
    }
    MutexLock lock(mutex_);
    --advancing_;
    changed_.NotifyAll();
  }

  // Blocks until `count` threads wait on this clock.
  void WaitForSleepers(std::size_t count) const {
    MutexLock lock(mutex_);
    while (sleepers_.size() < count) changed_.Wait(mutex_);
  }

 private:
  struct Sleeper {
    CondVar* condition;
    Mutex* mutex;
  };

  // Returns when no Advance() holds on to the sleeper any more. False when `deadline` has passed.
  bool LeaveSleepers(const CondVar& condition, TimePoint deadline) const {
    MutexLock lock(mutex_);
    sleepers_.erase(std::ranges::find(sleepers_, &condition, &Sleeper::condition));
    while (advancing_ > 0) changed_.Wait(mutex_);
    return TimePoint(elapsed_) < deadline;
  }

  static constexpr std::chrono::nanoseconds kWallStart{1'357'000'000'000'000'000};  // 1 January 2013

  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::chrono::nanoseconds elapsed_ GUARDED_BY(mutex_){0};
  int advancing_ GUARDED_BY(mutex_) = 0;  // Advance() calls between their copy of sleepers_ and their last touch of it
  mutable std::vector<Sleeper> sleepers_ GUARDED_BY(mutex_);
};

}  // namespace hyprstream
