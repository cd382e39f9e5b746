// Retention by the timer: marks of silent tables, windows, and rows of tables; see commit_path.h for the rules.
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

namespace {

// Rows are deleted when this part of the retention has passed since the last time: each time costs a commit.
constexpr std::int64_t kPassesPerRetention = 100;
// Of one view, before they are put together.
constexpr std::int64_t kGoneStatesMax = 32;

Views ViewsOver(Views views, const TableRef& table) {
  std::erase_if(views, [&](const auto& view) { return !(view->query->base == table); });
  return views;
}

}  // namespace

void CommitPathImpl::ExpireByTime() {
  const auto tables = registry_.Tables();
  ExpireWindowsByTime(tables);
  for (const auto& table : tables) {
    if (!table.options.retention.has_value()) continue;
    const auto expired = ExpireRows(table);
    registry_.SetProblem(table.table, expired.ok() ? "" : "its expired rows cannot be deleted: " + expired.message());
  }
}

void CommitPathImpl::ExpireWindowsByTime(const std::vector<TableInfo>& tables) {
  if (std::ranges::none_of(tables, [](const auto& table) { return table.options.wall_clock; })) return;
  const std::unique_lock gate(gate_);
  FollowClock();
  bool changed = false;
  for (const auto& view : registry_.Published()) {
    changed |= ExpireWindows(*view, true);
    changed |= view->changes != nullptr && view->changes->Closes(WatermarkOf(*view));
  }
  if (changed) ++position_;  // readers share what is pinned at one position, and are told what comes after theirs
  PublishChanges();
}

std::optional<EventTime> CommitPathImpl::RowHorizon(const TableInfo& table) const {
  const auto now = table.options.wall_clock ? WallNow() : registry_.MarkOf(table.table);
  if (!now.has_value()) return std::nullopt;
  return Minus(*now, *table.options.retention);
}

// A transaction of its own, past capture: views keep what they have of the rows. What a view could not get from the
// table again at a start is stored with the same transaction.
arrow::Status CommitPathImpl::ExpireRows(const TableInfo& table) {
  const auto horizon = RowHorizon(table);
  auto& checked_to = rows_checked_to_[table.table];
  if (!horizon.has_value()) return arrow::Status::OK();
  if (checked_to.has_value() && *horizon >= *checked_to &&
      *horizon < Plus(*checked_to, *table.options.retention / kPassesPerRetention)) {
    return arrow::Status::OK();
  }
  const auto views = ViewsOver(registry_.Maintained(), table.table);
  if (std::ranges::any_of(views, [](const auto& view) { return view->filling.load(); })) return arrow::Status::OK();
  for (const auto& refused : registry_.Refused()) {
    if (!(refused.stored.base == table.table)) continue;
    return arrow::Status::Invalid("materialized view ", refused.stored.view.ToString(),
                                  " would lack them: ", refused.problem);
  }
  std::optional<ConnectionPool::Lease> lease;
  {
    const std::shared_lock gate(gate_);
    if (registry_.OptionsOf(table.table) != table.options) return arrow::Status::OK();  // another has its name
    if (RowHorizon(table) < horizon) return arrow::Status::OK();                        // likewise
    ARROW_ASSIGN_OR_RAISE(auto begun, pool_.Begin());
    lease.emplace(std::move(begun));
  }
  auto& connection = **lease;
  ARROW_ASSIGN_OR_RAISE(const auto schema, connection.ArrowSchemaOf(table.table));
  const auto column = schema->GetFieldByName(table.options.time_column);
  if (column == nullptr) return arrow::Status::OK();  // it is being renamed
  const auto expired = BeforeSql(QuoteIdentifier(table.options.time_column), *column->type(), *horizon);
  const auto name = connection.LastingName(table.table);
  ARROW_ASSIGN_OR_RAISE(const auto any, connection.Run("SELECT 1 FROM " + name + " WHERE " + expired + " LIMIT 1"));
  ARROW_ASSIGN_OR_RAISE(const auto found, any.rows->ToRecordBatches());
  if (!found.empty()) {
    ARROW_RETURN_NOT_OK(StoreGoneStates(connection, table.table, expired));
    ARROW_RETURN_NOT_OK(connection.Run("DELETE FROM " + name + " WHERE " + expired).status());
    // The mark may be lower than it was: after a crash.
    const auto rows_before = std::max(registry_.RowsBefore(table.table).value_or(*horizon), *horizon);
    ARROW_RETURN_NOT_OK(StoreRowsBefore(connection, table.table, rows_before));
    const std::unique_lock gate(gate_);
    // One came meanwhile: next time. Views of other tables may come and go all the time.
    if (ViewsOver(registry_.Maintained(), table.table) != views) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(connection.Commit());
    registry_.SetRowsBefore(table.table, rows_before, Position(++position_));
  }
  checked_to = horizon;
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::StoreGoneStates(engine::Connection& connection, const TableRef& table,
                                              const std::string& expired) {
  if (!lasting_) return arrow::Status::OK();
  for (const auto& view : registry_.Published()) {
    if (!(view->query->base == table)) continue;  // one that is broken may be whole again after a restart
    ARROW_ASSIGN_OR_RAISE(const auto delta, FoldRows(connection, *view, expired));
    if (delta->rows() == 0) continue;
    ARROW_RETURN_NOT_OK(HoldView(connection, view->query->view));
    ARROW_ASSIGN_OR_RAISE(const auto count, CountGoneStates(connection, view->query->view));
    if (count < kGoneStatesMax) {
      ARROW_ASSIGN_OR_RAISE(const auto state, view->state->SerializeDelta(*delta));
      ARROW_RETURN_NOT_OK(AddGoneState(connection, view->query->view, state));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const auto together, aggregate::ViewState::Make(view->query));
    ARROW_RETURN_NOT_OK(MergeGoneStates(connection, *together, *view));
    together->Merge(*delta);
    ARROW_RETURN_NOT_OK(RemoveGoneStates(connection, view->query->view));
    ARROW_ASSIGN_OR_RAISE(const auto state, together->Serialize());
    ARROW_RETURN_NOT_OK(AddGoneState(connection, view->query->view, state));
  }
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::MergeGoneStates(engine::Connection& connection, aggregate::ViewState& state,
                                              const MaintainedView& view) {
  ARROW_ASSIGN_OR_RAISE(const auto saved, LoadGoneStates(connection, view.query->view));
  for (const auto& bytes : saved) {
    ARROW_ASSIGN_OR_RAISE(const auto delta, state.RestoreDelta(bytes));
    state.Merge(*delta);
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::commit
