// INSERT INTO states('view'): states of other servers become part of a view; see commit_path.h for the contract.
//
// The rows behind them are nowhere here. So they are stored beside the view, with the transaction that brings them, and
// its windows that have some can no longer be computed from rows.
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>
#include <vector>

#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

namespace {

// Of one view, before they are put together.
constexpr std::int64_t kMergedStatesMax = 32;

arrow::Status StoreMergedDelta(engine::Connection& connection, const MaintainedView& view,
                               const aggregate::Delta& delta) {
  const auto& ref = view.query->view;
  ARROW_ASSIGN_OR_RAISE(const auto count, CountMergedStates(connection, ref));
  if (count < kMergedStatesMax) {
    ARROW_ASSIGN_OR_RAISE(const auto state, view.state->SerializeDelta(delta));
    return AddMergedState(connection, ref, state);
  }
  const auto together = view.state->MakeEmpty();
  ARROW_ASSIGN_OR_RAISE(const auto stored, LoadMergedStates(connection, ref));
  for (const auto& bytes : stored) {
    ARROW_ASSIGN_OR_RAISE(const auto part, together->RestoreDelta(bytes));
    together->Merge(*part);
  }
  together->Merge(delta);
  ARROW_RETURN_NOT_OK(RemoveMergedStates(connection, ref));
  ARROW_ASSIGN_OR_RAISE(const auto state, together->Serialize());
  return AddMergedState(connection, ref, state);
}

void NoteMerged(MaintainedView& view, const aggregate::Delta& delta) {
  view.merged = true;
  for (const auto& rows : delta.Windows()) view.merged_windows.insert(rows.window);
}

}  // namespace

arrow::Result<std::int64_t> CommitPathImpl::MergeStates(engine::Connection& connection,
                                                        const engine::InsertStates& insert,
                                                        arrow::RecordBatchReader& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto ref, CompleteName(connection, insert.view, insert.schema_given));
  auto ddl = CopyDdl(connection);
  const auto view = FindView(*ddl, ref);
  if (view == nullptr) return UnknownView(ref);
  ARROW_RETURN_NOT_OK(CheckSeen(*ddl, ref));
  if (ddl->created.contains(ref) || view->filling) {
    return arrow::Status::Invalid("Materialized view ", ref.ToString(),
                                  " takes no states before its CREATE has committed and it is filled");
  }
  ARROW_ASSIGN_OR_RAISE(const auto batches, rows.ToRecordBatches());
  std::int64_t count = 0;
  for (const auto& batch : batches) count += batch->num_rows();
  if (count == 0) return 0;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<const aggregate::Delta> delta, view->state->FoldStates(batches));
  if (view->ends != nullptr) {
    std::vector<aggregate::WindowStart> windows;
    for (const auto& window : delta->Windows()) windows.push_back(window.window);
    ARROW_RETURN_NOT_OK(view->ends->Learn(connection, windows));
  }
  if (lasting_) ARROW_RETURN_NOT_OK(StoreMergedDelta(connection, *view, *delta));
  ARROW_RETURN_NOT_OK(StoreMerged(connection, view->query->view));
  ddl->merged.emplace(ref, MergedStates{.view = view, .delta = std::move(delta)});
  connection.Attach(std::move(ddl));
  return count;
}

arrow::Status CommitPathImpl::CheckMerged(const Staged& staged) const {
  for (const auto& [ref, merged] : staged.ddl->merged) {
    if (registry_.Find(ref) == merged.view && merged.view->status == ViewStatus::kReady) continue;
    return arrow::Status::Invalid("Materialized view ", ref.ToString(),
                                  " was changed by another transaction while states were merged into it; try again");
  }
  return arrow::Status::OK();
}

void CommitPathImpl::PublishMerged(const MergedStates& merged) {
  MergeOrBreak(*merged.view, *merged.delta);
  NoteMerged(*merged.view, *merged.delta);
  DropExpired(*merged.view);
}

// A state that was saved whole has them; of one over rows they are stored all the same, for after a crash.
arrow::Status CommitPathImpl::LoadMerged(engine::Connection& connection, MaintainedView& view, bool was_saved) {
  const bool keeps_rows = registry_.OptionsOf(view.query->base).keep_rows;
  if (!view.merged || view.status == ViewStatus::kBroken) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto stored, LoadMergedStates(connection, view.query->view));
  const bool has_them = was_saved && keeps_rows;
  for (const auto& bytes : stored) {
    const auto delta = view.state->RestoreDelta(bytes);
    if (!delta.ok()) {
      view.Break("states that were merged into it cannot be read: " + delta.status().message());
      return arrow::Status::OK();
    }
    if (!has_them) view.state->Merge(**delta);
    NoteMerged(view, **delta);
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::commit
