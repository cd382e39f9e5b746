#include "session/cancel_watcher.h"

#include <arrow/status.h>

#include <algorithm>
#include <utility>

namespace hyprstream::session {

namespace {
using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPollInterval{20};
// Polls without a watch before the thread sleeps until it is woken: to wake it costs a short query more than the poll.
constexpr int kIdlePollsMax = 50;
constexpr std::chrono::milliseconds kMemoryInterval{100};
}  // namespace

CancelWatcher::CancelWatcher(std::chrono::milliseconds statement_max, std::function<bool()> memory_is_short)
    : statement_max_(statement_max), memory_is_short_(std::move(memory_is_short)), thread_([this] { Run(); }) {}

CancelWatcher::~CancelWatcher() {
  {
    const MutexLock lock(mutex_);
    closing_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

std::unique_ptr<CancelWatcher::Watch> CancelWatcher::Begin(const RequestContext& context,
                                                           engine::Connection& connection, const void* owner) {
  const auto deadline = statement_max_.count() > 0 ? Clock::now() + statement_max_ : Clock::time_point::max();
  auto watched = std::make_shared<Watched>(
      Watched{.context = &context, .connection = &connection, .owner = owner, .deadline = deadline});
  const MutexLock lock(mutex_);
  watches_.push_back(watched);
  if (asleep_) changed_.NotifyAll();
  return std::unique_ptr<Watch>(new Watch(*this, std::move(watched)));
}

CancelWatcher::Watch::~Watch() {
  const MutexLock lock(watcher_.mutex_);
  watched_->ended = true;
  watcher_.watches_.remove(watched_);
}

bool CancelWatcher::Watch::stopped() const {
  const MutexLock lock(watcher_.mutex_);
  return watched_->reason != Reason::kNone || watched_->context->IsCancelled();
}

arrow::Status CancelWatcher::Watch::Explain(arrow::Status status) const {
  if (status.ok()) return status;
  const MutexLock lock(watcher_.mutex_);
  switch (watched_->reason) {
    case Reason::kTimeout:
      return arrow::Status::Cancelled("The statement took longer than statement_timeout_s, ",
                                      std::chrono::duration<double>(watcher_.statement_max_).count(),
                                      " s, and was stopped");
    case Reason::kClosed:
      return arrow::Status::Cancelled("The session was closed while the statement ran");
    case Reason::kMemory:
      return arrow::Status::OutOfMemory(
          "The server came to hold more memory than memory_max and its reserve, so the statements that ran were "
          "stopped; "
          "ask for fewer groups or smaller values, or raise memory_max");
    case Reason::kCancelled:
    case Reason::kCaller:
      return arrow::Status::Cancelled("The query was cancelled");
    case Reason::kNone:
      break;
  }
  if (watched_->context->IsCancelled()) return arrow::Status::Cancelled("The query was cancelled");
  return status;
}

bool CancelWatcher::Stop(const Name& name) {
  const auto watched = name.lock();
  if (watched == nullptr) return false;
  const MutexLock lock(mutex_);
  if (watched->ended) return false;
  watched->reason = Reason::kCancelled;
  watched->connection->Interrupt();
  return true;
}

void CancelWatcher::StopAll(const void* owner) {
  const MutexLock lock(mutex_);
  for (const auto& watched : watches_) {
    if (watched->owner != owner) continue;
    watched->reason = Reason::kClosed;
    watched->connection->Interrupt();
  }
}

void CancelWatcher::Look(Watched& watched, Clock::time_point now, bool memory_is_short) {
  if (watched.reason == Reason::kNone && watched.context->IsCancelled()) watched.reason = Reason::kCaller;
  if (watched.reason == Reason::kNone && now >= watched.deadline) watched.reason = Reason::kTimeout;
  if (watched.reason == Reason::kNone && memory_is_short) watched.reason = Reason::kMemory;
  if (watched.reason != Reason::kNone) watched.connection->Interrupt();
}

CancelWatcher::Next CancelWatcher::AwaitNext() {
  const MutexLock lock(mutex_);
  if (closing_) return Next::kEnd;
  idle_polls_ = watches_.empty() ? idle_polls_ + 1 : 0;
  if (idle_polls_ > kIdlePollsMax) {
    asleep_ = true;
    changed_.Wait(mutex_);
    asleep_ = false;
    idle_polls_ = 0;
  }
  changed_.WaitUntil(mutex_, Clock::now() + kPollInterval);
  return watches_.empty() ? Next::kNothing : Next::kLook;
}

void CancelWatcher::Run() {
  auto memory_due = Clock::now();
  for (Next next = AwaitNext(); next != Next::kEnd; next = AwaitNext()) {
    if (next == Next::kNothing) continue;
    const auto now = Clock::now();
    const bool asks = memory_is_short_ && now >= memory_due;
    if (asks) memory_due = now + kMemoryInterval;
    const bool memory_is_short = asks && memory_is_short_();  // takes its time, without the lock
    const MutexLock lock(mutex_);
    for (const auto& watched : watches_) Look(*watched, now, memory_is_short);
  }
}

}  // namespace hyprstream::session
