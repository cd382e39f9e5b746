#include "commit/commit_path.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

namespace {

arrow::Status Abort(engine::Connection& connection, arrow::Status why) {
  const auto rolled_back = connection.Rollback();
  if (!rolled_back.ok())
    return why.WithMessage(why.message(), " (and rolling back failed: ", rolled_back.message(), ")");
  return why;
}

}  // namespace

// ---- reading

std::size_t CommitPathImpl::pins() const {
  const MutexLock lock(pin_mutex_);
  return pins_.size();
}

// Readers share one until something is committed or a mark moves.
std::shared_ptr<const PinnedSnapshot> CommitPathImpl::Pin() {
  const MutexLock lock(pin_mutex_);
  auto pinned = pinned_.lock();
  if (pinned && pinned->position() == position()) return pinned;
  auto fresh = std::make_shared<PinnedSnapshot>(position());
  for (const auto& view : registry_.Published()) {
    const auto version = view->state->Pin();
    auto source = aggregate::MakeViewSource(version);
    fresh->Add(view->query->view, {.source = source,
                                   .problem = view->problem,
                                   .closed = ClosedWindowsOf(*view),
                                   .answering = AnsweringOf(*view, source),
                                   .version = version});
  }
  for (const auto& view : registry_.Refused())
    fresh->Add(view.stored.view, {.source = nullptr, .problem = view.problem});
  pinned_ = fresh;
  if (pins_.size() >= pins_pruned_at_) {  // one that lasts must not keep those behind it
    std::erase_if(pins_, [](const auto& pin) { return pin.snapshot.expired(); });
    pins_pruned_at_ = std::max(kPinsPrunedAt, 2 * pins_.size());
  }
  pins_.push_back({.snapshot = fresh, .since = clock_.Now()});
  return fresh;
}

// Whoever stays too long, or makes the states' copies too large, loses its views: the oldest first.
void CommitPathImpl::ExpirePins() {
  const MutexLock lock(pin_mutex_);
  const auto views = registry_.Published();
  while (!pins_.empty()) {
    const auto& pin = pins_.front();
    const auto snapshot = pin.snapshot.lock();
    if (snapshot != nullptr) {
      std::int64_t bytes = 0;  // what a reader keeps whose pin has expired is not this one's
      for (const auto& view : views) {
        const auto version = snapshot->Version(view->query->view);
        if (version.ok()) bytes += view->state->CopiedSince(**version);
      }
      const bool old = clock_.Now() - pin.since > pin_bounds_.age_max;
      if (!old && bytes <= pin_bounds_.bytes_max) return;
      snapshot->Expire("The transaction can no longer read materialized views as they were at its first statement: " +
                       (old ? "that is more than " + std::to_string(pin_bounds_.age_max.count()) + " s ago"
                            : "keeping them took " + std::to_string(bytes) + " bytes") +
                       "; COMMIT or ROLLBACK and read in a new transaction");
    }
    pins_.pop_front();
  }
}

arrow::Status CommitPathImpl::Begin(engine::Connection& connection) {
  const std::shared_lock gate(gate_);
  ARROW_RETURN_NOT_OK(connection.Begin());
  connection.Attach(Pin());
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::CheckRead(const TableRef& table, bool edited) const {
  if (registry_.OptionsOf(table).keep_rows) return arrow::Status::OK();
  if (edited) {
    return arrow::Status::Invalid("Table ", table.ToString(),
                                  " keeps no rows (keep_rows = false), so they can neither be changed nor deleted");
  }
  std::string names;
  for (const auto& view : registry_.ViewsOf(table)) names += (names.empty() ? "" : ", ") + view.ToString();
  return arrow::Status::Invalid(
      "Table ", table.ToString(), " keeps no rows (keep_rows = false); ",
      names.empty() ? "it has no materialized view yet" : "ask its materialized views: " + names);
}

// ---- staging, outside the gate

arrow::Result<CommitPathImpl::Staged> CommitPathImpl::Stage(engine::Connection& connection,
                                                            engine::TransactionFacts facts) {
  Staged staged{.facts = std::move(facts), .read_at = {}, .ddl = CopyDdl(connection)};
  staged.read_at = staged.ddl->position();
  staged.registry_version = registry_.version();  // before anything is asked of the registry
  ARROW_RETURN_NOT_OK(StageOptions(connection, staged));
  ARROW_RETURN_NOT_OK(CheckCatalog(connection, staged));
  ARROW_RETURN_NOT_OK(CheckTimeColumns(connection, staged));
  ARROW_RETURN_NOT_OK(StoreWhatIsKept(connection, staged));
  ARROW_RETURN_NOT_OK(Capture(connection, staged));
  ARROW_RETURN_NOT_OK(Fold(staged));
  ARROW_RETURN_NOT_OK(RecomputeBefore(connection, staged));
  ARROW_RETURN_NOT_OK(FindNewest(connection, staged));
  for (const auto& changed : staged.facts.tables) {
    if (changed.stored && !KeepsRows(staged, changed.table)) {
      staged.emptied.insert(changed.table);
      ARROW_RETURN_NOT_OK(connection.Run("DELETE FROM " + connection.LastingName(changed.table)).status());
    }
  }
  return staged;
}

// Rows that were only taken, into a table that keeps rows by now.
arrow::Status CommitPathImpl::StoreWhatIsKept(engine::Connection& connection, Staged& staged) {
  auto& tables = staged.facts.tables;
  const bool any = std::ranges::any_of(
      tables, [&](const auto& changed) { return !changed.stored && KeepsRows(staged, changed.table); });
  if (!any) return arrow::Status::OK();
  for (auto& changed : tables) changed.stored = true;
  return connection.StoreTaken();
}

// DuckDB does not know of rows that were only taken, or that were stored and deleted by the time it commits: it does
// not see that their table has gone meanwhile.
arrow::Status CommitPathImpl::CheckTaken(engine::Connection& connection, const Staged& staged) {
  const auto redefined = [&](const TableRef& table) {  // here, so that nobody else can
    return std::ranges::any_of(staged.facts.entries, [&](const auto& entry) { return entry.entry == table; });
  };
  for (const auto& changed : staged.facts.tables) {
    if (changed.stored && (!staged.emptied.contains(changed.table) || redefined(changed.table))) continue;
    ARROW_ASSIGN_OR_RAISE(auto now, pool_.Begin());
    ARROW_ASSIGN_OR_RAISE(const auto id, connection.TableId(changed.table));
    const auto id_now = now->TableId(changed.table);
    if (id_now.ok() && *id_now == id && !registry_.OptionsOf(changed.table).keep_rows) continue;
    return arrow::Status::Invalid("Table ", changed.table.ToString(),
                                  " was dropped or altered by another transaction; begin again");
  }
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::StageOptions(engine::Connection& connection, Staged& staged) {
  const TableRef stored{.schema = kCatalogSchema, .name = "table_options"};
  const bool changed = std::ranges::any_of(staged.facts.tables, [&](const auto& t) { return t.table == stored; });
  if (!changed && !staged.facts.catalog_changes) return arrow::Status::OK();
  if (staged.facts.catalog_changes) ARROW_RETURN_NOT_OK(PruneTableOptions(connection));
  for (const auto& entry : staged.facts.entries) {  // a table that took the name of another has options of its own
    const bool replaced = entry.dropped && entry.exists;
    if (replaced && !staged.ddl->options.contains(entry.entry)) {
      ARROW_RETURN_NOT_OK(RemoveTableOptions(connection, entry.entry));
    }
  }
  ARROW_ASSIGN_OR_RAISE(staged.options, LoadTableOptions(connection));
  return arrow::Status::OK();
}

bool CommitPathImpl::KeepsRows(const Staged& staged, const TableRef& table) const {
  return OptionsFor(staged, table).keep_rows;
}

// Rows of tables that views read or that keep none; those that were captured before are left as they are.
arrow::Status CommitPathImpl::Capture(engine::Connection& connection, Staged& staged) {
  const auto views = registry_.Maintained();
  const auto wanted = [&](const TableRef& table) {
    if (std::ranges::any_of(staged.changes, [&](const auto& known) { return known.table == table; })) return false;
    return !KeepsRows(staged, table) ||
           std::ranges::any_of(views, [&](const auto& view) { return view->query->base == table; });
  };
  if (std::ranges::none_of(staged.facts.tables, [&](const auto& changed) { return wanted(changed.table); })) {
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto captured, connection.Changes(wanted));
  for (auto& changes : captured) staged.changes.push_back(std::move(changes));
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::Fold(Staged& staged) {
  staged.deltas.clear();
  if (staged.changes.empty()) return arrow::Status::OK();
  for (const auto& changes : staged.changes) {
    const auto first = staged.deltas.size();  // of this table's views
    for (const auto& view : ViewsOf(changes.table, registry_.Maintained())) {
      if (view->abandoned) continue;
      ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
      auto delta = FoldChanges(*lease, view, changes, std::span<const ViewDelta>(staged.deltas).subspan(first));
      // Whoever wants the view has the trouble, not who writes; but for who does both.
      if (!delta.ok() && view->filling && !staged.ddl->Fills(*view)) {
        delta = ViewDelta{.view = view, .delta = nullptr, .windows = nullptr, .unfit = delta.status().message()};
      }
      ARROW_RETURN_NOT_OK(delta.status());
      staged.deltas.push_back(*std::move(delta));
    }
  }
  return arrow::Status::OK();
}

// Windows of changed and deleted rows, as this transaction sees them: what they are after the commit, too, unless
// somebody else changes the table before it. So that the gate need not be held for a scan.
arrow::Status CommitPathImpl::RecomputeBefore(engine::Connection& connection, Staged& staged) {
  for (auto& delta : staged.deltas) {
    if (!delta.recompute || delta.view->filling) continue;
    ARROW_ASSIGN_OR_RAISE(delta.recomputed, FoldTable(connection, *delta.view, delta.windows));
  }
  return arrow::Status::OK();
}

// ---- committing

// Views that came or went since the transaction was staged. Under the gate.
arrow::Status CommitPathImpl::CatchUp(engine::Connection& connection, Staged& staged) {
  ARROW_RETURN_NOT_OK(CheckCreated(staged));
  ARROW_RETURN_NOT_OK(CheckRefreshed(staged));
  ARROW_RETURN_NOT_OK(CheckMerged(staged));
  ARROW_RETURN_NOT_OK(CheckTaken(connection, staged));
  // Those of a view that could not take them count again once it is filled.
  const bool taken =
      std::ranges::all_of(staged.deltas, [](const auto& delta) { return delta.unfit.empty() || delta.view->filling; });
  if (taken && staged.registry_version == registry_.version()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(CheckCatalog(connection, staged));
  ARROW_RETURN_NOT_OK(Capture(connection, staged));
  return Fold(staged);
}

arrow::Result<CommitReceipt> CommitPathImpl::Commit(engine::Connection& connection, int batches) {
  if (!connection.in_transaction()) return arrow::Status::Invalid("No transaction is open");
  auto facts = connection.Facts();
  if (!facts.ok()) return Abort(connection, facts.status());
  if (!facts->changes && CopyDdl(connection)->refreshed.empty()) {
    ARROW_RETURN_NOT_OK(connection.Commit());
    return CommitReceipt{.position = position()};
  }
  auto staged = Stage(connection, std::move(facts).ValueUnsafe());
  if (!staged.ok()) return Abort(connection, staged.status());
  return CommitStaged(connection, std::move(staged).ValueUnsafe(), batches);
}

arrow::Result<CommitReceipt> CommitPathImpl::CommitStaged(engine::Connection& connection, Staged staged, int batches) {
  const std::unique_lock gate(gate_);
  const auto caught_up = CatchUp(connection, staged);
  if (!caught_up.ok()) return Abort(connection, caught_up);
  const auto judged = JudgeRows(staged, batches <= 1);
  if (!judged.ok()) return Abort(connection, judged);
  const auto fits = CheckStateBytes(staged);
  if (!fits.ok()) return Abort(connection, fits);
  ARROW_RETURN_NOT_OK(connection.Commit());
  Publish(std::move(staged), batches);
  return CommitReceipt{.position = position()};
}

// DuckDB has committed: what cannot be applied now makes a view unreadable, never wrong.
void CommitPathImpl::Publish(Staged staged, int batches) {
  const Position next(position_ + static_cast<std::uint64_t>(std::max(batches, 1)));
  if (staged.options.has_value()) {  // of other tables others may have changed them since
    std::vector<TableRef> tables;
    for (const auto& entry : staged.facts.entries) tables.push_back(entry.entry);
    registry_.ChangeOptions(tables, *staged.options);
  }
  for (const auto& delta : staged.deltas) PublishDelta(staged, delta);
  PublishViews(staged, next);
  RedefineTables(staged, next);
  for (const auto& changed : staged.facts.tables) registry_.AddRows(changed.table, changed.rows_inserted, next);
  RaiseMarks(staged);
  const auto views = registry_.Published();
  for (const auto& view : views) ExpireWindows(*view, !staged.ddl->created.contains(view->query->view));
  if (staged.facts.catalog_changes || !staged.ddl->altered.empty()) ++catalog_version_;
  position_ = next.lsn();
  PublishChanges();
  ExpirePins();
}

// Whom the commit concerns of the subscribers is woken.
void CommitPathImpl::PublishChanges() {
  for (const auto& view : registry_.Published()) {
    if (view->status == ViewStatus::kBroken) {
      EndChanges(view->query->view, "broken: " + view->problem);
    } else if (view->changes->kept()) {
      view->changes->Publish(position(), WatermarkOf(*view), *view->state);
    }
  }
}

void CommitPathImpl::EndChanges(const TableRef& view, const std::string& what) {
  const auto found = registry_.Find(view);
  if (found != nullptr) found->changes->End("Materialized view " + view.ToString() + " was " + what);
}

void CommitPathImpl::RedefineTables(const Staged& staged, Position at) {
  if (staged.facts.entries.empty()) return;
  std::vector<TableRef> redefined;
  std::vector<TableRef> altered;
  std::map<TableRef, TableRef> renamed;
  for (const auto& entry : staged.facts.entries) {
    if (!entry.existed || !entry.exists || entry.dropped) redefined.push_back(entry.entry);
    if (!entry.lost_columns.empty()) altered.push_back(entry.entry);
    const auto before = staged.ddl->renamed.find(entry.entry);
    if (!entry.exists || before == staged.ddl->renamed.end()) continue;
    renamed.insert(*before);
    altered.push_back(entry.entry);
  }
  registry_.Redefine(redefined, renamed);
  registry_.NoteAltered(altered, at);
}

void CommitPathImpl::PublishDelta(const Staged& staged, const ViewDelta& delta) {
  auto& view = *delta.view;
  if (!delta.unfit.empty() && view.fill_problem.empty()) view.fill_problem = delta.unfit;
  if (delta.delta != nullptr) MergeOrBreak(view, *delta.delta, delta.judgement.left_out);
  view.late.counts += delta.judgement.counts;
  for (const auto& window : delta.judgement.dropped_from) view.late.dropped.Add(window);
  view.NoteWhatItHas();
  if (delta.updated != nullptr) MergeOrBreak(view, *delta.updated);
  if (delta.removed != nullptr) SubtractOrBreak(view, *delta.removed);
  if (delta.updated != nullptr) DropExpired(view);
  if (!delta.recompute) return;
  if (view.filling) {  // what it is being filled from still has the old rows
    view.refill |= delta.windows == nullptr;
    if (delta.windows != nullptr) view.touched.push_back(delta.windows);
    return;
  }
  if (delta.recomputed != nullptr && registry_.ChangedAt(view.query->base) <= staged.read_at) {
    ReplaceOrBreak(view, delta.windows, *delta.recomputed);
  } else {
    Recompute(view, delta.windows);
  }
  for (const auto& touched : delta.touched) view.late.dropped.Erase(touched.window);  // nothing of them is left
  view.NoteWhatItHas();
  DropExpired(view);
}

void CommitPathImpl::PublishViews(const Staged& staged, Position at) {
  for (const auto& [ref, options] : staged.ddl->altered) {
    if (const auto view = registry_.Find(ref); view != nullptr) view->options = options;
  }
  for (const auto& [ref, refreshed] : staged.ddl->refreshed) PublishRefreshed(refreshed);
  for (const auto& [ref, merged] : staged.ddl->merged) PublishMerged(merged);
  for (const auto& ref : staged.ddl->dropped) {
    if (const auto found = registry_.Find(ref); found != nullptr) found->abandoned = true;
    EndChanges(ref, staged.ddl->created.contains(ref) ? "replaced by another; subscribe again" : "dropped");
    registry_.Remove(ref);
  }
  for (const auto& [ref, created] : staged.ddl->created) {
    auto& view = *created.view;
    view.since = at;
    if (view.background) {
      FillLater(created.view);
      continue;
    }
    view.filling = false;
    // Its table may be another one by now, made anew after the view.
    const bool remade = std::ranges::any_of(
        staged.facts.entries, [&](const auto& entry) { return entry.dropped && entry.entry == view.query->base; });
    if (view.refill || (remade && registry_.OptionsOf(view.query->base).keep_rows)) {
      Recompute(view, nullptr);
    } else {
      for (const auto& windows : view.touched) Recompute(view, windows);
    }
    view.touched.clear();
    view.NoteWhatItHas();
    registry_.Publish(created.view);
  }
}

// The given windows, or all, from the rows that are committed.
void CommitPathImpl::Recompute(MaintainedView& view, const std::shared_ptr<arrow::RecordBatch>& windows) {
  const auto recomputed = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
    ARROW_ASSIGN_OR_RAISE(const auto fresh, FoldTable(*lease, view, windows));
    ReplaceOrBreak(view, windows, *fresh);
    return windows == nullptr ? LearnEnds(*lease, view) : arrow::Status::OK();
  }();
  if (!recomputed.ok()) view.Break("recomputing it failed (" + recomputed.message() + "); drop and create it again");
}

// ---- information

std::vector<ViewInfo> CommitPathImpl::Views() const {
  const std::shared_lock gate(gate_);
  std::vector<ViewInfo> infos;
  for (const auto& view : registry_.Published()) {
    const auto stats = view->state->Stats();
    infos.push_back({.view = view->query->view,
                     .base = view->query->base,
                     .source = view->query->source,
                     .definition = view->query->definition,
                     .filled_from = view->filled_from,
                     .status = view->status,
                     .problem = view->problem,
                     .options = view->options,
                     .watermark = WatermarkOf(*view),
                     .late = view->late.counts,
                     .rows_filled = view->rows_filled,
                     .rows_to_fill = view->rows_to_fill,
                     .windows = view->state->CountWindows(),
                     .groups = stats.groups,
                     .rows = stats.rows,
                     .bytes = stats.bytes});
  }
  for (const auto& [stored, problem] : registry_.Refused()) {
    infos.push_back({.view = stored.view,
                     .base = stored.base,
                     .source = stored.source,
                     .definition = stored.definition,
                     .filled_from = stored.filled_from,
                     .status = ViewStatus::kBroken,
                     .problem = problem,
                     .options = stored.options});
  }
  return infos;
}

std::vector<WindowInfo> CommitPathImpl::Windows() const {  // may be many: no commit waits for them
  std::vector<WindowInfo> infos;
  for (const auto& view : registry_.Published()) {
    const auto watermark = WatermarkOf(*view);
    for (const auto& window : view->state->Windows()) {
      infos.push_back(
          {.view = view->query->view,
           .window = window.window,
           .groups = window.groups,
           .rows = window.rows,
           .bytes = window.bytes,
           .closed = watermark.has_value() &&
                     view->ends->EndOf(window.last_end.has_value() ? aggregate::WindowStart{.start = *window.last_end}
                                                                   : window.start) <= *watermark});
    }
  }
  return infos;
}

// ---- start and end

arrow::Status CommitPathImpl::Open() {
  engine_.SetReadCheck([this](const TableRef& table, bool edited) { return CheckRead(table, edited); });
  ARROW_ASSIGN_OR_RAISE(auto connection, engine_.Connect());
  ARROW_RETURN_NOT_OK(InTransaction(CreateCatalog));  // apart: what it alters cannot be changed with it
  ARROW_RETURN_NOT_OK(connection->Begin());
  ARROW_ASSIGN_OR_RAISE(auto options, LoadTableOptions(*connection));
  registry_.SetOptions(std::move(options));
  ARROW_RETURN_NOT_OK(LoadMarks(*connection));
  ARROW_ASSIGN_OR_RAISE(auto gone, TakeRowsGone(*connection));
  registry_.SetRowsGone(gone.tables);
  ARROW_ASSIGN_OR_RAISE(const auto stored, LoadViews(*connection));
  for (const auto& view : stored) ARROW_RETURN_NOT_OK(LoadView(*connection, view, gone.unknown.contains(view.base)));
  ARROW_ASSIGN_OR_RAISE(lasting_, IsLasting(*connection));
  return connection->Commit();
}

arrow::Status CommitPathImpl::InTransaction(const std::function<arrow::Status(engine::Connection&)>& work) {
  ARROW_ASSIGN_OR_RAISE(auto connection, engine_.Connect());
  ARROW_RETURN_NOT_OK(connection->Begin());
  const auto done = work(*connection);
  return done.ok() ? connection->Commit() : Abort(*connection, done);
}

arrow::Result<std::unique_ptr<CommitPath>> CommitPath::Make(engine::Engine& engine, CommitLimits limits,
                                                            const Clock* clock) {
  auto path = std::make_unique<CommitPathImpl>(engine, limits, PinBounds{}, clock);
  ARROW_RETURN_NOT_OK(path->Open());
  path->StartTimer();
  return path;
}

}  // namespace hyprstream::commit
