// One materialized view kept current: its query, its states, and how raw rows become deltas.
//
// Thread safety: Fold and Touched from any thread with a connection of the caller's; whatever changes the states only
// by the holder of the commit gate.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "aggregate/view_state.h"
#include "commit/commit_path.h"
#include "commit/late_rows.h"
#include "commit/view_changes.h"
#include "commit/window_ends.h"
#include "core/row_changes.h"

namespace hyprstream::commit {

// A view in the registry. But for `query`, and `state` while it is being filled, changed only under the gate.
struct MaintainedView {
  std::shared_ptr<const AggregateQuery> query;
  std::unique_ptr<aggregate::ViewState> state;
  ViewOptions options = {};
  std::shared_ptr<WindowEnds> ends = nullptr;  // null: no row of it is ever late, no window expires
  LateRows late = {};
  std::shared_ptr<ViewChanges> changes = nullptr;  // null while it is only tried out
  Position since = {};                             // what published it; before it is published nobody asks
  // Its CREATE has not committed; nobody but its transaction knows it. Looked at outside the gate, too.
  std::atomic<bool> filling = false;
  bool partial = false;  // it was made without the rows that its table had
  bool refill = false;   // it must be filled again when its CREATE commits
  // Of one that is being filled: windows (or keys of sessions) whose rows changed meanwhile, and what it could not
  // take.
  std::vector<std::shared_ptr<arrow::RecordBatch>> touched = {};
  std::string fill_problem = {};
  bool background = false;              // it is filled after its CREATE has committed
  std::atomic<bool> abandoned = false;  // dropped or replaced, or could not be filled: rows are nothing to it
  std::atomic<std::int64_t> rows_filled = 0, rows_to_fill = 0;
  // States of other servers are part of it.
  bool merged = false;
  std::set<aggregate::WindowStart> merged_windows = {};
  // Does it have every row that its table has? Only then rows can be taken out of it. Looked at outside the gate, too.
  std::atomic<bool> has_all = true;
  ViewStatus status = ViewStatus::kReady;
  std::string problem;
  // The view whose states it was filled from, its table no longer having the rows; without a name: rows.
  TableRef filled_from = {};
  // Where it was filled from rows all the same: up to where its table's were gone. Where from states: up to where its
  // own retention needed none.
  std::optional<EventTime> lost_before = {};

  // Of a view whose windows end.
  aggregate::Expiry ExpiryOf(aggregate::WindowStart window) const {
    const auto end = ends->EndOf(window);
    if (end == EventTime::max()) return aggregate::Expiry::kNever;
    return end > late.expired_to ? aggregate::Expiry::kNotYet : aggregate::Expiry::kExpired;
  }

  void NoteWhatItHas() { has_all = !partial && late.dropped.empty(); }

  void Break(std::string why) {
    status = ViewStatus::kBroken;
    problem = std::move(why);
  }

  // What it cannot take does not refuse those who write.
  void BreakUnfilled(const arrow::Status& why);
};

// What one transaction does to one view.
struct ViewDelta {
  std::shared_ptr<MaintainedView> view;
  std::unique_ptr<aggregate::Delta> delta;      // of inserted rows; null when there are none
  bool recompute = false;                       // rows were changed or deleted
  std::shared_ptr<arrow::RecordBatch> windows;  // which to recompute, or the keys of sessions; null: all
  // The windows as the transaction sees them; right only if nobody else changes the table before it commits. Null: they
  // are to be computed after the commit.
  std::unique_ptr<aggregate::Delta> recomputed = nullptr;
  // Where old images can be taken out of the states: they, and the new ones. Then nothing is recomputed.
  std::unique_ptr<aggregate::Delta> removed = nullptr;
  std::unique_ptr<aggregate::Delta> updated = nullptr;
  std::string unfit = {};  // why a view that is being filled cannot take the rows
  // Of a view whose windows end: where its rows are, new images of changed rows apart.
  std::unique_ptr<aggregate::Delta> changed_rows = nullptr;  // new images of changed rows, of a view over sessions
  std::vector<WindowOfRows> inserted = {};
  std::vector<WindowOfRows> changed = {};
  std::vector<WindowOfRows> touched = {};  // `windows`
  Judgement judgement = {};                // under the gate
};

// `folded`: what the same changes have done to other views. Those of finer windows, when they come first, save folding
// the rows once more.
arrow::Result<ViewDelta> FoldChanges(engine::Connection& connection, std::shared_ptr<MaintainedView> view,
                                     const TableChanges& changes, std::span<const ViewDelta> folded = {});
// The views of a table, finer windows first.
std::vector<std::shared_ptr<MaintainedView>> ViewsOf(const TableRef& table,
                                                     std::vector<std::shared_ptr<MaintainedView>> views);

// So that windows that came by other ways than FoldChanges() can expire.
arrow::Status LearnEnds(engine::Connection& connection, const MaintainedView& view);

struct FoldBounds {
  std::int64_t state_bytes_max = std::numeric_limits<std::int64_t>::max();
  std::function<bool()> stopped = {};                  // asked between batches; empty: never
  std::function<void(std::int64_t rows)> folded = {};  // told of each batch
};

// Folds the base table's rows as `connection`'s transaction sees them: all of them, or those of `windows`. Holds a few
// batches of rows at a time, and the states. CapacityError beyond state_bytes_max, Cancelled when stopped. The
// session's time zone is left as it was.
arrow::Result<std::unique_ptr<aggregate::Delta>> FoldTable(engine::Connection& connection, const MaintainedView& view,
                                                           const std::shared_ptr<arrow::RecordBatch>& windows,
                                                           const FoldBounds& bounds = {});

// The same for the rows that a condition of SQL over the table's columns holds for.
arrow::Result<std::unique_ptr<aggregate::Delta>> FoldRows(engine::Connection& connection, const MaintainedView& view,
                                                          const std::string& condition, const FoldBounds& bounds = {});

// Computes the windows of `touched` again: of a view that nobody reads yet.
arrow::Status RecomputeTouched(engine::Connection& connection, MaintainedView& view);

// What to say when states of `bytes` do not fit into their share.
arrow::Status StatesTooLarge(std::int64_t bytes, std::int64_t bytes_max, const std::string& what_takes_most);

// What DuckDB has committed must reach the view or make it unreadable, also when memory runs out. Without `windows` all
// of them are replaced.
void MergeOrBreak(MaintainedView& view, const aggregate::Delta& delta,
                  const std::set<aggregate::WindowStart>& without = {});
void SubtractOrBreak(MaintainedView& view, const aggregate::Delta& delta);
void ReplaceOrBreak(MaintainedView& view, const std::shared_ptr<arrow::RecordBatch>& windows,
                    const aggregate::Delta& delta);
// Likewise all slices that `among` says yes to, or all when it is empty, by those of another state of the view;
// `windows` are those of both.
void ReplaceAmongOrBreak(MaintainedView& view, const std::function<bool(aggregate::WindowStart)>& among,
                         const std::vector<aggregate::WindowStart>& windows, const aggregate::ViewState& fresh);

}  // namespace hyprstream::commit
