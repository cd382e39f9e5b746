#include "base/memory_budget.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <cassert>
#include <chrono>
#include <cstdlib>

namespace hyprstream {

MemoryShare::Reservation::Reservation(Reservation&& other) noexcept
    : share_(std::exchange(other.share_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryShare::Reservation& MemoryShare::Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    Release();
    share_ = std::exchange(other.share_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void MemoryShare::Reservation::Release() {
  if (share_ != nullptr) share_->Return(bytes_);
  share_ = nullptr;
  bytes_ = 0;
}

arrow::Result<MemoryShare::Reservation> MemoryShare::Reserve(std::int64_t bytes,
                                                             const std::function<bool()>& cancelled) {
  constexpr std::chrono::milliseconds kPoll{20};
  if (bytes < 0 || bytes > bytes_max_) {
    return arrow::Status::CapacityError(bytes, " bytes do not fit into the memory share '", name_, "' of ", bytes_max_,
                                        " bytes; send less at a time or raise memory_max");
  }
  MutexLock lock(mutex_);
  ++waiting_;
  while (bytes_used_ + bytes > bytes_max_) {
    if (!cancelled) {
      returned_.Wait(mutex_);
    } else if (!returned_.WaitUntil(mutex_, std::chrono::steady_clock::now() + kPoll) && cancelled()) {
      --waiting_;
      return arrow::Status::Cancelled("Cancelled while waiting for memory of the share '", name_, "'");
    }
  }
  --waiting_;
  bytes_used_ += bytes;
  return Reservation(this, bytes);
}

std::optional<MemoryShare::Reservation> MemoryShare::TryReserve(std::int64_t bytes) {
  const MutexLock lock(mutex_);
  if (bytes < 0 || bytes > bytes_max_ - bytes_used_) return std::nullopt;
  bytes_used_ += bytes;
  return Reservation(this, bytes);
}

MemoryShare::Usage MemoryShare::Snapshot() const {
  MutexLock lock(mutex_);
  return {.name = name_, .bytes_max = bytes_max_, .bytes_used = bytes_used_, .waiting = waiting_};
}

void MemoryShare::Return(std::int64_t bytes) {
  {
    MutexLock lock(mutex_);
    bytes_used_ -= bytes;
  }
  returned_.NotifyAll();
}

arrow::Result<std::unique_ptr<MemoryBudget>> MemoryBudget::Make(std::int64_t bytes_max,
                                                                const std::vector<ShareSpec>& shares) {
  std::unique_ptr<MemoryBudget> budget(new MemoryBudget(bytes_max));
  std::int64_t left = bytes_max;
  for (const ShareSpec& spec : shares) {
    if (spec.bytes_max < 0 || spec.bytes_max > left) {
      return arrow::Status::Invalid("The memory share '", spec.name, "' of ", spec.bytes_max,
                                    " bytes does not fit into memory_max of ", bytes_max, " bytes");
    }
    for (const auto& [name, share] : budget->shares_) {
      if (name == spec.name) return arrow::Status::Invalid("Two memory shares are named '", name, "'");
    }
    left -= spec.bytes_max;
    budget->shares_.emplace_back(spec.name, std::make_unique<MemoryShare>(spec.name, spec.bytes_max));
  }
  return budget;
}

MemoryShare& MemoryBudget::share(std::string_view name) {
  for (auto& [share_name, share] : shares_) {
    if (share_name == name) return *share;
  }
  assert(false && "no such memory share");
  std::abort();
}

std::vector<MemoryShare::Usage> MemoryBudget::Snapshot() const {
  std::vector<MemoryShare::Usage> usage;
  usage.reserve(shares_.size());
  for (const auto& [name, share] : shares_) usage.push_back(share->Snapshot());
  return usage;
}

}  // namespace hyprstream
