// The statements that run at a backend, ended when nobody waits for them any more or their time is up.
//
// Thread safety: all methods, from any thread. Somebody calls Poll() again and again. Ownership: a statement is shared
// by the watch and whoever runs it; after its Release() no callback of it runs any more.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"

namespace hyprstream::backend {

struct WatchedCalls {
  std::function<void()> cancel;     // may wait for the database, a bounded time
  std::function<bool()> cancelled;  // empty: never
  // Once, where the statement goes on for kAbortAfter although it was cancelled; waits for nothing. Empty: never.
  std::function<void()> abort = {};
};

class WatchedStatement {
 public:
  static constexpr std::chrono::milliseconds kAbortAfter{3'000};

  enum class End { kNone, kCancelled, kTimedOut, kClosed };

  WatchedStatement(WatchedCalls calls, std::chrono::milliseconds timeout, const Clock& clock);

  // Around each wait for the database: only that counts against the time-out.
  void Enter() EXCLUDES(mutex_);
  void Leave() EXCLUDES(mutex_);
  // Why it was told to end.
  End end() const EXCLUDES(mutex_);
  // Waits for a callback that runs. None runs afterwards.
  void Release() EXCLUDES(mutex_);

 private:
  friend class StatementWatch;
  // False: it is released.
  bool Poll(bool closed) EXCLUDES(mutex_);
  bool IsOverdue(Clock::TimePoint now) const REQUIRES(mutex_);

  const WatchedCalls calls_;
  const std::chrono::nanoseconds timeout_;
  const Clock& clock_;
  mutable Mutex mutex_;
  CondVar idle_;
  bool polling_ GUARDED_BY(mutex_) = false;
  bool released_ GUARDED_BY(mutex_) = false;
  bool waiting_ GUARDED_BY(mutex_) = false;
  Clock::TimePoint entered_ GUARDED_BY(mutex_);
  std::chrono::nanoseconds used_ GUARDED_BY(mutex_){0};
  End end_ GUARDED_BY(mutex_) = End::kNone;
  // A cancel between two steps of a driver's call ends neither: it is sent again until the statement is released.
  Clock::TimePoint cancel_at_ GUARDED_BY(mutex_);
  Clock::TimePoint abort_at_ GUARDED_BY(mutex_);
  bool aborted_ GUARDED_BY(mutex_) = false;
  std::chrono::milliseconds cancel_pause_ GUARDED_BY(mutex_){50};
};

class StatementWatch {
 public:
  explicit StatementWatch(const Clock& clock) : clock_(clock) {}

  std::shared_ptr<WatchedStatement> Add(WatchedCalls calls, std::chrono::milliseconds timeout) EXCLUDES(mutex_);
  // Ends those that should end, and forgets those that are released.
  void Poll() EXCLUDES(mutex_);
  // From now on every statement ends.
  void Close() EXCLUDES(mutex_);
  bool empty() const EXCLUDES(mutex_);

 private:
  const Clock& clock_;
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<WatchedStatement>> statements_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace hyprstream::backend
