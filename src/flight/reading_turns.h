// Whose large message is read next: what gRPC reads of all calls at once is kept below what makes it reset streams.
//
// A message's size is known only when it has been read, so a call claims what it expects. A claim that is not held by a
// message after `claim_max` counts no more: its client is idle, and must not keep the others waiting. Then gRPC's own
// bound is the last one.
//
// Full behaviour: Take waits, in no order; the client is held back by flow control. A claim larger than the bound
// passes alone. Thread safety: all methods, from any thread; one Turn by one thread at a time. Ownership: outlives its
// turns; the clock outlives it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::flight {

struct ReadingTurnsOptions {
  std::int64_t bytes_max;
  std::chrono::milliseconds claim_max{200};
};

class ReadingTurns {
  struct Claim {
    std::int64_t bytes;
    Clock::TimePoint since;
    bool held = false;
  };

 public:
  // Ends when it is destroyed. Move-only.
  class Turn {
   public:
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), claim_(other.claim_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->End(claim_);
    }

    // The message is there and takes `bytes`: they count until the end.
    void Hold(std::int64_t bytes) { turns_->Hold(claim_, bytes); }

   private:
    friend class ReadingTurns;
    Turn(ReadingTurns* turns, std::list<Claim>::iterator claim) : turns_(turns), claim_(claim) {}
    ReadingTurns* turns_;
    std::list<Claim>::iterator claim_;
  };

  ReadingTurns(ReadingTurnsOptions options, const Clock& clock) : options_(options), clock_(clock) {}

  // Cancelled when `cancelled` turns true meanwhile (asked about every 20 ms).
  arrow::Result<Turn> Take(std::int64_t bytes, const std::function<bool()>& cancelled);
  // For a message of which nothing is known.
  std::int64_t first_claim() const { return options_.bytes_max / 4; }

 private:
  std::int64_t CountedBytes() const REQUIRES(mutex_);
  void Hold(std::list<Claim>::iterator claim, std::int64_t bytes);
  void End(std::list<Claim>::iterator claim);

  const ReadingTurnsOptions options_;
  const Clock& clock_;
  mutable Mutex mutex_;
  CondVar ended_;
  std::list<Claim> claims_ GUARDED_BY(mutex_);
};

}  // namespace hyprstream::flight
