// The thread that fills views in the background, one after the other.
//
// Thread safety: all methods. Ownership: whatever the work uses outlives it.
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"
#include "base/thread_annotations.h"

namespace hyprstream::commit {

class ViewFiller {
 public:
  // Asks whether it is to end early.
  using Work = std::function<void(const std::function<bool()>& stopped)>;

  ViewFiller() = default;
  ~ViewFiller() { Stop(); }
  ViewFiller(const ViewFiller&) = delete;
  ViewFiller& operator=(const ViewFiller&) = delete;

  // Starts the thread with the first work. Nothing once it has been stopped.
  void Add(Work work) EXCLUDES(mutex_);
  // Ends the work that has begun early, forgets the rest and waits. Any number of times.
  void Stop() EXCLUDES(mutex_);

 private:
  void Run() EXCLUDES(mutex_);
  bool stopped() const EXCLUDES(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Work> waiting_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hyprstream::commit
