// High-water marks, late rows and expiry in a commit's life; see commit_path.h and late_rows.h for the rules.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

namespace {

arrow::Status RefuseLateRow(const MaintainedView& view, const std::vector<std::shared_ptr<arrow::RecordBatch>>& rows,
                            const WindowOfRows& window, EventTime watermark) {
  const auto& query = *view.query;
  const auto end = window.end;
  const auto start = window.start.value_or(view.ends->StartOf(window.window));
  // Of windows of many zones it might be another row.
  const auto time = query.window_zone_varies ? std::nullopt
                                             : FindTime(rows, query.window_time, start,
                                                        query.session_gap ? end : view.ends->NextAfter(window.window));
  return arrow::Status::Invalid(
      "Materialized view ", query.view.ToString(), " takes no late rows (late = '", ToText(view.options.late),
      "'): a row", time.has_value() ? " of " + query.window_time + " " + ToText(*time) : "",
      " belongs to the window that ended at ", ToText(end), ", and the view's watermark is ", ToText(watermark),
      "; nothing of the commit was applied. Leave such rows out, or create the view again with more lateness or late = "
      "'update'");
}

arrow::Status RefuseRecompute(const MaintainedView& view, const TableRef& table, const std::string& why) {
  return arrow::Status::Invalid("Rows of table ", table.ToString(),
                                " cannot be changed or deleted here: materialized view ", view.query->view.ToString(),
                                " would have to compute ", why);
}

// Where the rows of a commit would be, with the sessions that there are now.
void PlaceInSessions(ViewDelta& delta) {
  const auto place = [&](const std::unique_ptr<aggregate::Delta>& from, std::vector<WindowOfRows>& to) {
    to.clear();
    if (from == nullptr) return;
    for (const auto& rows : delta.view->state->SessionsOf(*from)) {
      to.push_back({.window = {.start = static_cast<std::int64_t>(to.size())},
                    .end = EventTime(Micros(rows.end)),
                    .rows = rows.rows,
                    .start = EventTime(Micros(rows.first))});
    }
  };
  place(delta.delta, delta.inserted);
  place(delta.changed_rows, delta.changed);
}

// A window is asked for by its start; where a view shows its end only, by that. A session is asked for by its end.
std::int64_t ShownAfterStart(const AggregateQuery& query) {
  if (query.session_gap) return 0;
  std::optional<std::int64_t> after;
  for (const auto& column : query.output) {
    if (!column.is_key || column.index != query.window_key) continue;
    after = std::min(after.value_or(column.after_start), column.after_start);
  }
  return after.value_or(0);
}

std::string WindowText(const WindowEnds& ends, aggregate::WindowStart window) {
  return "its window of " + ToText(ends.StartOf(window)) + " again";
}

}  // namespace

EventTime CommitPathImpl::WallNow() const { return std::chrono::time_point_cast<Micros>(clock_.WallNow()); }

TableOptions CommitPathImpl::OptionsFor(const Staged& staged, const TableRef& table) const {
  if (!staged.options.has_value()) return registry_.OptionsOf(table);
  const auto found = staged.options->find(table);
  return found == staged.options->end() ? TableOptions{} : found->second;
}

// ---- high-water marks

arrow::Status CommitPathImpl::FindNewest(engine::Connection& connection, Staged& staged) {
  for (const auto& changed : staged.facts.tables) {
    const auto column = OptionsFor(staged, changed.table).time_column;
    if (column.empty()) continue;
    std::optional<EventTime> newest;
    const auto captured = std::ranges::find(staged.changes, changed.table, &TableChanges::table);
    if (captured != staged.changes.end()) {
      newest = std::max(NewestTime(captured->inserted, column), NewestTime(captured->updated, column));
    } else {
      ARROW_ASSIGN_OR_RAISE(const auto values, connection.NewValues(changed.table, column));
      newest = NewestTime(values, column);
    }
    if (newest.has_value()) staged.newest[changed.table] = *newest;
  }
  return arrow::Status::OK();
}

EventTime CommitPathImpl::MarkFrom(const TableRef& table, EventTime newest) const {
  const auto max_future = registry_.OptionsOf(table).max_future;
  return max_future.has_value() ? std::min(newest, Plus(WallNow(), *max_future)) : newest;
}

void CommitPathImpl::RaiseMarks(const Staged& staged) {
  for (const auto& [table, newest] : staged.newest) registry_.RaiseMark(table, MarkFrom(table, newest), clock_.Now());
}

// A server that ended in order has left its marks; after a crash the rows that are kept say how far they came.
arrow::Status CommitPathImpl::LoadMarks(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto stored, TakeTableMarks(connection));
  for (const auto& [table, marks] : stored) {
    const auto options = registry_.OptionsOf(table);
    if (marks.rows_before.has_value()) registry_.SetRowsBefore(table, *marks.rows_before, position());
    if (marks.mark.has_value()) registry_.RaiseMark(table, *marks.mark, clock_.Now());
    if (marks.mark_is_last || options.time_column.empty()) continue;
    ARROW_ASSIGN_OR_RAISE(const auto schema, connection.ArrowSchemaOf(table));
    const auto field = schema->GetFieldByName(options.time_column);
    if (field == nullptr) continue;
    const auto column = QuoteIdentifier(options.time_column);
    ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Run("SELECT max(" + column + ") FILTER (WHERE " +
                                                              FiniteSql(column, *field->type()) + ") AS " + column +
                                                              " FROM " + connection.LastingName(table)));
    ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
    auto newest = NewestTime(batches, options.time_column);
    if (newest.has_value() && options.max_future.has_value()) {
      newest = std::min(*newest, Plus(WallNow(), *options.max_future));
    }
    if (newest.has_value()) registry_.RaiseMark(table, *newest, clock_.Now());
  }
  return arrow::Status::OK();
}

void CommitPathImpl::FollowClock() {
  if (!registry_.FollowClock(clock_.Now(), WallNow())) return;
  const MutexLock lock(pin_mutex_);
  pinned_.reset();  // it says which windows were closed
}

std::optional<EventTime> CommitPathImpl::WatermarkOf(const MaintainedView& view) const {
  if (view.ends == nullptr) return std::nullopt;
  const auto mark = registry_.MarkOf(view.query->base);
  if (!mark.has_value()) return std::nullopt;
  return Minus(*mark, view.options.lateness);
}

ClosedWindows CommitPathImpl::ClosedWindowsOf(const MaintainedView& view) const {
  if (view.ends == nullptr || !view.query->shown_sql.empty()) return {};  // or it does not show them
  return {.type = view.query->evaluated_schema->field(view.query->window_key)->type(),
          .contain = [ends = view.ends, watermark = WatermarkOf(view),
                      after = ShownAfterStart(*view.query)](std::int64_t shown) {
            std::int64_t start = 0;
            if (!watermark.has_value() || __builtin_sub_overflow(shown, after, &start)) return false;
            return ends->LatestEndOf({.start = start}) <= *watermark;
          }};
}

AnsweringView CommitPathImpl::AnsweringOf(const MaintainedView& view, std::shared_ptr<TableSource> source) const {
  AnsweringView answering{.query = view.query, .source = std::move(source), .partial = {}, .whole_from = {}};
  if (view.partial) answering.partial = "it does not have all rows of its table (backfill = false, or a crash)";
  if (!view.late.dropped.empty()) answering.partial = "it has left out late rows";
  if (view.merged) answering.partial = "it has states of other servers merged in";
  auto from = std::max(view.late.expired_to, view.lost_before.value_or(EventTime::min()));
  if (from != EventTime::min()) answering.lost_before = from.time_since_epoch().count();
  if (const auto rows_before = registry_.RowsBefore(view.query->base)) {
    // Windows over another time may each have lost rows.
    const auto& time = registry_.OptionsOf(view.query->base).time_column;
    const bool is_over_it = FoldIdentifier(view.query->window_time) == FoldIdentifier(time);
    from = is_over_it ? std::max(from, *rows_before) : EventTime::max();
  }
  if (from != EventTime::min()) answering.whole_from = from.time_since_epoch().count();
  return answering;
}

// ---- late rows

arrow::Status CommitPathImpl::JudgeRows(Staged& staged, bool last_try) {
  FollowClock();
  auto judged = arrow::Status::OK();
  for (auto& delta : staged.deltas) {
    if (delta.view->filling) continue;  // the rows of its table are not late when it is made, nor those that come then
    const auto status = JudgeDelta(staged, delta);
    if (judged.ok()) judged = status;
  }
  if (judged.ok() || !last_try) return judged;
  for (const auto& delta : staged.deltas) delta.view->late.counts.rejected += delta.judgement.counts.rejected;
  return judged;
}

arrow::Status CommitPathImpl::JudgeDelta(const Staged& staged, ViewDelta& delta) {
  const auto& view = *delta.view;
  if (view.ends != nullptr) {
    if (view.query->session_gap) PlaceInSessions(delta);
    const auto& options = view.options;
    const auto watermark = WatermarkOf(view);
    delta.judgement = Judge(delta.inserted, options.late, watermark, view.late.expired_to);
    // An UPDATE is its delete plus its insert. What it leaves in a closed window cannot be told from the other rows
    // there when the window is computed again, so it cannot be left out.
    const auto policy = options.late == LatePolicy::kUpdate ? LatePolicy::kUpdate : LatePolicy::kReject;
    const auto changed = Judge(delta.changed, policy, watermark, view.late.expired_to);
    delta.judgement.counts += changed.counts;
    // Sessions have no lasting name to remember them by.
    if (view.query->session_gap && !delta.judgement.dropped_from.empty()) delta.judgement.dropped_from = {{}};
    const auto& refused = delta.judgement.refused.has_value() ? delta.judgement.refused : changed.refused;
    if (refused.has_value()) {
      const auto found = std::ranges::find(staged.changes, view.query->base, &TableChanges::table);
      auto rows = found->inserted;
      if (!delta.judgement.refused.has_value()) rows = found->updated;
      return RefuseLateRow(view, rows, *refused, *watermark);
    }
  }
  if (delta.removed != nullptr) return CheckSubtract(delta);
  return delta.recompute ? CheckRecompute(staged, delta) : arrow::Status::OK();
}

// A row may be taken out only of what has taken it in.
arrow::Status CommitPathImpl::CheckSubtract(const ViewDelta& delta) {
  const auto& view = *delta.view;
  const bool left_out = std::ranges::any_of(
      delta.touched, [&](const auto& touched) { return view.late.dropped.Contains(touched.window); });
  if (!left_out && !view.partial) return arrow::Status::OK();
  return arrow::Status::Invalid("Materialized view ", view.query->view.ToString(),
                                " has left late rows out meanwhile; try again");
}

// Windows are computed again from the rows that the table still has, all of which count.
arrow::Status CommitPathImpl::CheckRecompute(const Staged& staged, const ViewDelta& delta) const {
  const auto& view = *delta.view;
  const auto& base = view.query->base;
  const auto rows_before = registry_.RowsBefore(base);
  constexpr const char* kGone = ", of which the table's retention has deleted rows";
  if (view.merged) {
    const bool whole = view.ends == nullptr || view.query->window_key < 0;
    const auto found = std::ranges::find_if(
        delta.touched, [&](const auto& touched) { return view.merged_windows.contains(touched.window); });
    if (whole || found != delta.touched.end()) {
      const auto what = whole ? std::string("itself again") : WindowText(*view.ends, found->window);
      return RefuseRecompute(view, base, what + ", which has states of other servers merged in");
    }
  }
  if (view.ends == nullptr) {
    return rows_before.has_value() ? RefuseRecompute(view, base, std::string("itself again") + kGone)
                                   : arrow::Status::OK();
  }
  const bool is_last = delta.recomputed != nullptr && registry_.ChangedAt(base) <= staged.read_at;
  if (view.query->session_gap) return CheckSessions(delta, is_last);
  std::set<aggregate::WindowStart> remaining;
  if (is_last) {
    for (const auto& rows : delta.recomputed->Windows()) remaining.insert(rows.window);
  }
  for (const auto& touched : delta.touched) {
    if (touched.end <= view.late.expired_to) continue;
    if (rows_before.has_value() && view.ends->StartOf(touched.window) < *rows_before) {
      return RefuseRecompute(view, base, WindowText(*view.ends, touched.window) + kGone);
    }
    const bool incomplete =
        view.late.dropped.Contains(touched.window) || delta.judgement.left_out.contains(touched.window);
    if (!incomplete) continue;
    if (!is_last) {
      return arrow::Status::Invalid("Table ", base.ToString(),
                                    " was changed by others meanwhile, and materialized view ",
                                    view.query->view.ToString(), " has left late rows out; try again");
    }
    if (remaining.contains(touched.window)) {
      return RefuseRecompute(
          view, base,
          WindowText(*view.ends, touched.window) +
              ", which has left late rows out that can no longer be told from the others; delete all "
              "rows of that window, or create the view again to count them all");
    }
  }
  return arrow::Status::OK();
}

// Rows of sessions that are gone, or were left out of one, are among those that the table still has.
arrow::Status CommitPathImpl::CheckSessions(const ViewDelta& delta, bool is_last) const {
  const auto& view = *delta.view;
  const auto& base = view.query->base;
  if (registry_.RowsBefore(base).has_value()) {
    return RefuseRecompute(view, base, "sessions again, of which the table's retention has deleted rows");
  }
  if (!view.late.dropped.empty() || !delta.judgement.left_out.empty()) {
    return RefuseRecompute(view, base,
                           "sessions again, and has left late rows out that can no longer be told from the others; "
                           "create the view again to count them all");
  }
  if (view.late.expired_to == EventTime::min()) return arrow::Status::OK();
  if (!is_last) {
    return arrow::Status::Invalid("Table ", base.ToString(), " was changed by others meanwhile, and materialized view ",
                                  view.query->view.ToString(), " has a retention; try again");
  }
  for (const auto& rows : view.state->SessionsOf(*delta.recomputed)) {
    const auto gap = Micros(*view.query->session_gap);
    const EventTime first{Micros(rows.first)};
    if (rows.is_first && first + gap <= view.late.expired_to && EventTime(Micros(rows.end)) > view.late.expired_to) {
      return RefuseRecompute(view, base, "its session of " + ToText(first) + " again, of which rows have expired");
    }
  }
  return arrow::Status::OK();
}

// ---- expiry

aggregate::ViewStats CommitPathImpl::DropExpired(MaintainedView& view) {
  if (view.ends == nullptr || view.late.expired_to == EventTime::min()) return {};
  const auto has_expired = [&](aggregate::WindowStart window) { return view.ExpiryOf(window); };
  std::vector<std::pair<aggregate::WindowStart, aggregate::WindowStart>> gone;
  const auto collect = [&](aggregate::WindowStart first, aggregate::WindowStart last) {
    gone.emplace_back(first, last);
  };
  const auto wanted = view.changes->kept() ? aggregate::WindowsGone(collect) : aggregate::WindowsGone();
  const auto dropped = view.state->DropOldest(has_expired, wanted);
  for (const auto& [first, last] : gone) view.changes->Gone(first, last);
  return dropped;
}

EventTime CommitPathImpl::ExpiredTo(const MaintainedView& view, std::optional<EventTime> new_mark) const {
  const auto& base = view.query->base;
  const bool by_clock = registry_.OptionsOf(base).wall_clock;
  auto now = by_clock ? std::optional(WallNow()) : registry_.MarkOf(base);
  if (!by_clock) now = std::max(now, new_mark);
  return now.has_value() ? std::max(view.late.expired_to, Minus(*now, *view.options.retention)) : view.late.expired_to;
}

bool CommitPathImpl::ExpireWindows(MaintainedView& view, bool counts) {
  if (view.ends == nullptr) return false;
  if (view.options.retention.has_value()) view.late.expired_to = ExpiredTo(view, std::nullopt);
  const auto gone = DropExpired(view);
  if (counts) view.late.counts.gone += gone.rows;
  return gone.windows > 0;
}

}  // namespace hyprstream::commit
