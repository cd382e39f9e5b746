// What a view's late policy and retention do to the rows of a commit, and what they have done so far.
//
// A row is late when its window is closed: when the window ends at or before the view's watermark as it was before the
// commit. The watermark is the table's high-water mark less the view's lateness. All rows of one commit are judged
// alike.
//
// Thread safety: none of its own; of a view that commits reach, by the holder of the commit gate.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aggregate/view_state.h"
#include "commit/event_time.h"
#include "commit/late_counts.h"
#include "commit/time_options.h"

namespace hyprstream::commit {

// Windows that a view has left rows out of, in bounded memory: of many the oldest are remembered as one stretch.
class DroppedWindows {
 public:
  static constexpr std::size_t kExactMax = 4096;

  void Add(aggregate::WindowStart window);
  // Its rows have all been deleted.
  void Erase(aggregate::WindowStart window) { windows_.erase(window); }
  // Likewise of those that `among` says yes to; a stretch stays.
  void EraseIf(const std::function<bool(aggregate::WindowStart)>& among) { std::erase_if(windows_, among); }
  bool Contains(aggregate::WindowStart window) const {
    return windows_.contains(window) || (before_.has_value() && window < *before_);
  }
  bool empty() const { return windows_.empty() && !before_.has_value(); }

 private:
  friend struct LateRows;
  std::set<aggregate::WindowStart> windows_;
  std::optional<aggregate::WindowStart> before_;  // all of them
};

struct LateRows {
  LateCounts counts;
  DroppedWindows dropped;
  EventTime expired_to = EventTime::min();  // windows that end at or before it are gone, and stay gone

  bool empty() const;
  // One line of text, and back; Invalid when it is none of ours.
  std::string Save() const;
  static arrow::Result<LateRows> Load(const std::string& text);
};

// The rows of one commit in one window of a view.
struct WindowOfRows {
  aggregate::WindowStart window;
  EventTime end;
  std::int64_t rows = 0;
  // Of a view over sessions, where a window is a session of the commit's by its number: the session that it becomes
  // part of.
  std::optional<EventTime> start = std::nullopt;
};

struct Judgement {
  LateCounts counts;
  std::set<aggregate::WindowStart> left_out;      // windows that get none of the commit's rows
  std::set<aggregate::WindowStart> dropped_from;  // those of them by `late`, not by retention
  std::optional<WindowOfRows> refused;            // the first window whose rows refuse the commit
};

// `watermark`: nullopt while the table has no mark.
Judgement Judge(const std::vector<WindowOfRows>& inserted, LatePolicy policy, std::optional<EventTime> watermark,
                EventTime expired_to);

}  // namespace hyprstream::commit
