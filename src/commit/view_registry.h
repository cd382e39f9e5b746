// What is committed beside DuckDB: table options, maintained views, and how far each table has come.
//
// Thread safety: all methods. Whatever changes it is called by the holder of the commit gate only, so that what is read
// under the shared gate belongs to one position.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "commit/commit_path.h"
#include "commit/view_catalog.h"
#include "commit/view_maintenance.h"

namespace hyprstream::commit {

using Views = std::vector<std::shared_ptr<MaintainedView>>;

// A view of the file whose definition this version does not take. It can be dropped and replaced.
struct RefusedView {
  StoredView stored;
  std::string problem;
};

class ViewRegistry {
 public:
  // Changes whenever a view comes or goes, also one that is only being filled.
  std::uint64_t version() const EXCLUDES(mutex_);
  Views Published() const EXCLUDES(mutex_);
  // Whose states commits must keep current: those published and those being filled.
  Views Maintained() const EXCLUDES(mutex_);
  bool Contains(const TableRef& view) const EXCLUDES(mutex_);  // published or refused
  std::vector<RefusedView> Refused() const EXCLUDES(mutex_);
  std::shared_ptr<MaintainedView> Find(const TableRef& view) const EXCLUDES(mutex_);  // null: not published
  std::vector<TableRef> ViewsOf(const TableRef& table) const EXCLUDES(mutex_);
  std::vector<std::string> ViewNames() const EXCLUDES(mutex_);

  TableOptions OptionsOf(const TableRef& table) const EXCLUDES(mutex_);
  // Has it accepted rows that it no longer has? Only for tables that keep none.
  bool RowsGone(const TableRef& table) const EXCLUDES(mutex_);
  // The position at which its rows changed last since the server started.
  Position ChangedAt(const TableRef& table) const EXCLUDES(mutex_);
  // The position at which it last lost a column, or had one computed anew; likewise.
  Position AlteredAt(const TableRef& table) const EXCLUDES(mutex_);
  std::vector<TableInfo> Tables() const EXCLUDES(mutex_);
  // The highest event time that counts; nullopt before the first row that has one.
  std::optional<EventTime> MarkOf(const TableRef& table) const EXCLUDES(mutex_);
  // Up to where its retention has deleted rows.
  std::optional<EventTime> RowsBefore(const TableRef& table) const EXCLUDES(mutex_);

  // ---- by the gate's holder
  // From now on every commit is merged into the view's state too, for as long as the view lives.
  void AddFilling(const std::shared_ptr<MaintainedView>& view) EXCLUDES(mutex_);
  void Publish(const std::shared_ptr<MaintainedView>& view) EXCLUDES(mutex_);  // replaces one of the same name
  void AddRefused(RefusedView view) EXCLUDES(mutex_);
  void Remove(const TableRef& view) EXCLUDES(mutex_);
  void SetOptions(TableOptionsMap options) EXCLUDES(mutex_);
  // Of these tables alone: what `options` has of them, or none.
  void ChangeOptions(const std::vector<TableRef>& tables, const TableOptionsMap& options) EXCLUDES(mutex_);
  void SetRowsGone(std::set<TableRef> tables) EXCLUDES(mutex_);
  void AddRows(const TableRef& table, std::int64_t rows, Position at) EXCLUDES(mutex_);
  // Marks only ever rise, and are before EventTime::max(), which is the end of what never ends. `now`: when the table
  // was last heard of.
  void RaiseMark(const TableRef& table, EventTime mark, Clock::TimePoint now) EXCLUDES(mutex_);
  // Marks of tables that have been silent for their idle_timeout follow `wall`. False: none has moved.
  bool FollowClock(Clock::TimePoint now, EventTime wall) EXCLUDES(mutex_);
  void SetProblem(const TableRef& table, std::string problem) EXCLUDES(mutex_);
  void SetRowsBefore(const TableRef& table, EventTime rows_before, Position at) EXCLUDES(mutex_);
  // `redefined` are new, no more, or renamed; what was known of their rows goes. `renamed` (new name, old name) keep
  // it.
  void Redefine(const std::vector<TableRef>& redefined, const std::map<TableRef, TableRef>& renamed) EXCLUDES(mutex_);
  void NoteAltered(const std::vector<TableRef>& tables, Position at) EXCLUDES(mutex_);

 private:
  struct TableProgress {
    std::int64_t rows_accepted = 0;
    Position changed_at;
    std::optional<EventTime> mark = {};
    Clock::TimePoint heard_at = {};  // when its mark last rose by a row, or could have
    std::optional<EventTime> rows_before = {};
    std::string problem = {};
  };

  mutable Mutex mutex_;
  std::uint64_t version_ GUARDED_BY(mutex_) = 1;
  std::map<TableRef, std::shared_ptr<MaintainedView>> views_ GUARDED_BY(mutex_);
  std::map<TableRef, RefusedView> refused_ GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<MaintainedView>> filling_ GUARDED_BY(mutex_);
  TableOptionsMap options_ GUARDED_BY(mutex_);
  std::set<TableRef> rows_gone_ GUARDED_BY(mutex_);
  std::map<TableRef, TableProgress> progress_ GUARDED_BY(mutex_);
  std::map<TableRef, Position> altered_ GUARDED_BY(mutex_);
};

}  // namespace hyprstream::commit
