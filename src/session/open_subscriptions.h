// The subscriptions that are open: how many there may be, how many read at once, who is ended and when.
//
// Reading is bounded twice. A few subscribers read at a time (kReadersMax); a delivery that is larger than what is held
// for a subscriber (kHeldBytesMax) is read while it is sent, and keeps states and a connection meanwhile, so fewer do
// that (kStreamsMax), and whoever takes nothing for stall_max is ended: memory does not wait for slow clients.
//
// Thread safety: all methods. Ownership: outlives its entries and turns.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/periodic_timer.h"
#include "base/thread_annotations.h"
#include "core/request_context.h"
#include "session/change_stream.h"

namespace hyprstream::session {

// Why those of a session end with it.
inline constexpr const char* kSessionClosed = "The session was closed; subscribe again with the last resume token";

// What is asked of one that is open; any thread may.
class OpenSubscription {
 public:
  virtual ~OpenSubscription() = default;
  virtual void Stop(const std::string& why) = 0;
  virtual void EndIfStalled() = 0;
  virtual SubscriptionInfo Info() const = 0;
};

class OpenSubscriptions {
 public:
  static constexpr int kReadersMax = 16;
  static constexpr int kStreamsMax = 16;
  static constexpr std::int64_t kHeldBytesMax = 4 << 20;

  OpenSubscriptions(int subscriptions_max, std::chrono::milliseconds stall_max)
      : subscriptions_max_(subscriptions_max), stall_max_(stall_max) {}
  OpenSubscriptions(const OpenSubscriptions&) = delete;
  OpenSubscriptions& operator=(const OpenSubscriptions&) = delete;

  // A place among subscriptions_max, given back when it is dropped.
  class Place {
   public:
    explicit Place(OpenSubscriptions& all) : all_(all) {}
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    OpenSubscriptions& all_;
  };
  // CapacityError when all are taken, Cancelled when the server is shutting down.
  arrow::Result<std::unique_ptr<Place>> TakePlace() EXCLUDES(mutex_);

  std::chrono::milliseconds stall_max() const { return stall_max_; }

  void Add(OpenSubscription& subscription, const void* owner) EXCLUDES(mutex_);
  void Remove(OpenSubscription& subscription) EXCLUDES(mutex_);
  void StopOwned(const void* owner, const std::string& why) EXCLUDES(mutex_);
  // And those that come.
  void StopAll(const std::string& why) EXCLUDES(mutex_);
  std::vector<SubscriptionInfo> Infos() const EXCLUDES(mutex_);
  int NextNumber() EXCLUDES(mutex_);
  // Adds to the totals.
  void Count(const SubscriptionTotals& more) EXCLUDES(totals_mutex_);
  SubscriptionTotals Totals() const EXCLUDES(totals_mutex_);

  enum class Reading { kHeld, kStreamed };
  // One of those that read; given back when it is dropped.
  class Turn {
   public:
    Turn(OpenSubscriptions& all, Reading reading) : all_(&all), reading_(reading) {}
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    OpenSubscriptions* all_;
    Reading reading_;
  };
  // Waits; null when `stopped` says so, which is asked a few times a second.
  std::unique_ptr<Turn> TakeTurn(Reading reading, const std::function<bool()>& stopped) EXCLUDES(turn_mutex_);

 private:
  struct Entry {
    OpenSubscription* subscription;
    const void* owner;
  };
  int& ReadersOf(Reading reading) REQUIRES(turn_mutex_) { return reading == Reading::kHeld ? readers_ : streams_; }
  void EndStalled() EXCLUDES(mutex_);

  const int subscriptions_max_;
  const std::chrono::milliseconds stall_max_;
  const SystemClock clock_;
  mutable Mutex mutex_;
  mutable Mutex totals_mutex_;  // apart: an entry is ended under the other one
  std::list<Entry> entries_ GUARDED_BY(mutex_);
  int places_ GUARDED_BY(mutex_) = 0;
  int made_ GUARDED_BY(mutex_) = 0;
  SubscriptionTotals totals_ GUARDED_BY(totals_mutex_);
  bool timed_ GUARDED_BY(mutex_) = false;
  std::string closing_ GUARDED_BY(mutex_);
  Mutex turn_mutex_;  // apart: turns are given back while an entry is ended
  CondVar turn_free_;
  int readers_ GUARDED_BY(turn_mutex_) = 0;
  int streams_ GUARDED_BY(turn_mutex_) = 0;
  PeriodicTimer stall_timer_{clock_};  // last: it uses the rest
};

}  // namespace hyprstream::session
