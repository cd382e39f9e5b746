#include "backend/breaker.h"

#include <algorithm>

namespace hyprstream::backend {

using std::chrono::milliseconds;

Breaker::Breaker(BreakerOptions options, const Clock& clock, std::uint64_t seed)
    : options_(options), clock_(clock), random_(seed) {}

Breaker::State Breaker::state() const {
  MutexLock lock(mutex_);
  return state_;
}

milliseconds Breaker::pause() const {
  MutexLock lock(mutex_);
  if (state_ != State::kOpen) return milliseconds{0};
  return std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(probe_at_ - clock_.Now()));
}

bool Breaker::BeginProbe() {
  MutexLock lock(mutex_);
  if (state_ != State::kOpen || clock_.Now() < probe_at_) return false;
  state_ = State::kHalfOpen;
  return true;
}

void Breaker::Succeeded() {
  MutexLock lock(mutex_);
  // What began before it opened says nothing of the database as it is now.
  if (state_ == State::kOpen) return;
  state_ = State::kClosed;
  failures_ = 0;
  time_outs_ = 0;
  openings_ = 0;
}

void Breaker::Failed() {
  MutexLock lock(mutex_);
  ++failures_;
  if (state_ == State::kHalfOpen || (state_ == State::kClosed && failures_ >= options_.failures_max)) OpenLocked();
}

void Breaker::TimedOut() {
  MutexLock lock(mutex_);
  ++time_outs_;
  if (state_ == State::kClosed && time_outs_ >= options_.time_outs_max) OpenLocked();
}

void Breaker::Open() {
  MutexLock lock(mutex_);
  if (state_ != State::kOpen) OpenLocked();
}

void Breaker::OpenLocked() {
  constexpr int kDoublingsMax = 16;
  const auto longest = std::min(options_.pause_most, options_.pause_least * (1 << std::min(openings_, kDoublingsMax)));
  // Between a half and the whole, so that many servers do not come back at one moment.
  std::uniform_int_distribution<std::int64_t> jitter(longest.count() / 2, longest.count());
  state_ = State::kOpen;
  probe_at_ = clock_.Now() + milliseconds{jitter(random_)};
  ++openings_;
  time_outs_ = 0;
}

std::string_view ToString(Breaker::State state) {
  switch (state) {
    case Breaker::State::kClosed:
      return "closed";
    case Breaker::State::kOpen:
      return "open";
    case Breaker::State::kHalfOpen:
      return "half-open";
  }
  return "";
}

}  // namespace hyprstream::backend
