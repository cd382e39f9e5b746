#include "session/open_subscriptions.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>

namespace hyprstream::session {

namespace {
constexpr std::chrono::milliseconds kTurnPoll{100};
constexpr std::chrono::milliseconds kStallPollMin{1};
constexpr std::chrono::milliseconds kStallPollMax{5000};
}  // namespace

OpenSubscriptions::Place::~Place() {
  const MutexLock lock(all_.mutex_);
  --all_.places_;
}

arrow::Result<std::unique_ptr<OpenSubscriptions::Place>> OpenSubscriptions::TakePlace() {
  const MutexLock lock(mutex_);
  if (!closing_.empty()) return arrow::Status::Cancelled(closing_);
  if (places_ >= subscriptions_max_) {
    return arrow::Status::CapacityError("The server has ", places_,
                                        " subscriptions (subscriptions_max); end some, or try again later");
  }
  if (!timed_) {
    timed_ = true;
    stall_timer_.Start("stall-watch", std::clamp(stall_max_ / 6, kStallPollMin, kStallPollMax),
                       [this] { EndStalled(); });
  }
  ++places_;
  return std::make_unique<Place>(*this);
}

void OpenSubscriptions::Add(OpenSubscription& subscription, const void* owner) {
  const MutexLock lock(mutex_);
  entries_.push_back({.subscription = &subscription, .owner = owner});
  if (!closing_.empty()) subscription.Stop(closing_);
}

void OpenSubscriptions::Remove(OpenSubscription& subscription) {
  const MutexLock lock(mutex_);
  entries_.remove_if([&](const Entry& entry) { return entry.subscription == &subscription; });
}

void OpenSubscriptions::Count(const SubscriptionTotals& more) {
  const MutexLock lock(totals_mutex_);
  totals_.messages += more.messages;
  totals_.rows += more.rows;
  totals_.resets += more.resets;
  totals_.stalled += more.stalled;
}

SubscriptionTotals OpenSubscriptions::Totals() const {
  const MutexLock lock(totals_mutex_);
  return totals_;
}

void OpenSubscriptions::StopOwned(const void* owner, const std::string& why) {
  const MutexLock lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry.owner == owner) entry.subscription->Stop(why);
  }
}

void OpenSubscriptions::StopAll(const std::string& why) {
  const MutexLock lock(mutex_);
  closing_ = why;
  for (const auto& entry : entries_) entry.subscription->Stop(why);
}

void OpenSubscriptions::EndStalled() {
  const MutexLock lock(mutex_);
  for (const auto& entry : entries_) entry.subscription->EndIfStalled();
}

std::vector<SubscriptionInfo> OpenSubscriptions::Infos() const {
  const MutexLock lock(mutex_);
  std::vector<SubscriptionInfo> infos;
  for (const auto& entry : entries_) infos.push_back(entry.subscription->Info());
  return infos;
}

int OpenSubscriptions::NextNumber() {
  const MutexLock lock(mutex_);
  return ++made_;
}

OpenSubscriptions::Turn::~Turn() {
  const MutexLock lock(all_->turn_mutex_);
  --all_->ReadersOf(reading_);
  all_->turn_free_.NotifyAll();
}

std::unique_ptr<OpenSubscriptions::Turn> OpenSubscriptions::TakeTurn(Reading reading,
                                                                     const std::function<bool()>& stopped) {
  const int most = reading == Reading::kHeld ? kReadersMax : kStreamsMax;
  for (;;) {
    if (stopped()) return nullptr;
    const MutexLock lock(turn_mutex_);
    if (ReadersOf(reading) >= most) turn_free_.WaitUntil(turn_mutex_, std::chrono::steady_clock::now() + kTurnPoll);
    if (ReadersOf(reading) >= most) continue;
    ++ReadersOf(reading);
    return std::make_unique<Turn>(*this, reading);
  }
}

}  // namespace hyprstream::session
