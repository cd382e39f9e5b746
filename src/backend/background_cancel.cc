#include "backend/background_cancel.h"

#include <arrow/status.h>

#include <utility>

namespace hyprstream::backend {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPatience{3'000};
constexpr milliseconds kBetweenCuts{200};  // the connection may not have been made yet

}  // namespace

void BackgroundCancel::Start() {
  MutexLock lock(mutex_);
  if (running_) return;
  if (thread_.joinable()) thread_.join();  // it has nothing to do any more
  running_ = was_sent_ = true;
  began_ = steady_clock::now();
  thread_ = std::thread([this] { Run(); });
}

void BackgroundCancel::Run() {
  const NotesConnects noting(socket_);
  // A driver that has no cancel, or a statement that has ended: the same to whoever asked.
  static_cast<void>(statement_.Cancel());
  MutexLock lock(mutex_);
  running_ = false;
  ended_.NotifyAll();
}

bool BackgroundCancel::was_sent() const {
  MutexLock lock(mutex_);
  return was_sent_;
}

void BackgroundCancel::Finish() {
  std::thread thread;
  {
    MutexLock lock(mutex_);
    auto cut_at = began_ + kPatience;
    while (running_) {
      ended_.WaitUntil(mutex_, cut_at);
      if (!running_ || steady_clock::now() < cut_at) continue;
      socket_.ShutDown();
      cut_at = steady_clock::now() + kBetweenCuts;
    }
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

}  // namespace hyprstream::backend
