#include "base/clock.h"

namespace hyprstream {

void Clock::SleepUntil(TimePoint deadline) const {
  Mutex mutex;
  CondVar never_notified;
  MutexLock lock(mutex);
  while (Now() < deadline) WaitUntil(never_notified, mutex, deadline);
}

}  // namespace hyprstream
