// Whether a database is worth asking: open after failures in a row, tried again after growing, jittered pauses.
//
// Closed, everything is let through. Open, nothing is, until somebody takes the probe that is due; half-open while that
// runs. A probe that succeeds closes it, one that fails opens it for longer.
// Thread safety: all methods, from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string_view>

#include "base/clock.h"

namespace hyprstream::backend {

struct BreakerOptions {
  int failures_max = 3;   // connections that failed, in a row
  int time_outs_max = 5;  // statements that had no answer in time, in a row
  std::chrono::milliseconds pause_least{200};
  std::chrono::milliseconds pause_most{10'000};
};

class Breaker {
 public:
  enum class State { kClosed, kOpen, kHalfOpen };

  // `seed` of the jitter.
  Breaker(BreakerOptions options, const Clock& clock, std::uint64_t seed);

  bool is_closed() const EXCLUDES(mutex_) { return state() == State::kClosed; }
  State state() const EXCLUDES(mutex_);
  // Until the next probe is due; zero where none is waited for.
  std::chrono::milliseconds pause() const EXCLUDES(mutex_);

  // True: a probe is due and the caller has it; it ends with Succeeded() or Failed().
  bool BeginProbe() EXCLUDES(mutex_);
  void Succeeded() EXCLUDES(mutex_);
  void Failed() EXCLUDES(mutex_);
  void TimedOut() EXCLUDES(mutex_);
  // At once: what was never reached.
  void Open() EXCLUDES(mutex_);

 private:
  void OpenLocked() REQUIRES(mutex_);

  const BreakerOptions options_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::mt19937_64 random_ GUARDED_BY(mutex_);
  State state_ GUARDED_BY(mutex_) = State::kClosed;
  int failures_ GUARDED_BY(mutex_) = 0;
  int time_outs_ GUARDED_BY(mutex_) = 0;
  int openings_ GUARDED_BY(mutex_) = 0;  // since it was last closed
  Clock::TimePoint probe_at_ GUARDED_BY(mutex_);
};

// closed, open, half-open
std::string_view ToString(Breaker::State state);

}  // namespace hyprstream::backend
