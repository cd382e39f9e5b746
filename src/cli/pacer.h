// When rows may be sent, and how many of them together.
//
// Thread safety: one thread. Ownership: the clock outlives the pacer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"

namespace arrow {
class RecordBatch;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::cli {

class Pacer {
 public:
  struct Portion {
    std::int64_t rows;     // at least one
    Clock::TimePoint due;  // not before
  };

  virtual ~Pacer() = default;
  // What goes next of the rows from `row` on, which must be there. The first call starts the pace. Invalid when the
  // batch does not fit it.
  virtual arrow::Result<Portion> Next(const arrow::RecordBatch& batch, std::int64_t row) = 0;
};

// Whole batches, at once.
std::unique_ptr<Pacer> MakeUnboundPacer(const Clock& clock);
// On average so many rows a second, in ten portions a second or one row at a time. A pace that was held up is caught up
// with.
std::unique_ptr<Pacer> MakeRatePacer(double rows_per_second, const Clock& clock);
// The time in `column` (case does not count) runs `speed` times as fast as it did, from the first row on; a portion
// spans a tenth of a second. A row that comes late, or has no time, goes with its neighbours.
std::unique_ptr<Pacer> MakeReplayPacer(double speed, std::string column, const Clock& clock);

}  // namespace hyprstream::cli
