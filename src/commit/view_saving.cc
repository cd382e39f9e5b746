// What an orderly end and a flush save of views and tables, for the next start; see commit_path.h for the contract.
#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

namespace {

// Adds to `failed` what could not be saved, and why: what follows is saved all the same.
void Note(arrow::Status& failed, const std::string& what, const arrow::Status& status) {
  if (status.ok()) return;
  const auto before = failed.ok() ? std::string("Not saved: ") : failed.message() + "; ";
  failed = arrow::Status((failed.ok() ? status : failed).code(), before + what + " (" + status.message() + ")");
}

}  // namespace

arrow::Status CommitPathImpl::SaveStates(Saving saving) {
  if (saving == Saving::kAtEnd) {
    expiry_.Stop();
    filler_.Stop();
  }
  const std::unique_lock gate(gate_);
  auto failed = arrow::Status::OK();
  std::set<TableRef> unsaved;  // a view of theirs is not saved
  for (const auto& refused : registry_.Refused()) unsaved.insert(refused.stored.base);
  for (const auto& view : registry_.Published()) {
    if (view->status != ViewStatus::kReady) {
      unsaved.insert(view->query->base);
      continue;
    }
    const bool keeps_rows = registry_.OptionsOf(view->query->base).keep_rows;
    if (keeps_rows && saving != Saving::kAtEnd) continue;  // rows may come, and then a crash
    const auto saved = SaveView(*view, keeps_rows);
    Note(failed, "the state of materialized view " + view->query->view.ToString(), saved);
    if (!saved.ok()) unsaved.insert(view->query->base);
  }
  ARROW_UNUSED(SaveMarks(saving, true));  // else the rows that are kept say how far they came
  Note(failed, "how far tables have come", SaveMarks(saving, false));
  if (saving != Saving::kAtEnd) return failed;  // until then it is unknown: rows may come, and then a crash
  Note(failed, "which tables have accepted rows", SaveRowsGone(unsaved));
  return failed;
}

arrow::Status CommitPathImpl::SaveView(const MaintainedView& view, bool keeps_rows) {
  return InTransaction([&](engine::Connection& connection) -> arrow::Status {
    ARROW_RETURN_NOT_OK(HoldView(connection, view.query->view));
    if (!keeps_rows || !view.late.empty()) {
      ARROW_RETURN_NOT_OK(StoreLateRows(connection, view.query->view, view.late.Save()));
    }
    // Rows that are kept do not say which of them were left out.
    if (keeps_rows && view.late.dropped.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto state, view.state->Serialize());
    // Of rows that are kept all is there after a crash but what came from elsewhere.
    if (!keeps_rows) ARROW_RETURN_NOT_OK(RemoveMergedStates(connection, view.query->view));
    return StoreState(connection, view.query->view, state);
  });
}

arrow::Status CommitPathImpl::SaveMarks(Saving saving, bool keep_rows) {
  auto tables = registry_.Tables();
  std::erase_if(tables, [&](const auto& table) {
    return table.options.time_column.empty() || table.options.keep_rows != keep_rows;
  });
  if (tables.empty()) return arrow::Status::OK();
  return InTransaction([&](engine::Connection& connection) -> arrow::Status {
    for (const auto& table : tables) {
      ARROW_RETURN_NOT_OK(StoreTableMark(connection, table.table, table.mark, saving == Saving::kAtEnd));
    }
    return arrow::Status::OK();
  });
}

arrow::Status CommitPathImpl::SaveRowsGone(const std::set<TableRef>& unsaved) {
  auto tables = registry_.Tables();
  std::erase_if(tables, [&](const auto& table) {
    return table.options.keep_rows || unsaved.contains(table.table);  // the latter is as after a crash
  });
  if (tables.empty()) return arrow::Status::OK();
  return InTransaction([&](engine::Connection& connection) -> arrow::Status {
    for (const auto& table : tables) {
      ARROW_RETURN_NOT_OK(StoreRowsGone(connection, table.table, registry_.RowsGone(table.table)));
    }
    return arrow::Status::OK();
  });
}

}  // namespace hyprstream::commit
