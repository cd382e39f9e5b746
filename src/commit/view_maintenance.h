// One materialized view kept current: its query, its states, and how raw rows become deltas.
//
// Thread safety: Fold and Touched from any thread with a connection of the caller's; whatever changes the states only
// by the holder of the commit gate.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "aggregate/view_state.h"
#include "commit/commit_path.h"
#include "core/row_changes.h"

namespace hyprstream::commit {

// A view in the registry. But for `query`, and `state` while it is being filled, changed only under the gate.
struct MaintainedView {
  std::shared_ptr<const AggregateQuery> query;
  std::unique_ptr<aggregate::ViewState> state;
  // Its CREATE has not committed; nobody but its transaction knows it. Looked at outside the gate, too.
  std::atomic<bool> filling = false;
  bool refill = false;  // it must be filled again when its CREATE commits
  ViewStatus status = ViewStatus::kReady;
  std::string problem;

  void Break(std::string why) {
    status = ViewStatus::kBroken;
    problem = std::move(why);
  }
};

// What one transaction does to one view.
struct ViewDelta {
  std::shared_ptr<MaintainedView> view;
  std::unique_ptr<aggregate::Delta> delta;      // of inserted rows; null when there are none
  bool recompute = false;                       // rows were changed or deleted
  std::shared_ptr<arrow::RecordBatch> windows;  // which to recompute; null: all
  // The windows as the transaction sees them; right only if nobody else changes the table before it commits. Null: they
  // are to be computed after the commit.
  std::unique_ptr<aggregate::Delta> recomputed = nullptr;
};

// Keys and arguments of raw rows, in query.evaluated_schema; `connection` is idle or in a transaction of its own.
arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> EvaluateRows(
    engine::Connection& connection, const AggregateQuery& query, const std::shared_ptr<arrow::Schema>& schema,
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& rows);

arrow::Result<ViewDelta> FoldChanges(engine::Connection& connection, std::shared_ptr<MaintainedView> view,
                                     const TableChanges& changes);

// Folds the base table's rows as `connection`'s transaction sees them: all of them, or those of `windows`. The
// session's time zone is left as it was.
arrow::Result<std::unique_ptr<aggregate::Delta>> FoldTable(engine::Connection& connection, const MaintainedView& view,
                                                           const std::shared_ptr<arrow::RecordBatch>& windows);

// What DuckDB has committed must reach the view or make it unreadable, also when memory runs out. Without `windows` all
// of them are replaced.
void MergeOrBreak(MaintainedView& view, const aggregate::Delta& delta);
void ReplaceOrBreak(MaintainedView& view, const std::shared_ptr<arrow::RecordBatch>& windows,
                    const aggregate::Delta& delta);

}  // namespace hyprstream::commit
