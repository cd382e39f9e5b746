#include "base/periodic_timer.h"

#include <pthread.h>

#include <utility>

namespace hyprstream {

void PeriodicTimer::Start(const char* name, std::chrono::milliseconds period, std::function<void()> work) {
  thread_ = std::thread([this, period, work = std::move(work)] { Run(period, work); });
  pthread_setname_np(thread_.native_handle(), name);
}

void PeriodicTimer::Stop() {
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    stop_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void PeriodicTimer::Run(std::chrono::milliseconds period, const std::function<void()>& work) {
  for (;;) {
    {
      const MutexLock lock(mutex_);
      const auto next = clock_.Now() + period;
      while (!stopped_ && clock_.Now() < next) clock_.WaitUntil(stop_, mutex_, next);
      if (stopped_) return;
    }
    work();
  }
}

}  // namespace hyprstream
