// A thread that does its work once a period, until it is stopped.
//
// Thread safety: all methods. Ownership: what `work` uses outlives it; `work` is never run after Stop() has returned.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread_annotations.h"

namespace hyprstream {

class PeriodicTimer {
 public:
  explicit PeriodicTimer(const Clock& clock) : clock_(clock) {}
  ~PeriodicTimer() { Stop(); }
  PeriodicTimer(const PeriodicTimer&) = delete;
  PeriodicTimer& operator=(const PeriodicTimer&) = delete;

  // Once. The first time is one period from now. `name`: the thread's, at most 15 bytes.
  void Start(const char* name, std::chrono::milliseconds period, std::function<void()> work);
  // Waits for work that has begun. Any number of times.
  void Stop() EXCLUDES(mutex_);

 private:
  void Run(std::chrono::milliseconds period, const std::function<void()>& work) EXCLUDES(mutex_);

  const Clock& clock_;
  Mutex mutex_;
  CondVar stop_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hyprstream
