// What has changed in a view lately: what each of its subscribers still has to be told.
//
// Nothing is queued for anybody. Of a window, and of a group where somebody asks for groups, only the position of its
// last change is kept, so that whoever is behind is told the latest state, once. It stays within bytes_max: beyond it
// groups are forgotten first (their windows then count as changed whole), then the windows that changed longest ago,
// and whoever is behind those is told everything anew. Nothing is kept until the first subscriber comes, nor when the
// last has been gone for kept_for.
//
// Thread safety: all methods. What notes changes is called by the holder of the commit gate; Since and Join under the
// gate, shared.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/view_state.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "commit/event_time.h"
#include "commit/window_ends.h"
#include "core/position.h"

namespace hyprstream::commit {

struct ChangeBounds {
  std::int64_t bytes_max = 16LL << 20;  // of one view
  std::chrono::seconds kept_for{3600};
  std::int64_t groups_max = 4096;  // of one commit, in all their windows; of more, windows are remembered whole
};

// How far a subscriber has been told.
struct ChangeCursor {
  std::string epoch;                        // of the ViewChanges that it belongs to; empty: nothing was told
  Position position;                        // all changes up to it
  std::optional<EventTime> watermark = {};  // as it was there

  friend bool operator==(const ChangeCursor&, const ChangeCursor&) = default;
};

struct WindowChange {
  bool replaced = false;                                // rows of it may be gone
  bool corrected = false;                               // it was closed when rows came
  std::optional<std::vector<std::string>> groups = {};  // row keys (ViewState::GroupsOf); none: all of it
};

class ViewChanges {
 public:
  // A subscriber's place; its owner hands it to one call at a time but for Stop(). Leave() it in the end.
  struct Place {
    bool on_close = false;
    bool by_group = false;
    ChangeCursor cursor;
    Clock::TimePoint not_before = {};  // nothing is due before
    std::string stopped = {};          // why; guarded by the ViewChanges' mutex
  };
  enum class Awaited { kDue, kNotYet, kStopped };

  // `position` is the commit path's and `ends` may be null: no window ever closes. The clock outlives it.
  ViewChanges(std::shared_ptr<const AggregateQuery> query, std::shared_ptr<WindowEnds> ends,
              std::function<Position()> position, const Clock& clock, ChangeBounds bounds = {});

  // Does anybody want to know?
  bool kept() const EXCLUDES(mutex_);

  // ---- what commits do
  void Merged(const aggregate::ViewState& state, const aggregate::Delta& delta,
              const std::set<aggregate::WindowStart>& without) EXCLUDES(mutex_);
  // Slices that were computed again.
  void Replaced(const std::vector<aggregate::WindowStart>& slices) EXCLUDES(mutex_);
  // Windows that have expired, which follow one another.
  void Gone(aggregate::WindowStart first, aggregate::WindowStart last) EXCLUDES(mutex_);
  void ReplacedAll() EXCLUDES(mutex_);
  // Does a window close by this watermark that somebody waits for? Then it is published at a position of its own.
  bool Closes(std::optional<EventTime> watermark) const EXCLUDES(mutex_);
  // Of a view over sessions, which are compared when the commit is published: rows were changed or deleted.
  void Rewritten() EXCLUDES(mutex_);
  // The commit is whole, its position taken: whom it concerns is woken.
  void Publish(Position at, std::optional<EventTime> watermark, aggregate::ViewState& state) EXCLUDES(mutex_);
  // The view is no more, or cannot be read: all are stopped, and those that come.
  void End(const std::string& why) EXCLUDES(mutex_);

  // ---- subscribers
  // The place of one that comes. Whose cursor is not known any more, or says nothing, is told everything.
  std::unique_ptr<Place> Join(Place place, std::optional<EventTime> watermark, aggregate::ViewState& state)
      EXCLUDES(mutex_);
  void Leave(const Place& place) EXCLUDES(mutex_);
  // Waits until there may be something to tell, at most until `deadline`. Meanwhile the place moves on where there was
  // nothing.
  Awaited Await(Place& place, Clock::TimePoint deadline) EXCLUDES(mutex_);
  void Stop(Place& place, const std::string& why) EXCLUDES(mutex_);
  std::string WhyStopped(const Place& place) const EXCLUDES(mutex_);
  void MoveTo(Place& place, ChangeCursor cursor) EXCLUDES(mutex_);
  ChangeCursor CursorOf(const Place& place) const EXCLUDES(mutex_);
  // What has changed since the place's cursor, by window; nullopt: that is not known any more.
  std::optional<std::map<aggregate::WindowStart, WindowChange>> Since(const Place& place) const EXCLUDES(mutex_);
  // How many positions the place is behind the view's last change, and what all that is remembered takes.
  std::int64_t LagOf(const Place& place) const EXCLUDES(mutex_);
  std::int64_t bytes() const EXCLUDES(mutex_);
  const std::string& epoch() const { return epoch_; }

 private:
  struct Window {
    Position changed;  // in whatever way
    Position whole;    // other than by `groups`
    Position replaced;
    Position corrected;
    std::map<std::string, Position> groups = {};
  };

  // The windows that the slices are in, each once; nullopt: more than can be remembered.
  std::optional<std::vector<aggregate::WindowStart>> WindowsOf(std::vector<aggregate::WindowStart> slices) const;
  std::int64_t WindowsMax() const;  // that can be remembered
  bool IsClosed(aggregate::WindowStart window) const REQUIRES(mutex_);
  void Note(aggregate::WindowStart window, Position at, bool replaced, const std::vector<std::string>* groups)
      REQUIRES(mutex_);
  void NoteSessions(Position at, aggregate::ViewState& state) REQUIRES(mutex_);
  void NoteAll(const std::optional<std::vector<aggregate::WindowStart>>& windows, Position at, bool replaced)
      REQUIRES(mutex_);
  void Forget(Position at) REQUIRES(mutex_);
  void KeepWithinBytes() REQUIRES(mutex_);
  void ForgetGroups(Window& window) REQUIRES(mutex_);
  void FindNextClose(aggregate::ViewState& state) REQUIRES(mutex_);
  bool Knows(const Place& place) const REQUIRES(mutex_);
  bool IsDue(const Place& place) const REQUIRES(mutex_);

  const std::shared_ptr<const AggregateQuery> query_;
  const std::shared_ptr<WindowEnds> ends_;
  const std::function<Position()> position_;
  const Clock& clock_;
  const ChangeBounds bounds_;
  const std::string epoch_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool kept_ GUARDED_BY(mutex_) = false;  // are changes kept at all?
  int places_ GUARDED_BY(mutex_) = 0;
  bool groups_kept_ GUARDED_BY(mutex_) = false;
  Clock::TimePoint left_at_ GUARDED_BY(mutex_) = {};
  std::string ended_ GUARDED_BY(mutex_);

  Position floor_ GUARDED_BY(mutex_);      // changes up to it may be forgotten
  Position reopened_ GUARDED_BY(mutex_);   // what was closed before it may be open again
  Position published_ GUARDED_BY(mutex_);  // all changes up to it are in
  Position last_change_ GUARDED_BY(mutex_);
  Position last_of_closed_ GUARDED_BY(mutex_);  // the last time that a window closed, or a closed one changed
  std::optional<EventTime> watermark_ GUARDED_BY(mutex_);
  EventTime next_close_ GUARDED_BY(mutex_) = EventTime::max();  // the next watermark that closes a window
  std::map<aggregate::WindowStart, Window> windows_ GUARDED_BY(mutex_);
  std::set<std::pair<std::uint64_t, aggregate::WindowStart>> by_change_ GUARDED_BY(mutex_);
  std::shared_ptr<const aggregate::ViewVersion> published_version_ GUARDED_BY(mutex_);  // of a view over sessions
  bool rewritten_ GUARDED_BY(mutex_) = false;                                           // since then
  std::int64_t bytes_ GUARDED_BY(mutex_) = 0;
  std::int64_t group_bytes_ GUARDED_BY(mutex_) = 0;  // of them, of groups
};

}  // namespace hyprstream::commit
