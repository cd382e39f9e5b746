// A first-in first-out queue between threads, bounded in bytes.
//
// Full behaviour: Push waits. An item larger than the bound passes alone, through an empty queue.
// Thread safety: all methods, from any thread. Ownership: nobody may wait in it when it is destroyed.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace hyprstream {

template <class T>
class BoundedQueue {
 public:
  using Cancelled = std::function<bool()>;  // asked about every 20 ms while waiting; empty: never

  explicit BoundedQueue(std::int64_t bytes_max) : bytes_max_(bytes_max) {}

  // Waits for room. False when the queue is closed or the wait was cancelled; then the item was dropped.
  bool Push(T item, std::int64_t bytes, const Cancelled& cancelled = {}) {
    MutexLock lock(mutex_);
    while (!closed_ && !items_.empty() && bytes_ + bytes > bytes_max_) {
      if (!WaitOnce(popped_, cancelled)) return false;
    }
    if (closed_) return false;
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    pushed_.NotifyOne();
    return true;
  }

  // Waits for an item. Nothing when the queue is closed and empty, or the wait was cancelled.
  std::optional<T> Pop(const Cancelled& cancelled = {}) {
    MutexLock lock(mutex_);
    while (items_.empty()) {
      if (closed_ || !WaitOnce(pushed_, cancelled)) return std::nullopt;
    }
    return TakeFront();
  }

  // The next item if one is there now.
  std::optional<T> TryPop() {
    MutexLock lock(mutex_);
    if (items_.empty()) return std::nullopt;
    return TakeFront();
  }

  // No more items are taken; those inside can still be popped. Idempotent.
  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
    pushed_.NotifyAll();
    popped_.NotifyAll();
  }

  std::int64_t bytes() const {
    MutexLock lock(mutex_);
    return bytes_;
  }

 private:
  bool WaitOnce(CondVar& condition, const Cancelled& cancelled) REQUIRES(mutex_) {
    constexpr std::chrono::milliseconds kPoll{20};
    if (!cancelled) {
      condition.Wait(mutex_);
      return true;
    }
    return condition.WaitUntil(mutex_, std::chrono::steady_clock::now() + kPoll) || !cancelled();
  }

  T TakeFront() REQUIRES(mutex_) {
    T item = std::move(items_.front().first);
    bytes_ -= items_.front().second;
    items_.pop_front();
    popped_.NotifyAll();
    return item;
  }

  const std::int64_t bytes_max_;
  mutable Mutex mutex_;
  CondVar pushed_;
  CondVar popped_;
  std::deque<std::pair<T, std::int64_t>> items_ GUARDED_BY(mutex_);
  std::int64_t bytes_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace hyprstream
