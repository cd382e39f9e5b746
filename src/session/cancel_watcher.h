// Stops statements whose caller has gone: polls every watched call and interrupts its connection.
//
// Thread safety: all methods. Ownership: joins its thread ("cancel-watch") when destroyed; watches must have ended.
#pragma once

#include <map>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "core/request_context.h"
#include "engine/connection.h"

namespace hyprstream::session {

class CancelWatcher {
 public:
  CancelWatcher();
  ~CancelWatcher();
  CancelWatcher(const CancelWatcher&) = delete;
  CancelWatcher& operator=(const CancelWatcher&) = delete;

  // While it lives, `connection` is interrupted as soon as the call is cancelled, or Stop() was called, and again until
  // the watch ends: an interrupt that comes between two statements is lost.
  class Watch {
   public:
    ~Watch();
    void Stop();           // from any thread
    bool stopped() const;  // by Stop() or by its caller's going

   private:
    friend class CancelWatcher;
    Watch(CancelWatcher& watcher, const RequestContext& context, engine::Connection& connection)
        : watcher_(watcher), context_(context), connection_(connection) {}
    CancelWatcher& watcher_;
    const RequestContext& context_;
    engine::Connection& connection_;
  };
  // `context` and `connection` must outlive the watch.
  std::shared_ptr<Watch> Begin(const RequestContext& context, engine::Connection& connection);

 private:
  void Run();

  mutable Mutex mutex_;
  CondVar changed_;
  std::map<const Watch*, bool> watches_ GUARDED_BY(mutex_);  // true: Stop() was called
  bool closing_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hyprstream::session
