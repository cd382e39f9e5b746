// How far an ingest has come, for the person who waits: a bar on a terminal, else a line now and then.
//
// Thread safety: all methods, from any thread; lines never mix. Ownership: the clock outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"

namespace hyprstream::cli {

struct IngestProgressOptions {
  bool terminal = false;
  bool quiet = false;                           // only Say() is shown
  std::function<void(std::string_view)> write;  // to the screen
};

class IngestProgress {
 public:
  IngestProgress(IngestProgressOptions options, const Clock& clock);

  // Rows accepted so far, and how much of the input that is about (below 0: nobody knows). Shown ten times a second on
  // a terminal, else every ten seconds.
  void Show(std::int64_t rows, double fraction);
  // A line that stays, above the bar.
  void Say(const std::string& line);
  // Takes the bar away.
  void Finish();
  double seconds() const;  // since it was made

 private:
  void Write(const std::string& text) const REQUIRES(mutex_);

  const IngestProgressOptions options_;
  const Clock& clock_;
  const Clock::TimePoint start_;
  mutable Mutex mutex_;
  Clock::TimePoint next_ GUARDED_BY(mutex_);
  std::string bar_ GUARDED_BY(mutex_);  // on the screen
};

// `1,234,567`
std::string Grouped(std::int64_t number);
// `221,563 rows/s`; empty when no time has passed.
std::string RowRate(std::int64_t rows, double seconds);

}  // namespace hyprstream::cli
