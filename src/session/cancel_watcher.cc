#include "session/cancel_watcher.h"

#include <chrono>

namespace hyprstream::session {

namespace {
constexpr std::chrono::milliseconds kPollInterval{20};
}

CancelWatcher::CancelWatcher() : thread_([this] { Run(); }) {}

CancelWatcher::~CancelWatcher() {
  {
    const MutexLock lock(mutex_);
    closing_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

std::shared_ptr<CancelWatcher::Watch> CancelWatcher::Begin(const RequestContext& context,
                                                           engine::Connection& connection) {
  std::shared_ptr<Watch> watch(new Watch(*this, context, connection));
  const MutexLock lock(mutex_);
  watches_.emplace(watch.get(), false);
  if (watches_.size() == 1) changed_.NotifyAll();
  return watch;
}

CancelWatcher::Watch::~Watch() {
  const MutexLock lock(watcher_.mutex_);
  watcher_.watches_.erase(this);
}

void CancelWatcher::Watch::Stop() {
  const MutexLock lock(watcher_.mutex_);
  watcher_.watches_[this] = true;
  connection_.Interrupt();
}

bool CancelWatcher::Watch::stopped() const {
  {
    const MutexLock lock(watcher_.mutex_);
    if (watcher_.watches_.at(this)) return true;
  }
  return context_.IsCancelled();
}

void CancelWatcher::Run() {
  const MutexLock lock(mutex_);
  while (!closing_) {
    if (watches_.empty()) {
      changed_.Wait(mutex_);
      continue;
    }
    changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + kPollInterval);
    for (const auto& [watch, stopped] : watches_) {
      if (stopped || watch->context_.IsCancelled()) watch->connection_.Interrupt();
    }
  }
}

}  // namespace hyprstream::session
