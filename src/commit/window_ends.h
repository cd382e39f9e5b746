// When the windows of one view end, in event time: what lateness, retention and `closed` are decided by. A session is
// named by its end, and ends then.
//
// Thread safety: all methods.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregate/window_start.h"
#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "commit/event_time.h"
#include "commit/time_options.h"
#include "core/aggregate_query.h"
#include "engine/engine.h"

namespace hyprstream::commit {

class WindowEnds {
 public:
  // Null when the view has no windows over its table's event-time column, or ones whose end is not known; then `why`
  // says so, as the end of a sentence. `time_column`: the table's, empty for none.
  static arrow::Result<std::shared_ptr<WindowEnds>> Make(engine::Connection& connection, const AggregateQuery& query,
                                                         const std::string& time_column, std::string& why);

  // Asks DuckDB for the ends of windows that are not all of one length (months, days of a time zone), as far as they
  // are not known yet. Outside the gate, before EndOf.
  arrow::Status Learn(engine::Connection& connection, const std::vector<aggregate::WindowStart>& windows)
      EXCLUDES(mutex_);

  // The first moment that is not in the window (of windows that hop, in the last window that the slice is in);
  // EventTime::max() for the NULL window and for one of infinite time, which never end. A window that was not learnt
  // ends never, too. Where the zone is a column's, it is the latest moment for any zone.
  EventTime EndOf(aggregate::WindowStart window) const EXCLUDES(mutex_);
  // The same for a window that the view may never have had, which need not have been learnt: then it is some days
  // later.
  EventTime LatestEndOf(aggregate::WindowStart window) const EXCLUDES(mutex_);
  // The first moment that may be in the window or slice: EventTime::min() where it is infinite, max() for the NULL
  // window.
  EventTime StartOf(aggregate::WindowStart window) const EXCLUDES(mutex_);
  // The first moment after StartOf that may be in the next window; of windows that hop, in the next slice.
  EventTime NextAfter(aggregate::WindowStart window) const EXCLUDES(mutex_);

 private:
  struct Span {
    EventTime start;
    EventTime end;
  };

  WindowEnds(const AggregateQuery& query, Interval width);
  std::string SpanSql() const;
  std::string SpanOfAnyZoneSql() const;
  EventTime EndOfHopping(std::int64_t start) const;

  const std::shared_ptr<arrow::DataType> type_;  // of the window key
  const std::string time_zone_;
  const std::string own_zone_;  // of the windows, when they have one
  const bool any_zone_;         // it is a column's
  const bool local_;            // the window key is the time there
  const std::optional<WindowSpec> hopping_;
  const Interval width_;
  const bool fixed_;
  mutable Mutex mutex_;
  std::map<std::int64_t, Span> learnt_ GUARDED_BY(mutex_);  // by start
};

}  // namespace hyprstream::commit
