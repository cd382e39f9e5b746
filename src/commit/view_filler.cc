#include "commit/view_filler.h"

#include <pthread.h>

#include <utility>

namespace hyprstream::commit {

void ViewFiller::Add(Work work) {
  const MutexLock lock(mutex_);
  if (stopped_) return;
  waiting_.push_back(std::move(work));
  changed_.NotifyAll();
  if (thread_.joinable()) return;
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "view-filler");
}

void ViewFiller::Stop() {
  std::deque<Work> forgotten;  // ends without the lock
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    forgotten.swap(waiting_);
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool ViewFiller::stopped() const {
  const MutexLock lock(mutex_);
  return stopped_;
}

void ViewFiller::Run() {
  for (;;) {
    Work work;
    {
      const MutexLock lock(mutex_);
      while (!stopped_ && waiting_.empty()) changed_.Wait(mutex_);
      if (stopped_) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work([this] { return stopped(); });
  }
}

}  // namespace hyprstream::commit
