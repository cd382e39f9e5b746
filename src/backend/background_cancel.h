// A cancel that holds nobody up: a driver may open a connection for it, to a database that takes that and says nothing.
//
// Thread safety: Start from any thread, Finish and the destructor from the statement's. Ownership: the statement
// outlives it.
#pragma once

#include <chrono>
#include <thread>

#include "backend/connection_socket.h"
#include "backend/driver.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace hyprstream::backend {

class BackgroundCancel {
 public:
  explicit BackgroundCancel(DriverStatement& statement) : statement_(statement) {}
  ~BackgroundCancel() { Finish(); }
  BackgroundCancel(const BackgroundCancel&) = delete;
  BackgroundCancel& operator=(const BackgroundCancel&) = delete;

  // Sends one, unless one is on its way, and returns.
  void Start() EXCLUDES(mutex_);
  bool was_sent() const EXCLUDES(mutex_);
  // Waits for the one that is on its way. After three seconds its connection is cut.
  void Finish() EXCLUDES(mutex_);

 private:
  void Run() EXCLUDES(mutex_);

  DriverStatement& statement_;
  const SystemClock clock_;
  ConnectedSocket socket_{clock_};  // the cancel's own, not the statement's
  mutable Mutex mutex_;
  CondVar ended_;
  bool running_ GUARDED_BY(mutex_) = false;
  bool was_sent_ GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point began_ GUARDED_BY(mutex_);
  std::thread thread_ GUARDED_BY(mutex_);
};

}  // namespace hyprstream::backend
