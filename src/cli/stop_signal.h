// That the user wants a command to stop, as something every wait of it can look at.
//
// Thread safety: all methods, from any thread. Ownership: nobody may still wait when it is destroyed.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"

namespace hyprstream::cli {

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  void Raise();  // for good
  bool raised() const;
  // Waits for `deadline`, at most until it is raised; true when it is.
  bool WaitUntil(const Clock& clock, Clock::TimePoint deadline) const;
  // Readable for poll() once it is raised.
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  bool raised_ GUARDED_BY(mutex_) = false;
};

}  // namespace hyprstream::cli
