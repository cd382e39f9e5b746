#include "commit/late_rows.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <sstream>

namespace hyprstream::commit {

LateCounts& LateCounts::operator+=(const LateCounts& other) {
  updated += other.updated;
  dropped += other.dropped;
  rejected += other.rejected;
  expired += other.expired;
  gone += other.gone;
  return *this;
}

void DroppedWindows::Add(aggregate::WindowStart window) {
  if (Contains(window)) return;
  windows_.insert(window);
  if (windows_.size() <= kExactMax) return;
  const auto half = std::next(windows_.begin(), kExactMax / 2);
  before_ = *half;
  windows_.erase(windows_.begin(), half);
}

bool LateRows::empty() const {
  return dropped.empty() && expired_to == EventTime::min() && counts.updated == 0 && counts.dropped == 0 &&
         counts.rejected == 0 && counts.expired == 0 && counts.gone == 0;
}

std::string LateRows::Save() const {
  std::ostringstream text;
  text << "1 " << counts.updated << ' ' << counts.dropped << ' ' << counts.rejected << ' ' << counts.expired << ' '
       << counts.gone << ' ' << expired_to.time_since_epoch().count() << ' ' << (dropped.before_.has_value() ? 1 : 0)
       << ' ' << dropped.before_.value_or(aggregate::WindowStart{}).start;
  for (const auto& window : dropped.windows_) text << ' ' << window.start;
  return text.str();
}

arrow::Result<LateRows> LateRows::Load(const std::string& text) {
  LateRows rows;
  if (text.empty()) return rows;
  std::istringstream in(text);
  int version = 0;
  int has_before = 0;
  std::int64_t expired_to = 0;
  std::int64_t before = 0;
  in >> version >> rows.counts.updated >> rows.counts.dropped >> rows.counts.rejected >> rows.counts.expired >>
      rows.counts.gone >> expired_to >> has_before >> before;
  if (!in || version != 1) return arrow::Status::Invalid("what was saved of its late rows cannot be read");
  rows.expired_to = EventTime(Micros(expired_to));
  if (has_before != 0) rows.dropped.before_ = aggregate::WindowStart{.start = before};
  for (std::int64_t start = 0; in >> start;) rows.dropped.windows_.insert({.start = start});
  return rows;
}

Judgement Judge(const std::vector<WindowOfRows>& inserted, LatePolicy policy, std::optional<EventTime> watermark,
                EventTime expired_to) {
  Judgement judgement;
  for (const auto& rows : inserted) {
    const bool late = watermark.has_value() && rows.end <= *watermark;
    if (late && policy == LatePolicy::kReject) {
      judgement.counts.rejected += rows.rows;
      if (!judgement.refused.has_value()) judgement.refused = rows;
    } else if (rows.end <= expired_to) {
      judgement.counts.expired += rows.rows;
      judgement.left_out.insert(rows.window);
    } else if (late && policy == LatePolicy::kDrop) {
      judgement.counts.dropped += rows.rows;
      judgement.left_out.insert(rows.window);
      judgement.dropped_from.insert(rows.window);
    } else if (late) {
      judgement.counts.updated += rows.rows;
    }
  }
  return judgement;
}

}  // namespace hyprstream::commit
