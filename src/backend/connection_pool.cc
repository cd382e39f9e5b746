#include "backend/connection_pool.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <optional>

namespace hyprstream::backend {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPoll{20};

}  // namespace

ConnectionPool::Lease& ConnectionPool::Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    End(false);
    pool_ = std::exchange(other.pool_, nullptr);
    slot_ = std::move(other.slot_);
  }
  return *this;
}

void ConnectionPool::Lease::End(bool reusable) {
  if (pool_ == nullptr) return;
  std::exchange(pool_, nullptr)->GiveBack(std::move(slot_), reusable);
}

ConnectionPool::ConnectionPool(PoolOptions options, Connect connect, const Clock& clock)
    : options_(std::move(options)), connect_(std::move(connect)), clock_(clock) {}

ConnectionPool::~ConnectionPool() { Close(); }

arrow::Result<ConnectionPool::Lease> ConnectionPool::Acquire(const std::function<bool()>& cancelled) {
  ARROW_ASSIGN_OR_RAISE(Slot slot, WaitForSlot(cancelled));
  auto ready = Refresh(std::move(slot));
  if (!ready.ok()) {
    GiveBack({}, false);
    return ready.status();
  }
  return Lease(this, std::move(ready).ValueUnsafe());
}

arrow::Result<ConnectionPool::Slot> ConnectionPool::WaitForSlot(const std::function<bool()>& cancelled) {
  Waiter self;
  MutexLock lock(mutex_);
  if (closed_) return arrow::Status::Cancelled(options_.name, " is detached");
  waiters_.push_back(&self);
  Dispatch();
  const auto deadline = clock_.Now() + options_.wait_max;
  while (!self.granted) {
    const auto now = clock_.Now();
    const bool gone = cancelled && cancelled();
    if (closed_ || gone || now >= deadline) {
      const auto others = waiters_.size() - 1;
      std::erase(waiters_, &self);
      if (closed_)
        return arrow::Status::Cancelled(options_.name, " was detached while a statement waited for a connection");
      if (gone) return arrow::Status::Cancelled("Cancelled while waiting for a connection to ", options_.name);
      return arrow::Status::CapacityError("No connection to ", options_.name, " came free in ",
                                          options_.wait_max.count(), " ms: all ", options_.connections_max,
                                          " are in use and ", others,
                                          " more statements wait (pool_max and pool_wait of the backend set both)");
    }
    clock_.WaitUntil(self.wake, mutex_, cancelled ? std::min(deadline, now + kPoll) : deadline);
  }
  return std::move(self.slot);
}

void ConnectionPool::Dispatch() {
  while (!waiters_.empty() && !closed_ && (!idle_.empty() || total_ < options_.connections_max)) {
    Waiter& next = *waiters_.front();
    waiters_.pop_front();
    if (idle_.empty()) {
      ++total_;
    } else {
      next.slot = std::move(idle_.back());
      idle_.pop_back();
    }
    next.granted = true;
    next.wake.NotifyOne();
  }
}

arrow::Result<ConnectionPool::Slot> ConnectionPool::Refresh(Slot slot) {
  const auto now = clock_.Now();
  if (slot.connection != nullptr && now - slot.made < options_.life_max && now - slot.used < options_.idle_max) {
    if (!slot.suspect && now - slot.used < options_.check_after) return slot;
    if (slot.connection->Check().ok()) {
      slot.suspect = false;
      return slot;
    }
  }
  slot.connection.reset();
  return MakeSlot();
}

arrow::Result<ConnectionPool::Slot> ConnectionPool::MakeSlot() {
  Slot slot;
  ARROW_ASSIGN_OR_RAISE(slot.connection, connect_());
  slot.made = clock_.Now();
  slot.used = slot.made;
  return slot;
}

void ConnectionPool::GiveBack(Slot slot, bool reusable) {
  Slot ended;  // outside the lock
  MutexLock lock(mutex_);
  const auto now = clock_.Now();
  if (slot.connection != nullptr && reusable && !closed_ && now - slot.made < options_.life_max) {
    slot.used = now;
    slot.has_run = true;
    idle_.push_back(std::move(slot));
  } else {
    --total_;
    ended = std::move(slot);
  }
  Dispatch();
}

void ConnectionPool::Suspect() {
  MutexLock lock(mutex_);
  for (auto& slot : idle_) slot.suspect = true;
}

arrow::Status ConnectionPool::Sweep() {
  std::vector<Slot> ended;
  int missing = 0;
  {
    MutexLock lock(mutex_);
    if (closed_) return arrow::Status::OK();
    const auto now = clock_.Now();
    for (auto slot = idle_.begin(); slot != idle_.end();) {
      const bool old = now - slot->made >= options_.life_max;
      const bool unused = now - slot->used >= options_.idle_max && total_ > options_.connections_min;
      if (old || unused) {
        ended.push_back(std::move(*slot));
        slot = idle_.erase(slot);
        --total_;
      } else {
        ++slot;
      }
    }
    Dispatch();
    missing = std::max(0, options_.connections_min - total_);
    total_ += missing;
  }
  ended.clear();
  arrow::Status status;
  for (; missing > 0; --missing) {
    auto made = status.ok() ? MakeSlot() : arrow::Result<Slot>(status);
    if (made.ok()) {
      GiveBack(std::move(made).ValueUnsafe(), true);
    } else {
      status = made.status();
      GiveBack({}, false);
    }
  }
  return status;
}

void ConnectionPool::Close() {
  std::vector<Slot> ended;
  MutexLock lock(mutex_);
  closed_ = true;
  total_ -= static_cast<int>(idle_.size());
  std::swap(ended, idle_);
  for (auto* waiter : waiters_) waiter->wake.NotifyOne();
}

ConnectionPool::Counts ConnectionPool::counts() const {
  MutexLock lock(mutex_);
  return {.in_use = total_ - static_cast<int>(idle_.size()),
          .idle = static_cast<int>(idle_.size()),
          .waiting = static_cast<int>(waiters_.size())};
}

}  // namespace hyprstream::backend
