// One materialized view kept current: its query, its states, and how raw rows become deltas.
//
// Thread safety: Fold and Touched from any thread with a connection of the caller's; whatever changes the states only
// by the holder of the commit gate.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "aggregate/view_state.h"
#include "commit/commit_path.h"
#include "core/row_changes.h"

namespace hyprstream::commit {

// A view in the registry. `state` is replaced only under the gate.
struct MaintainedView {
  std::shared_ptr<const AggregateQuery> query;
  std::unique_ptr<aggregate::ViewState> state;
  bool filled_from_table = true;  // false: it counts from its creation on
  ViewStatus status = ViewStatus::kReady;
  std::string problem;
};

// What one transaction does to one view.
struct ViewDelta {
  std::shared_ptr<MaintainedView> view;
  std::unique_ptr<aggregate::Delta> delta;      // of inserted rows; null when there are none
  bool recompute = false;                       // rows were changed or deleted
  std::shared_ptr<arrow::RecordBatch> windows;  // which to recompute; null: all
};

// Keys and arguments of raw rows, in query.evaluated_schema; `connection` is idle or in a transaction of its own.
arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> EvaluateRows(
    engine::Connection& connection, const AggregateQuery& query, const std::shared_ptr<arrow::Schema>& schema,
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& rows);

arrow::Result<ViewDelta> FoldChanges(engine::Connection& connection, std::shared_ptr<MaintainedView> view,
                                     const TableChanges& changes);

// Folds the base table's rows as `connection`'s transaction sees them: all of them, or those of `windows`.
arrow::Result<std::unique_ptr<aggregate::Delta>> FoldTable(engine::Connection& connection, const MaintainedView& view,
                                                           const std::shared_ptr<arrow::RecordBatch>& windows);

}  // namespace hyprstream::commit
