// REFRESH MATERIALIZED VIEW; see commit_path.h for the contract.
//
// The windows are computed into a state of their own while commits go on: as with CREATE, it gets the rows that are
// committed at one moment, and from that moment on what every commit adds. Its transaction's commit puts it in place.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

namespace {

// How DuckDB calls a window key's type, and what makes a value of it from the number `{}`.
struct KeyType {
  const char* name;
  const char* value;
};

arrow::Result<KeyType> KeyTypeOf(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DATE32) return KeyType{.name = "DATE", .value = "(DATE '1970-01-01' + {})"};
  if (type.id() == arrow::Type::TIMESTAMP) {
    const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
    if (!timestamp.timezone().empty()) return KeyType{.name = "TIMESTAMPTZ", .value = "make_timestamptz({})"};
    switch (timestamp.unit()) {
      case arrow::TimeUnit::SECOND:
        return KeyType{.name = "TIMESTAMP_S", .value = "make_timestamp({} * 1000000)::TIMESTAMP_S"};
      case arrow::TimeUnit::MILLI:
        return KeyType{.name = "TIMESTAMP_MS", .value = "make_timestamp({} * 1000)::TIMESTAMP_MS"};
      case arrow::TimeUnit::MICRO:
        return KeyType{.name = "TIMESTAMP", .value = "make_timestamp({})"};
      case arrow::TimeUnit::NANO:
        return KeyType{.name = "TIMESTAMP_NS", .value = "make_timestamp_ns({})"};
    }
  }
  return arrow::Status::Invalid("its windows are of type ", type.ToString(), ", not of time");
}

// The places of two times among window starts.
struct Bounds {
  std::int64_t from = 0, to = 0;
};

bool IsOfDays(const KeyType& type) { return std::string_view(type.name) == "DATE"; }

// The first that begins at the time or later.
std::int64_t FirstDay(std::int64_t micros) {
  constexpr std::int64_t kDay = 86'400'000'000;
  return micros / kDay + (micros % kDay > 0 ? 1 : 0);
}

// Of days: in microseconds all the same.
arrow::Result<std::int64_t> PlaceOf(engine::Connection& connection, const KeyType& type, const std::string& text) {
  const auto sql =
      "SELECT TRY_CAST(" + QuoteLiteral(text) + " AS " + (IsOfDays(type) ? "TIMESTAMP" : type.name) + ") AS w";
  ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Run(sql));
  ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
  const bool finite = !batches.empty() && !batches[0]->column(0)->IsNull(0) && text.find("inf") == std::string::npos;
  if (!finite) {
    return arrow::Status::Invalid("WINDOW of REFRESH takes times such as '2026-03-02 10:00:00', not '", text, "'");
  }
  const auto& column = *batches[0]->column(0);
  return static_cast<const arrow::TimestampArray&>(column).Value(0);
}

arrow::Result<Bounds> BoundsOf(engine::Connection& connection, const KeyType& type,
                               const engine::RefreshMaterializedView::Range& range) {
  Bounds bounds;
  ARROW_ASSIGN_OR_RAISE(bounds.from, PlaceOf(connection, type, range.from));
  ARROW_ASSIGN_OR_RAISE(bounds.to, PlaceOf(connection, type, range.to));
  if (bounds.from < bounds.to) {
    if (IsOfDays(type)) bounds = {.from = FirstDay(bounds.from), .to = FirstDay(bounds.to)};
    return bounds;
  }
  return arrow::Status::Invalid("WINDOW of REFRESH ends ('", range.to, "') where it has not begun ('", range.from,
                                "'): the first time must be the earlier one");
}

arrow::Status RefuseRange(const MaintainedView& view, const std::string& why) {
  const auto name = view.query->view.ToString();
  return arrow::Status::Invalid("REFRESH MATERIALIZED VIEW ", name, " cannot be of some windows: ", why,
                                "; REFRESH all of it");
}

arrow::Status RefuseRefresh(const MaintainedView& view, const std::string& why) {
  return arrow::Status::Invalid("Materialized view ", view.query->view.ToString(), " cannot be computed again: ", why);
}

}  // namespace

// The condition of the rows that are read, or none for all.
arrow::Result<std::string> CommitPathImpl::RangeOf(engine::Connection& connection,
                                                   const engine::RefreshMaterializedView& refresh,
                                                   RefreshedView& refreshed) {
  if (!refresh.windows.has_value()) return std::string();
  const auto& view = *refreshed.view;
  const auto& query = *view.query;
  if (query.window_key < 0) return RefuseRange(view, "it has no windows");
  if (query.session_gap) return RefuseRange(view, "sessions join one another");
  if (query.hopping) return RefuseRange(view, "its windows overlap");
  const auto type = KeyTypeOf(*query.evaluated_schema->field(query.window_key)->type());
  if (!type.ok()) return RefuseRange(view, type.status().message());
  ARROW_ASSIGN_OR_RAISE(const auto bounds, BoundsOf(connection, *type, *refresh.windows));
  refreshed.among = [bounds](aggregate::WindowStart window) {
    return !window.is_null && window.start >= bounds.from && window.start < bounds.to;
  };
  const auto value = [&](std::int64_t place) {
    std::string text = type->value;
    return text.replace(text.find("{}"), 2, "(" + std::to_string(place) + ")");
  };
  // Behind a CASE: DuckDB makes of `date_trunc('hour', day) < time` a comparison of days, which leaves rows out.
  const auto& key = query.key_sql[static_cast<std::size_t>(query.window_key)];
  const auto window = "CASE WHEN (" + key + ") IS NOT NULL THEN (" + key + ") END";
  return "(" + window + ") >= " + value(bounds.from) + " AND (" + window + ") < " + value(bounds.to);
}

arrow::Status CommitPathImpl::RefreshView(engine::Connection& connection,
                                          const engine::RefreshMaterializedView& refresh) {
  ARROW_ASSIGN_OR_RAISE(const auto ref, CompleteName(connection, refresh.view, refresh.schema_given));
  auto ddl = CopyDdl(connection);
  const auto view = FindView(*ddl, ref);
  if (view == nullptr) return UnknownView(ref);
  ARROW_RETURN_NOT_OK(CheckSeen(*ddl, ref));
  if (ddl->created.contains(ref)) {
    if (view->partial) return RefuseRefresh(*view, "this transaction creates it; COMMIT first");
    return arrow::Status::OK();  // it has just been computed
  }
  const auto [first, last] = ddl->refreshed.equal_range(ref);
  if (std::any_of(first, last, [](const auto& entry) { return !entry.second.among; })) return arrow::Status::OK();
  RefreshedView refreshed{.view = view, .fresh = std::make_shared<MaintainedView>()};
  ARROW_ASSIGN_OR_RAISE(const auto condition, RangeOf(connection, refresh, refreshed));
  {
    const std::shared_lock gate(gate_);
    if (view->filling) return RefuseRefresh(*view, "it is being filled");
    if (refreshed.among && view->status == ViewStatus::kBroken) return RefuseRange(*view, "it is broken");
    ARROW_RETURN_NOT_OK(CheckBroken(*view));
    refreshed.fresh->query = view->query;
    refreshed.fresh->state = view->state->MakeEmpty();
    refreshed.fresh->options = view->options;
    refreshed.fresh->ends = view->ends;
    refreshed.fresh->filling = true;
  }
  ARROW_RETURN_NOT_OK(CheckRowsOf(refreshed));
  ARROW_RETURN_NOT_OK(FillRefreshed(connection, refreshed, condition));
  ARROW_RETURN_NOT_OK(CheckRowsOf(refreshed));
  if (!refreshed.among) {
    ARROW_RETURN_NOT_OK(StorePartial(connection, view->query->view, false));
    ddl->refreshed.erase(ref);
  }
  ddl->refreshed.emplace(ref, std::move(refreshed));
  connection.Attach(std::move(ddl));
  return arrow::Status::OK();
}

// What it has of rows that are gone is stored, and no window of its state says so.
arrow::Status CommitPathImpl::CheckBroken(const MaintainedView& view) const {
  const auto rows_before = registry_.RowsBefore(view.query->base);
  if (view.status != ViewStatus::kBroken || rows_before <= view.lost_before) return arrow::Status::OK();
  return RefuseRefresh(view, "retention of table " + view.query->base.ToString() + " has deleted rows before " +
                                 ToText(*rows_before) + " since it was created" +
                                 (lasting_ ? "; it gets what it has of them when the server starts again"
                                           : "; drop it and create it again"));
}

arrow::Status CommitPathImpl::FillRefreshed(engine::Connection& connection, RefreshedView& refreshed,
                                            const std::string& condition) {
  auto& fresh = *refreshed.fresh;
  std::optional<ConnectionPool::Lease> rows;
  {
    const std::unique_lock gate(gate_);
    ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
    rows.emplace(std::move(lease));
    registry_.AddFilling(refreshed.fresh);
  }
  const FoldBounds bounds{.state_bytes_max = limits_.state_bytes_max,
                          .stopped = [&connection] { return connection.interrupted(); }};
  ARROW_ASSIGN_OR_RAISE(const auto delta, condition.empty() ? FoldTable(**rows, fresh, nullptr, bounds)
                                                            : FoldRows(**rows, fresh, condition, bounds));
  fresh.state->Merge(*delta);
  return LearnEnds(**rows, fresh);
}

arrow::Status CommitPathImpl::CheckRowsOf(const RefreshedView& refreshed) const {
  const auto& view = *refreshed.view;
  const auto& base = view.query->base;
  if (!registry_.OptionsOf(base).keep_rows) {
    return RefuseRefresh(view, "its table " + base.ToString() + " keeps no rows (keep_rows = false)");
  }
  const auto is_merged = [&](const auto& window) { return refreshed.Concerns(window); };
  if (view.merged && (!refreshed.among || std::ranges::any_of(view.merged_windows, is_merged))) {
    return RefuseRefresh(view, "states of other servers have been merged into it");
  }
  const auto rows_before = registry_.RowsBefore(base);
  if (!rows_before.has_value()) return arrow::Status::OK();
  const auto gone = "retention of table " + base.ToString() + " has deleted rows before " + ToText(*rows_before);
  if (view.ends == nullptr || view.query->session_gap) return RefuseRefresh(view, gone);
  for (const auto* state : {view.state.get(), refreshed.fresh->state.get()}) {
    if (state == nullptr) continue;
    for (const auto& window : state->Windows()) {
      if (!refreshed.Concerns(window.start) || view.ends->StartOf(window.start) >= *rows_before) continue;
      return RefuseRefresh(view, gone + ", some of which its window of " + window.window +
                                     " has; REFRESH those that begin later, with WINDOW");
    }
  }
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::CheckRefreshed(const Staged& staged) {
  for (const auto& [ref, refreshed] : staged.ddl->refreshed) {
    const auto& fresh = *refreshed.fresh;
    if (registry_.Find(ref) != refreshed.view) {
      return arrow::Status::Invalid("Materialized view ", ref.ToString(),
                                    " was dropped or replaced by another transaction while it was computed again");
    }
    const auto edits = [&](const ViewDelta& delta) { return delta.view == refreshed.fresh && delta.recompute; };
    if (std::ranges::any_of(staged.deltas, edits)) {
      return arrow::Status::Invalid("Rows of table ", fresh.query->base.ToString(),
                                    " are changed by the transaction that refreshes materialized view ", ref.ToString(),
                                    "; COMMIT the changes, then REFRESH");
    }
    if (!fresh.fill_problem.empty()) return RefuseRefresh(fresh, fresh.fill_problem);
    if (!fresh.touched.empty() && !fresh.refill) {
      ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
      ARROW_RETURN_NOT_OK(RecomputeTouched(*lease, *refreshed.fresh));
    }
    if (fresh.refill) {
      return arrow::Status::Invalid("Rows of table ", fresh.query->base.ToString(),
                                    " were changed by others while materialized view ", ref.ToString(),
                                    " was computed again; REFRESH it again");
    }
    if (fresh.status == ViewStatus::kBroken) return RefuseRefresh(fresh, fresh.problem);
    if (refreshed.among && refreshed.view->status == ViewStatus::kBroken) {
      return RefuseRange(*refreshed.view, "it is broken");
    }
    ARROW_RETURN_NOT_OK(CheckBroken(*refreshed.view));
    ARROW_RETURN_NOT_OK(CheckRowsOf(refreshed));
  }
  return arrow::Status::OK();
}

void CommitPathImpl::PublishRefreshed(const RefreshedView& refreshed) {
  auto& view = *refreshed.view;
  auto& fresh = *refreshed.fresh;
  if (view.status == ViewStatus::kBroken) {  // whoever subscribed to it has been told that it ended
    fresh.options = view.options;            // they may have been altered since
    fresh.since = view.since;
    fresh.filled_from = view.filled_from;
    fresh.lost_before = view.lost_before;
    fresh.late = view.late;
    fresh.late.dropped = {};
    fresh.changes = ChangesOf(fresh);
    fresh.filling = false;
    fresh.NoteWhatItHas();
    registry_.Publish(refreshed.fresh);
    ARROW_UNUSED(DropExpired(fresh));
    return;
  }
  const auto rows_before = view.state->Stats().rows;
  std::vector<aggregate::WindowStart> windows;
  for (const auto* state : {view.state.get(), fresh.state.get()}) {
    for (const auto& window : state->Windows()) {
      if (refreshed.Concerns(window.start)) windows.push_back(window.start);
    }
  }
  ReplaceAmongOrBreak(view, refreshed.among, windows, *fresh.state);
  if (refreshed.among) {
    view.late.dropped.EraseIf(refreshed.among);
  } else {
    view.late.dropped = {};
  }
  ARROW_UNUSED(DropExpired(view));
  // What had been left out is among its rows now.
  const auto more = view.state->Stats().rows - rows_before;
  auto& dropped = view.late.counts.dropped;
  if (!view.partial) dropped -= std::clamp<std::int64_t>(more, 0, dropped);
  if (!refreshed.among) view.partial = false;
  view.NoteWhatItHas();
}

}  // namespace hyprstream::commit
