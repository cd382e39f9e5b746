#include "base/batch_read_ahead.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <exception>
#include <new>
#include <utility>

#include "base/batch_bytes.h"

namespace hyprstream {

namespace {

constexpr std::chrono::milliseconds kInterruptAgain{2};

arrow::Result<BatchReadAhead::Batch> NextOf(const BatchReadAhead::Source& source) {
  try {
    return source.next();
  } catch (const std::bad_alloc&) {
    return arrow::Status::OutOfMemory("Out of memory while reading the next batch");
  } catch (const std::exception& error) {
    return arrow::Status::UnknownError("Reading the next batch failed: ", error.what());
  }
}

}  // namespace

BatchReadAhead::BatchReadAhead(Source source, std::int64_t bytes_max)
    : source_(std::move(source)), queue_(bytes_max), thread_([this] { Run(); }) {}

BatchReadAhead::~BatchReadAhead() {
  queue_.Close();
  while (source_.interrupt && !EndsWithin(kInterruptAgain)) source_.interrupt();
  thread_.join();
}

bool BatchReadAhead::EndsWithin(std::chrono::milliseconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  const MutexLock lock(mutex_);
  while (!ended_) {
    if (!ended_changed_.WaitUntil(mutex_, deadline)) break;
  }
  return ended_;
}

arrow::Result<BatchReadAhead::Batch> BatchReadAhead::Pop() {
  if (auto batch = queue_.Pop()) return *std::move(batch);
  const MutexLock lock(mutex_);
  return end_ != nullptr ? *end_ : arrow::Result<Batch>(Batch());
}

BatchReadAhead::Batch BatchReadAhead::TryPop() { return queue_.TryPop().value_or(nullptr); }

void BatchReadAhead::Run() {
  arrow::Result<Batch> next;
  for (;;) {
    next = NextOf(source_);
    if (!next.ok() || *next == nullptr) break;
    const auto bytes = BatchBytes(**next);
    if (!queue_.Push(*std::move(next), bytes)) {
      next = Batch();
      break;
    }
  }
  {
    const MutexLock lock(mutex_);
    ended_ = true;
    end_ = std::make_shared<const arrow::Result<Batch>>(std::move(next));
    ended_changed_.NotifyAll();
  }
  queue_.Close();
}

}  // namespace hyprstream
