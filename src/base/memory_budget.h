// The one documented memory bound, `memory_max`, and the named shares that it is divided into.
//
// A share is a bound of its own: one that is full makes its users wait (flow control) and never takes from another.
// What is reserved here is what rooms say they hold, not what malloc says.
//
// Thread safety: all methods, from any thread.
// Ownership: the budget outlives its shares' reservations.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream {

class MemoryShare {
 public:
  // Bytes held; gives them back when destroyed. Move-only.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept;
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { Release(); }

    std::int64_t bytes() const { return bytes_; }
    void Release();  // idempotent

   private:
    friend class MemoryShare;
    Reservation(MemoryShare* share, std::int64_t bytes) : share_(share), bytes_(bytes) {}
    MemoryShare* share_ = nullptr;
    std::int64_t bytes_ = 0;
  };

  struct Usage {
    std::string name;
    std::int64_t bytes_max = 0;
    std::int64_t bytes_used = 0;
    std::int64_t waiting = 0;  // calls of Reserve that wait
  };

  MemoryShare(std::string name, std::int64_t bytes_max) : name_(std::move(name)), bytes_max_(bytes_max) {}

  // Waits for room. CapacityError at once when `bytes` can never fit; Cancelled when `cancelled` turns true meanwhile
  // (asked about every 20 ms; empty: never).
  arrow::Result<Reservation> Reserve(std::int64_t bytes, const std::function<bool()>& cancelled);
  // Nothing when there is no room now.
  std::optional<Reservation> TryReserve(std::int64_t bytes);
  Usage Snapshot() const;

 private:
  void Return(std::int64_t bytes);

  const std::string name_;
  const std::int64_t bytes_max_;
  mutable Mutex mutex_;
  CondVar returned_;
  std::int64_t bytes_used_ GUARDED_BY(mutex_) = 0;
  std::int64_t waiting_ GUARDED_BY(mutex_) = 0;
};

class MemoryBudget {
 public:
  struct ShareSpec {
    std::string name;
    std::int64_t bytes_max;
  };

  // Invalid when the shares do not fit into `bytes_max` or a name comes twice.
  static arrow::Result<std::unique_ptr<MemoryBudget>> Make(std::int64_t bytes_max,
                                                           const std::vector<ShareSpec>& shares);

  // The share of that name; it must exist.
  MemoryShare& share(std::string_view name);
  std::int64_t bytes_max() const { return bytes_max_; }
  std::vector<MemoryShare::Usage> Snapshot() const;  // in the order given to Make

 private:
  explicit MemoryBudget(std::int64_t bytes_max) : bytes_max_(bytes_max) {}

  const std::int64_t bytes_max_;
  std::vector<std::pair<std::string, std::unique_ptr<MemoryShare>>> shares_;  // fixed after Make
};

}  // namespace hyprstream
