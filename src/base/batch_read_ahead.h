// Record batches read on a thread of its own, ahead of who uses them, so that reading and using overlap.
//
// Full behaviour: the thread waits when `bytes_max` are read and not taken; it holds one batch more in its hand.
// Thread safety: Pop and TryPop by one thread at a time.
// Ownership: joins its thread ("read-ahead") when destroyed; what the source refers to must outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "base/bounded_queue.h"
#include "base/mutex.h"

namespace arrow {
class RecordBatch;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream {

class BatchReadAhead {
 public:
  using Batch = std::shared_ptr<arrow::RecordBatch>;

  struct Source {
    // Called on the thread until it gives null (the end) or an error; what it throws is an error too.
    std::function<arrow::Result<Batch>()> next;
    // Ends a `next` that is under way when nobody wants its batch any more; called until it has returned. Empty: it
    // returns by itself.
    std::function<void()> interrupt;
  };

  BatchReadAhead(Source source, std::int64_t bytes_max);
  ~BatchReadAhead();
  BatchReadAhead(const BatchReadAhead&) = delete;
  BatchReadAhead& operator=(const BatchReadAhead&) = delete;

  // Waits for the next batch; null at the end, the source's error after the batches before it.
  arrow::Result<Batch> Pop();
  // A batch that is there now; null when there is none, at the end and before an error: Pop tells.
  Batch TryPop();

 private:
  void Run();
  bool EndsWithin(std::chrono::milliseconds wait);

  const Source source_;
  BoundedQueue<Batch> queue_;
  Mutex mutex_;
  CondVar ended_changed_;
  bool ended_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<const arrow::Result<Batch>> end_ GUARDED_BY(mutex_);  // null, or why reading ended
  std::thread thread_;                                                  // last: it uses the others
};

}  // namespace hyprstream
