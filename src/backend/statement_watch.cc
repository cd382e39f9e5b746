#include "backend/statement_watch.h"

#include <algorithm>
#include <utility>

namespace hyprstream::backend {

using std::chrono::milliseconds;

WatchedStatement::WatchedStatement(WatchedCalls calls, milliseconds timeout, const Clock& clock)
    : calls_(std::move(calls)), timeout_(timeout), clock_(clock) {}

void WatchedStatement::Enter() {
  MutexLock lock(mutex_);
  waiting_ = true;
  entered_ = clock_.Now();
}

void WatchedStatement::Leave() {
  MutexLock lock(mutex_);
  if (waiting_) used_ += clock_.Now() - entered_;
  waiting_ = false;
}

WatchedStatement::End WatchedStatement::end() const {
  MutexLock lock(mutex_);
  return end_;
}

void WatchedStatement::Release() {
  MutexLock lock(mutex_);
  released_ = true;
  while (polling_) idle_.Wait(mutex_);
}

bool WatchedStatement::IsOverdue(Clock::TimePoint now) const {
  return waiting_ && used_ + (now - entered_) >= timeout_;
}

bool WatchedStatement::Poll(bool closed) {
  {
    MutexLock lock(mutex_);
    if (released_) return false;
    polling_ = true;  // Release() waits from here on
  }
  const bool cancelled = calls_.cancelled && calls_.cancelled();
  bool cancel = false;
  bool abort = false;
  {
    MutexLock lock(mutex_);
    const auto now = clock_.Now();
    if (end_ == End::kNone) {
      end_ = closed ? End::kClosed : cancelled ? End::kCancelled : IsOverdue(now) ? End::kTimedOut : End::kNone;
      cancel_at_ = now;
      abort_at_ = now + kAbortAfter;
    }
    abort = end_ != End::kNone && now >= abort_at_ && !aborted_ && calls_.abort != nullptr;
    aborted_ = aborted_ || abort;
    cancel = end_ != End::kNone && now >= cancel_at_ && !released_;
    if (cancel) {
      cancel_at_ = now + cancel_pause_;
      cancel_pause_ = std::min(cancel_pause_ * 2, milliseconds{1'000});
    }
  }
  // First: a cancel may itself wait for a database that says nothing.
  if (abort) calls_.abort();
  if (cancel) calls_.cancel();
  MutexLock lock(mutex_);
  polling_ = false;
  idle_.NotifyAll();
  return true;
}

std::shared_ptr<WatchedStatement> StatementWatch::Add(WatchedCalls calls, milliseconds timeout) {
  auto statement = std::make_shared<WatchedStatement>(std::move(calls), timeout, clock_);
  MutexLock lock(mutex_);
  statements_.push_back(statement);
  return statement;
}

void StatementWatch::Poll() {
  std::vector<std::shared_ptr<WatchedStatement>> statements;
  bool closed = false;
  {
    MutexLock lock(mutex_);
    statements = statements_;
    closed = closed_;
  }
  std::vector<const WatchedStatement*> released;
  for (const auto& statement : statements) {
    if (!statement->Poll(closed)) released.push_back(statement.get());
  }
  if (released.empty()) return;
  MutexLock lock(mutex_);
  std::erase_if(statements_,
                [&](const auto& statement) { return std::ranges::find(released, statement.get()) != released.end(); });
}

void StatementWatch::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
}

bool StatementWatch::empty() const {
  MutexLock lock(mutex_);
  return statements_.empty();
}

}  // namespace hyprstream::backend
