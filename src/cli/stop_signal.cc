#include "cli/stop_signal.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace hyprstream::cli {

StopSignal::StopSignal() : descriptor_(eventfd(0, EFD_CLOEXEC)) {}

StopSignal::~StopSignal() { close(descriptor_); }

void StopSignal::Raise() {
  const MutexLock lock(mutex_);
  raised_ = true;
  changed_.NotifyAll();
  eventfd_write(descriptor_, 1);
}

bool StopSignal::raised() const {
  const MutexLock lock(mutex_);
  return raised_;
}

bool StopSignal::WaitUntil(const Clock& clock, Clock::TimePoint deadline) const {
  const MutexLock lock(mutex_);
  while (!raised_ && clock.Now() < deadline) clock.WaitUntil(changed_, mutex_, deadline);
  return raised_;
}

}  // namespace hyprstream::cli
