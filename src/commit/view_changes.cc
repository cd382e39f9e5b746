#include "commit/view_changes.h"

#include <algorithm>
#include <utility>

#include "aggregate/view_selection.h"
#include "base/random_handle.h"

namespace hyprstream::commit {

namespace {

// What an entry takes beside its key: the nodes of maps and sets.
constexpr std::int64_t kWindowBytes = 320;
constexpr std::int64_t kGroupBytes = 112;
// Windows that hop: of slices that are in more than these, the windows are not named.
constexpr std::int64_t kOverlapMax = 1000;

std::int64_t BytesOf(const std::map<std::string, Position>& groups) {
  std::int64_t bytes = 0;
  for (const auto& [key, at] : groups) bytes += kGroupBytes + static_cast<std::int64_t>(key.size());
  return bytes;
}

}  // namespace

ViewChanges::ViewChanges(std::shared_ptr<const AggregateQuery> query, std::shared_ptr<WindowEnds> ends,
                         std::function<Position()> position, const Clock& clock, ChangeBounds bounds)
    : query_(std::move(query)),
      // Sessions that are named by their starts have several ends.
      ends_(query_->session_gap && !aggregate::ShowsSessionEnds(*query_) ? nullptr : std::move(ends)),
      position_(std::move(position)),
      clock_(clock),
      bounds_(bounds),
      epoch_(RandomHandle()) {}

bool ViewChanges::kept() const {
  const MutexLock lock(mutex_);
  return kept_;
}

// ---- what commits do

bool ViewChanges::IsClosed(aggregate::WindowStart window) const {
  return ends_ != nullptr && watermark_.has_value() && ends_->EndOf(window) <= *watermark_;
}

void ViewChanges::Merged(const aggregate::ViewState& state, const aggregate::Delta& delta,
                         const std::set<aggregate::WindowStart>& without) {
  if (query_->session_gap) return;
  const MutexLock lock(mutex_);
  if (!kept_) return;
  const Position at = position_().Next();
  std::vector<aggregate::WindowStart> slices;
  for (const auto& rows : delta.Windows()) {
    if (!without.contains(rows.window)) slices.push_back(rows.window);
  }
  const std::int64_t overlap = query_->hopping ? query_->hopping->overlap() : 1;
  if (!groups_kept_ || overlap > kOverlapMax || delta.groups() > bounds_.groups_max / overlap) {
    return NoteAll(WindowsOf(std::move(slices)), at, /*replaced=*/false);
  }
  const auto groups = state.GroupsOf(delta);
  for (const auto& slice : slices) {
    const auto found = groups.find(slice);
    for (const auto& window : aggregate::WindowsOfSlice(*query_, slice)) {
      Note(window, at, /*replaced=*/false, found == groups.end() ? nullptr : &found->second);
    }
  }
  KeepWithinBytes();
}

void ViewChanges::Replaced(const std::vector<aggregate::WindowStart>& slices) {
  if (query_->session_gap) return;
  const MutexLock lock(mutex_);
  if (!kept_ || slices.empty()) return;
  const Position at = position_().Next();
  if (query_->window_key < 0) return Forget(at);
  NoteAll(WindowsOf(slices), at, /*replaced=*/true);
}

void ViewChanges::Gone(aggregate::WindowStart first, aggregate::WindowStart last) {
  const MutexLock lock(mutex_);
  if (!kept_) return;
  if (!query_->hopping) return NoteAll(std::vector{first}, position_().Next(), /*replaced=*/true);
  std::optional<std::vector<aggregate::WindowStart>> windows;
  if ((last.start - first.start) / query_->hopping->slide < WindowsMax()) {
    windows.emplace();
    for (auto start = first.start; start <= last.start; start += query_->hopping->slide) {
      windows->push_back({.start = start});
    }
  }
  NoteAll(windows, position_().Next(), /*replaced=*/true);
}

std::int64_t ViewChanges::WindowsMax() const { return bounds_.bytes_max / kWindowBytes; }

// Slices next to one another are mostly in the same windows.
std::optional<std::vector<aggregate::WindowStart>> ViewChanges::WindowsOf(
    std::vector<aggregate::WindowStart> slices) const {
  if (!query_->hopping) return slices;
  if (query_->hopping->overlap() > kOverlapMax) return std::nullopt;
  std::ranges::sort(slices);
  std::vector<aggregate::WindowStart> windows;
  for (const auto& slice : slices) {
    for (const auto& window : aggregate::WindowsOfSlice(*query_, slice)) {
      if (windows.empty() || windows.back() < window) windows.push_back(window);
    }
    if (std::ssize(windows) > WindowsMax()) return std::nullopt;
  }
  return windows;
}

void ViewChanges::NoteAll(const std::optional<std::vector<aggregate::WindowStart>>& windows, Position at,
                          bool replaced) {
  if (!windows.has_value()) return Forget(at);
  for (const auto& window : *windows) Note(window, at, replaced, nullptr);
  KeepWithinBytes();
}

void ViewChanges::ReplacedAll() {
  const MutexLock lock(mutex_);
  if (kept_) Forget(position_().Next());
}

void ViewChanges::Rewritten() {
  const MutexLock lock(mutex_);
  rewritten_ = true;
}

// A session that rows extend or join gets another name: what had the old one is replaced, too.
void ViewChanges::NoteSessions(Position at, aggregate::ViewState& state) {
  auto version = state.Pin();
  if (published_version_ != nullptr && published_version_ != version) {
    for (const auto& session : aggregate::ChangedSessions(*published_version_, *version, rewritten_)) {
      Note(session, at, /*replaced=*/true, nullptr);
    }
    KeepWithinBytes();
  }
  published_version_ = std::move(version);
  rewritten_ = false;
}

void ViewChanges::Note(aggregate::WindowStart window, Position at, bool replaced,
                       const std::vector<std::string>* groups) {
  const auto [found, is_new] = windows_.try_emplace(window);
  auto& entry = found->second;
  if (is_new) {
    bytes_ += kWindowBytes;
  } else {
    by_change_.erase({entry.changed.lsn(), window});
  }
  entry.changed = at;
  by_change_.emplace(at.lsn(), window);
  if (replaced) entry.replaced = at;
  if (groups == nullptr) {
    ForgetGroups(entry);
  } else {
    for (const auto& key : *groups) {
      if (!entry.groups.insert_or_assign(key, at).second) continue;
      bytes_ += kGroupBytes + static_cast<std::int64_t>(key.size());
      group_bytes_ += kGroupBytes + static_cast<std::int64_t>(key.size());
    }
  }
  last_change_ = at;
  if (IsClosed(window)) {
    entry.corrected = last_of_closed_ = at;
  } else if (ends_ != nullptr) {
    next_close_ = std::min(next_close_, ends_->EndOf(window));
  }
}

// From now on the window has changed as a whole.
void ViewChanges::ForgetGroups(Window& window) {
  const auto bytes = BytesOf(window.groups);
  bytes_ -= bytes;
  group_bytes_ -= bytes;
  window.groups.clear();
  window.whole = window.changed;
}

void ViewChanges::Forget(Position at) {
  windows_.clear();
  by_change_.clear();
  bytes_ = group_bytes_ = 0;
  floor_ = last_change_ = last_of_closed_ = at;
  next_close_ = EventTime::min();  // not known
}

void ViewChanges::KeepWithinBytes() {
  if (bytes_ <= bounds_.bytes_max) return;
  if (group_bytes_ > 0) {
    for (auto& [start, window] : windows_) {
      if (!window.groups.empty()) ForgetGroups(window);
    }
  }
  if (bytes_ <= bounds_.bytes_max) return;
  while (!by_change_.empty() && bytes_ > bounds_.bytes_max / 4 * 3) {  // some at once
    const auto [at, window] = *by_change_.begin();
    by_change_.erase(by_change_.begin());
    windows_.erase(window);
    bytes_ -= kWindowBytes;
    floor_ = Position(std::max(floor_.lsn(), at));
  }
}

bool ViewChanges::Closes(std::optional<EventTime> watermark) const {
  const MutexLock lock(mutex_);
  return kept_ && watermark.has_value() && *watermark >= next_close_;
}

void ViewChanges::Publish(Position at, std::optional<EventTime> watermark, aggregate::ViewState& state) {
  const MutexLock lock(mutex_);
  if (!kept_) return;
  if (places_ == 0 && clock_.Now() - left_at_ > bounds_.kept_for) {
    Forget(at);
    kept_ = groups_kept_ = false;
    published_version_.reset();
    return;
  }
  if (query_->session_gap) NoteSessions(at, state);
  const bool reopened = watermark < watermark_;  // the view has got more lateness
  if (reopened) reopened_ = at;
  published_ = at;
  watermark_ = watermark;
  if (watermark.has_value() && *watermark >= next_close_) {
    last_of_closed_ = at;
    FindNextClose(state);
  } else if (reopened) {
    FindNextClose(state);
  }
  changed_.NotifyAll();
}

void ViewChanges::FindNextClose(aggregate::ViewState& state) {
  next_close_ = EventTime::max();
  if (ends_ == nullptr) return;
  aggregate::WindowsFromLast(*state.Pin(), [&](aggregate::WindowStart window) REQUIRES(mutex_) {
    const auto end = ends_->EndOf(window);
    if (end == EventTime::max()) return true;
    if (watermark_.has_value() && end <= *watermark_) return false;
    next_close_ = end;
    return true;
  });
}

void ViewChanges::End(const std::string& why) {
  const MutexLock lock(mutex_);
  ended_ = why;
  changed_.NotifyAll();
}

// ---- subscribers

std::unique_ptr<ViewChanges::Place> ViewChanges::Join(Place place, std::optional<EventTime> watermark,
                                                      aggregate::ViewState& state) {
  const MutexLock lock(mutex_);
  if (!kept_) {
    kept_ = true;
    if (query_->session_gap) published_version_ = state.Pin();
    floor_ = published_ = position_();
    last_change_ = last_of_closed_ = Position();
    watermark_ = watermark;
    FindNextClose(state);
  }
  ++places_;
  groups_kept_ |= place.by_group;
  return std::make_unique<Place>(std::move(place));
}

void ViewChanges::Leave(const Place&) {
  const MutexLock lock(mutex_);
  --places_;
  left_at_ = clock_.Now();
}

bool ViewChanges::Knows(const Place& place) const {
  const auto& cursor = place.cursor;
  if (!kept_ || cursor.epoch != epoch_ || cursor.position < floor_) return false;
  return !place.on_close || cursor.position >= reopened_;
}

bool ViewChanges::IsDue(const Place& place) const {
  if (!Knows(place)) return true;
  return (place.on_close ? last_of_closed_ : last_change_) > place.cursor.position;
}

ViewChanges::Awaited ViewChanges::Await(Place& place, Clock::TimePoint deadline) {
  const MutexLock lock(mutex_);
  for (;;) {
    if (!place.stopped.empty() || !ended_.empty()) return Awaited::kStopped;
    const bool is_due = IsDue(place);
    const auto now = clock_.Now();
    if (is_due && now >= place.not_before) return Awaited::kDue;
    if (!is_due && place.cursor.position < published_) {
      place.cursor.position = published_;
      place.cursor.watermark = watermark_;
    }
    if (now >= deadline) return Awaited::kNotYet;
    clock_.WaitUntil(changed_, mutex_, is_due ? std::min(deadline, place.not_before) : deadline);
  }
}

void ViewChanges::Stop(Place& place, const std::string& why) {
  const MutexLock lock(mutex_);
  if (place.stopped.empty()) place.stopped = why;
  changed_.NotifyAll();
}

std::string ViewChanges::WhyStopped(const Place& place) const {
  const MutexLock lock(mutex_);
  return place.stopped.empty() ? ended_ : place.stopped;
}

void ViewChanges::MoveTo(Place& place, ChangeCursor cursor) {
  const MutexLock lock(mutex_);
  place.cursor = std::move(cursor);
}

ChangeCursor ViewChanges::CursorOf(const Place& place) const {
  const MutexLock lock(mutex_);
  return place.cursor;
}

std::optional<std::map<aggregate::WindowStart, WindowChange>> ViewChanges::Since(const Place& place) const {
  const MutexLock lock(mutex_);
  if (!Knows(place)) return std::nullopt;
  const auto since = place.cursor.position;
  std::map<aggregate::WindowStart, WindowChange> changes;
  const auto first = by_change_.upper_bound({since.lsn(), {.is_null = true, .start = INT64_MAX}});
  for (auto at = first; at != by_change_.end(); ++at) {
    const auto& window = windows_.at(at->second);
    auto& change = changes[at->second];
    change.replaced = window.replaced > since;
    change.corrected = window.corrected > since;
    if (!place.by_group || window.whole > since) continue;
    change.groups.emplace();
    for (const auto& [key, changed] : window.groups) {
      if (changed > since) change.groups->push_back(key);
    }
  }
  return changes;
}

std::int64_t ViewChanges::LagOf(const Place& place) const {
  const MutexLock lock(mutex_);
  const auto last = (place.on_close ? last_of_closed_ : last_change_).lsn();
  const auto told = place.cursor.position.lsn();
  return last > told ? static_cast<std::int64_t>(last - told) : 0;
}

std::int64_t ViewChanges::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace hyprstream::commit
