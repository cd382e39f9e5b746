#include "flight/reading_turns.h"

#include <arrow/result.h>
#include <arrow/status.h>

namespace hyprstream::flight {

std::int64_t ReadingTurns::CountedBytes() const {
  const auto now = clock_.Now();
  std::int64_t bytes = 0;
  for (const auto& claim : claims_) {
    if (claim.held || now - claim.since < options_.claim_max) bytes += claim.bytes;
  }
  return bytes;
}

arrow::Result<ReadingTurns::Turn> ReadingTurns::Take(std::int64_t bytes, const std::function<bool()>& cancelled) {
  constexpr std::chrono::milliseconds kPoll{20};
  const MutexLock lock(mutex_);
  for (;;) {
    const auto counted = CountedBytes();
    if (counted == 0 || counted + bytes <= options_.bytes_max) break;
    if (cancelled()) return arrow::Status::Cancelled("The call was cancelled while it waited for its turn to be read");
    clock_.WaitUntil(ended_, mutex_, clock_.Now() + kPoll);
  }
  claims_.push_back({.bytes = bytes, .since = clock_.Now()});
  return Turn(this, std::prev(claims_.end()));
}

void ReadingTurns::Hold(std::list<Claim>::iterator claim, std::int64_t bytes) {
  const MutexLock lock(mutex_);
  claim->bytes = bytes;
  claim->held = true;
}

void ReadingTurns::End(std::list<Claim>::iterator claim) {
  const MutexLock lock(mutex_);
  claims_.erase(claim);
  ended_.NotifyAll();
}

}  // namespace hyprstream::flight
