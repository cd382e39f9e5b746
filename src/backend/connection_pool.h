// Connections to one backend: so many at most, handed out in the order in which they were asked for.
//
// Full behaviour: Acquire waits a bounded time. A lease that is not given back (its statement failed, was cancelled or
// was not read to its end) ends its connection.
// Thread safety: all methods, from any thread; no lock is held while a connection is made, checked or ended.
// Ownership: a Lease must not outlive its pool.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::backend {

class PooledConnection {
 public:
  virtual ~PooledConnection() = default;
  // Does the database still answer?
  virtual arrow::Status Check() = 0;
};

struct PoolOptions {
  std::string name;  // for messages
  int connections_max = 32;
  int connections_min = 0;
  std::chrono::milliseconds wait_max{10'000};
  std::chrono::milliseconds idle_max{300'000};
  std::chrono::milliseconds life_max{3'600'000};
  std::chrono::milliseconds check_after{1'000};  // what was unused for that long is checked before it is handed out
};

class ConnectionPool {
 private:
  struct Slot {
    std::unique_ptr<PooledConnection> connection;
    Clock::TimePoint made;
    Clock::TimePoint used;
    bool suspect = false;
    bool has_run = false;
  };

 public:
  using Connect = std::function<arrow::Result<std::unique_ptr<PooledConnection>>()>;

  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), slot_(std::move(other.slot_)) {}
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { End(false); }

    PooledConnection& connection() const { return *slot_.connection; }
    // Nothing has run on it since it was made.
    bool is_new() const { return !slot_.has_run; }
    // To the pool, for the next. The lease is empty afterwards.
    void Return() { End(true); }

   private:
    friend class ConnectionPool;
    Lease(ConnectionPool* pool, Slot slot) : pool_(pool), slot_(std::move(slot)) {}
    void End(bool reusable);

    ConnectionPool* pool_ = nullptr;
    Slot slot_;
  };

  struct Counts {
    int in_use = 0;
    int idle = 0;
    int waiting = 0;
  };

  ConnectionPool(PoolOptions options, Connect connect, const Clock& clock);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // CapacityError when none came free within wait_max, Cancelled when `cancelled` says so or the pool is closed; else
  // the error of the connection.
  arrow::Result<Lease> Acquire(const std::function<bool()>& cancelled) EXCLUDES(mutex_);
  // A connection broke: those that are idle are checked before they are used again.
  void Suspect() EXCLUDES(mutex_);
  // Ends what was idle or has lived too long, and makes connections up to the least number. The error of one that could
  // not be made.
  arrow::Status Sweep() EXCLUDES(mutex_);
  // Ends the idle ones; what is leased ends when it is given back. Who waits is Cancelled.
  void Close() EXCLUDES(mutex_);
  Counts counts() const EXCLUDES(mutex_);

 private:
  struct Waiter {
    bool granted = false;
    Slot slot;  // without a connection: one may be made
    CondVar wake;
  };

  arrow::Result<Slot> WaitForSlot(const std::function<bool()>& cancelled) EXCLUDES(mutex_);
  void Dispatch() REQUIRES(mutex_);
  arrow::Result<Slot> Refresh(Slot slot) EXCLUDES(mutex_);
  arrow::Result<Slot> MakeSlot();
  void GiveBack(Slot slot, bool reusable) EXCLUDES(mutex_);

  const PoolOptions options_;
  const Connect connect_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::vector<Slot> idle_ GUARDED_BY(mutex_);  // the one used last is last, and taken first
  std::deque<Waiter*> waiters_ GUARDED_BY(mutex_);
  int total_ GUARDED_BY(mutex_) = 0;  // leased, idle or being made
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace hyprstream::backend
