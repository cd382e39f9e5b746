// Stops statements whose caller has gone, whose session was closed, or that run longer than they may: polls every
// watched call and interrupts its connection. Stops all of them when the process is short of memory: DuckDB's own limit
// does not count the states of all aggregates, nor what a function holds while it works, and nobody knows whose it is.
//
// Thread safety: all methods. Ownership: joins its thread ("cancel-watch") when destroyed; watches must have ended.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "core/request_context.h"
#include "engine/connection.h"

namespace arrow {
class Status;
}

namespace hyprstream::session {

class CancelWatcher {
  enum class Reason { kNone, kCaller, kCancelled, kClosed, kTimeout, kMemory };
  struct Watched {
    const RequestContext* context;
    engine::Connection* connection;
    const void* owner;
    std::chrono::steady_clock::time_point deadline;
    Reason reason = Reason::kNone;
    bool ended = false;  // then neither pointer may be followed
  };

 public:
  // `statement_max`: after which a watched statement is stopped; zero: never. `memory_is_short` is asked ten times a
  // second while there are statements; empty: it never is.
  explicit CancelWatcher(std::chrono::milliseconds statement_max, std::function<bool()> memory_is_short = {});
  ~CancelWatcher();
  CancelWatcher(const CancelWatcher&) = delete;
  CancelWatcher& operator=(const CancelWatcher&) = delete;

  // Names a watch without keeping it: may outlive it.
  using Name = std::weak_ptr<Watched>;

  // While it lives, `connection` is interrupted as soon as there is a reason to, and again until the watch ends: an
  // interrupt that comes between two statements is lost.
  class Watch {
   public:
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    bool stopped() const;
    // `status` as the client should see it: an error of a stopped statement is Cancelled, or OutOfMemory, and says why.
    arrow::Status Explain(arrow::Status status) const;
    Name name() const { return watched_; }

   private:
    friend class CancelWatcher;
    Watch(CancelWatcher& watcher, std::shared_ptr<Watched> watched) : watcher_(watcher), watched_(std::move(watched)) {}
    CancelWatcher& watcher_;
    std::shared_ptr<Watched> watched_;
  };
  // `context` and `connection` must outlive the watch. `owner` is whom StopAll means.
  std::unique_ptr<Watch> Begin(const RequestContext& context, engine::Connection& connection, const void* owner);

  // Stops the statement, from any thread. False when it has ended.
  bool Stop(const Name& name);
  // Stops all statements of an owner that is closing.
  void StopAll(const void* owner);

 private:
  void Run();
  enum class Next { kLook, kNothing, kEnd };
  Next AwaitNext();
  void Look(Watched& watched, std::chrono::steady_clock::time_point now, bool memory_is_short) REQUIRES(mutex_);

  const std::chrono::milliseconds statement_max_;
  const std::function<bool()> memory_is_short_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::list<std::shared_ptr<Watched>> watches_ GUARDED_BY(mutex_);  // and what they point to
  int idle_polls_ GUARDED_BY(mutex_) = 0;
  bool closing_ GUARDED_BY(mutex_) = false;
  bool asleep_ GUARDED_BY(mutex_) = false;  // until it is notified, not for a poll
  std::thread thread_;
};

}  // namespace hyprstream::session
