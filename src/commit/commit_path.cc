#include "commit/commit_path.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <utility>

#include "base/nearest_name.h"
#include "commit/connection_pool.h"
#include "commit/view_catalog.h"
#include "commit/view_maintenance.h"

namespace hyprstream::commit {

namespace {

using ViewMap = std::map<TableRef, std::shared_ptr<MaintainedView>>;

// The views' versions at one position.
class PinnedSnapshot : public Snapshot {
 public:
  struct Pinned {
    std::shared_ptr<TableSource> source;
    std::string problem;  // not empty: the view cannot be read
  };

  explicit PinnedSnapshot(Position position) : position_(position) {}
  void Add(const TableRef& view, Pinned pinned) { views_[view] = std::move(pinned); }

  Position position() const override { return position_; }
  arrow::Result<std::shared_ptr<TableSource>> View(const TableRef& view) const override {
    const auto found = views_.find(view);
    if (found == views_.end()) return arrow::Status::KeyError("Unknown materialized view: ", view.ToString());
    if (!found->second.problem.empty()) {
      return arrow::Status::Invalid("Materialized view ", view.ToString(), " cannot be read: ", found->second.problem);
    }
    return found->second.source;
  }

 private:
  Position position_;
  std::map<TableRef, Pinned> views_;
};

class CommitPathImpl : public CommitPath {
 public:
  CommitPathImpl(engine::Engine& engine, CommitLimits limits) : engine_(engine), limits_(limits), pool_(engine) {}

  arrow::Status Open();
  arrow::Status Begin(engine::Connection& connection) override;
  arrow::Result<CommitReceipt> Commit(engine::Connection& connection, int batches) override;
  arrow::Result<bool> CreateView(engine::Connection& connection, const engine::CreateMaterializedView& create,
                                 const std::string& time_zone) override;
  arrow::Result<bool> DropView(engine::Connection& connection, const engine::DropMaterializedView& drop) override;
  arrow::Status SetTableOptions(engine::Connection& connection, const engine::CreateTableOptions& options) override;
  arrow::Status CheckStatement(const engine::Statement& statement, const engine::PreparedInfo& info) override;
  bool IsView(const TableRef& table) const override;
  Position position() const override { return Position(position_.load()); }
  std::uint64_t catalog_version() const override { return catalog_version_.load(); }
  std::vector<TableInfo> Tables() const override;
  std::vector<ViewInfo> Views() const override;
  std::vector<WindowInfo> Windows() const override;
  arrow::Status SaveStates() override;

 private:
  // What a transaction did to views so far; published by its commit.
  struct PendingViews {
    std::map<TableRef, std::shared_ptr<MaintainedView>> created;
    std::set<TableRef> dropped;  // before anything of `created`
    Position filled_at;          // what the created states were filled from
  };

  // Everything that a commit publishes once DuckDB has committed.
  struct Staged {
    std::uint64_t registry_version = 0;
    RowChanges changes;
    std::vector<ViewDelta> deltas;
    std::vector<engine::TransactionFacts::ChangedTable> tables;
    std::optional<TableOptionsMap> options;  // when this transaction changed them
    PendingViews pending;
    bool catalog_changes = false;
  };

  struct Registry {
    std::uint64_t version;
    std::vector<std::shared_ptr<MaintainedView>> views;
  };
  Registry CurrentRegistry() const;
  std::shared_ptr<const PinnedSnapshot> Pin();
  arrow::Result<Staged> Stage(engine::Connection& connection, const engine::TransactionFacts& facts);
  arrow::Status Fold(Staged& staged);
  arrow::Status CheckStateBytes(const Staged& staged) const;
  void Publish(Staged staged, int batches);
  void PublishViews(PendingViews pending, const Staged& staged);
  PendingViews TakePending(engine::Connection& connection);
  bool ViewExists(const PendingViews& pending, const TableRef& view) const;
  void Recompute(const ViewDelta& delta);
  void Refill(MaintainedView& view);
  arrow::Status CheckCatalog(engine::Connection& connection, const PendingViews& pending);
  arrow::Status LoadView(engine::Connection& connection, const StoredView& stored);
  arrow::Result<std::shared_ptr<MaintainedView>> BuildView(engine::Connection& connection, const TableRef& view,
                                                           const std::string& select, const std::string& time_zone,
                                                           bool backfill);
  arrow::Status WriteView(engine::Connection& connection, const MaintainedView& view, bool replace);
  arrow::Status CheckRead(const TableRef& table) const;
  TableOptions OptionsOf(const TableRef& table) const;
  std::int64_t AcceptedRows(const TableRef& table) const;
  std::vector<TableRef> ViewsOf(const TableRef& table) const;
  arrow::Status Abort(engine::Connection& connection, arrow::Status why);

  engine::Engine& engine_;
  const CommitLimits limits_;
  ConnectionPool pool_;

  // The gate: exclusive for a commit's last step and for changes of the registry, shared for a moment by every read.
  mutable std::shared_mutex gate_;
  ViewMap views_;                       // changed under the exclusive gate and info_mutex_, read under either
  std::uint64_t registry_version_ = 0;  // likewise
  std::atomic<std::uint64_t> position_ = 0;
  std::atomic<std::uint64_t> catalog_version_ = 0;

  mutable std::mutex info_mutex_;  // for what is asked outside the gate; changes of views_ hold both
  TableOptionsMap options_;
  std::map<TableRef, std::int64_t> rows_accepted_;
  std::map<TableRef, std::vector<TableRef>> views_of_;
  std::map<const engine::Connection*, PendingViews> pending_;  // of open transactions

  std::mutex pin_mutex_;
  std::weak_ptr<const PinnedSnapshot> pinned_;  // shared by the readers between two commits
};

arrow::Status CommitPathImpl::Abort(engine::Connection& connection, arrow::Status why) {
  const auto rolled_back = connection.Rollback();
  if (!rolled_back.ok())
    return why.WithMessage(why.message(), " (and rolling back failed: ", rolled_back.message(), ")");
  return why;
}

// ---- opening

arrow::Status CommitPathImpl::Open() {
  engine_.SetReadCheck([this](const TableRef& table) { return CheckRead(table); });
  ARROW_ASSIGN_OR_RAISE(auto connection, engine_.Connect());
  ARROW_RETURN_NOT_OK(connection->Begin());
  ARROW_RETURN_NOT_OK(CreateCatalog(*connection));
  ARROW_ASSIGN_OR_RAISE(options_, LoadTableOptions(*connection));
  ARROW_ASSIGN_OR_RAISE(const auto stored, LoadViews(*connection));
  for (const auto& view : stored) ARROW_RETURN_NOT_OK(LoadView(*connection, view));
  return connection->Commit();
}

arrow::Status CommitPathImpl::LoadView(engine::Connection& connection, const StoredView& stored) {
  ARROW_ASSIGN_OR_RAISE(auto query, engine_.AnalyzeView(connection, stored.view, stored.definition, stored.time_zone));
  const bool rebuild = OptionsOf(query.base).keep_rows;
  ARROW_ASSIGN_OR_RAISE(auto view, BuildView(connection, stored.view, stored.definition, stored.time_zone, rebuild));
  ARROW_ASSIGN_OR_RAISE(const auto saved, TakeState(connection, stored.view));
  if (!rebuild) {
    if (saved.has_value()) {
      const auto restored = view->state->Restore(*saved);
      if (!restored.ok()) view->problem = "its saved state cannot be read: " + restored.message();
    } else {
      view->problem = "";  // the server ended without saving it: it counts from now on
    }
  }
  if (!view->problem.empty()) view->status = ViewStatus::kBroken;
  views_of_[view->query->base].push_back(stored.view);
  views_[stored.view] = std::move(view);
  return arrow::Status::OK();
}

// ---- reading

std::shared_ptr<const PinnedSnapshot> CommitPathImpl::Pin() {
  const std::lock_guard lock(pin_mutex_);
  auto pinned = pinned_.lock();
  if (pinned && pinned->position() == position()) return pinned;
  auto fresh = std::make_shared<PinnedSnapshot>(position());
  for (const auto& [ref, view] : views_) {
    fresh->Add(ref, {.source = aggregate::MakeViewSource(view->state->Pin()), .problem = view->problem});
  }
  pinned_ = fresh;
  return fresh;
}

arrow::Status CommitPathImpl::Begin(engine::Connection& connection) {
  TakePending(connection);  // of a transaction that was rolled back
  const std::shared_lock gate(gate_);
  ARROW_RETURN_NOT_OK(connection.Begin());
  connection.Attach(Pin());
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::CheckRead(const TableRef& table) const {
  if (OptionsOf(table).keep_rows) return arrow::Status::OK();
  const auto views = ViewsOf(table);
  std::string names;
  for (const auto& view : views) names += (names.empty() ? "" : ", ") + view.ToString();
  return arrow::Status::Invalid(
      "Table ", table.ToString(), " keeps no rows (keep_rows = false); ",
      names.empty() ? "it has no materialized view yet" : "ask its materialized views: " + names);
}

// ---- writing

arrow::Result<CommitPathImpl::Staged> CommitPathImpl::Stage(engine::Connection& connection,
                                                            const engine::TransactionFacts& facts) {
  Staged staged;
  staged.tables = facts.tables;
  staged.catalog_changes = facts.catalog_changes;
  staged.pending = TakePending(connection);
  const TableRef options_table{.schema = kCatalogSchema, .name = "table_options"};
  if (facts.catalog_changes) ARROW_RETURN_NOT_OK(CheckCatalog(connection, staged.pending));
  if (facts.catalog_changes ||
      std::ranges::any_of(facts.tables, [&](const auto& changed) { return changed.table == options_table; })) {
    if (facts.catalog_changes) ARROW_RETURN_NOT_OK(PruneTableOptions(connection));
    ARROW_ASSIGN_OR_RAISE(staged.options, LoadTableOptions(connection));
  }
  const auto keeps_rows = [&](const TableRef& table) {
    if (!staged.options.has_value()) return OptionsOf(table).keep_rows;
    const auto found = staged.options->find(table);
    return found == staged.options->end() || found->second.keep_rows;
  };
  const auto captured = [&](const TableRef& table) { return !ViewsOf(table).empty() || !keeps_rows(table); };
  if (std::ranges::any_of(facts.tables, [&](const auto& changed) { return captured(changed.table); })) {
    ARROW_ASSIGN_OR_RAISE(staged.changes, connection.Changes(captured));
  }
  for (const auto& changes : staged.changes) {
    if (!keeps_rows(changes.table)) {
      ARROW_RETURN_NOT_OK(connection.Run("DELETE FROM " + changes.table.ToSql()).status());
    }
  }
  ARROW_RETURN_NOT_OK(Fold(staged));
  return staged;
}

CommitPathImpl::Registry CommitPathImpl::CurrentRegistry() const {
  const std::lock_guard lock(info_mutex_);
  Registry registry{.version = registry_version_, .views = {}};
  for (const auto& [ref, view] : views_) registry.views.push_back(view);
  return registry;
}

// Views that a racing CREATE or DROP adds or takes away are noticed by the registry's version, under the gate.
arrow::Status CommitPathImpl::Fold(Staged& staged) {
  staged.deltas.clear();
  if (staged.changes.empty()) return arrow::Status::OK();
  const auto [version, views] = CurrentRegistry();
  staged.registry_version = version;
  for (const auto& changes : staged.changes) {
    for (const auto& view : views) {
      if (!(view->query->base == changes.table)) continue;
      ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
      ARROW_ASSIGN_OR_RAISE(auto delta, FoldChanges(*lease, view, changes));
      staged.deltas.push_back(std::move(delta));
    }
  }
  return arrow::Status::OK();
}

arrow::Result<CommitReceipt> CommitPathImpl::Commit(engine::Connection& connection, int batches) {
  if (!connection.in_transaction()) return arrow::Status::Invalid("No transaction is open");
  auto facts = connection.Facts();
  if (!facts.ok()) return Abort(connection, facts.status());
  if (!facts->changes) {
    ARROW_RETURN_NOT_OK(connection.Commit());
    return CommitReceipt{.position = position()};
  }
  auto staged = Stage(connection, *facts);  // outside the gate: the expensive part
  if (!staged.ok()) return Abort(connection, staged.status());
  const std::unique_lock gate(gate_);
  if (!staged->changes.empty() && staged->registry_version != registry_version_) {
    const auto folded = Fold(*staged);
    if (!folded.ok()) return Abort(connection, folded);
  }
  const auto fits = CheckStateBytes(*staged);
  if (!fits.ok()) return Abort(connection, fits);
  ARROW_RETURN_NOT_OK(connection.Commit());
  Publish(std::move(staged).ValueUnsafe(), batches);
  return CommitReceipt{.position = position()};
}

// Counts a delta's groups as if all of them were new. What takes no state in is never refused.
arrow::Status CommitPathImpl::CheckStateBytes(const Staged& staged) const {
  std::int64_t more = 0;
  for (const auto& delta : staged.deltas) more += delta.delta != nullptr ? delta.delta->bytes() : 0;
  for (const auto& [ref, view] : staged.pending.created) more += view->state->Stats().bytes;
  if (more == 0) return arrow::Status::OK();
  std::int64_t bytes = more;
  for (const auto& [ref, view] : views_) {
    if (!staged.pending.dropped.contains(ref) && !staged.pending.created.contains(ref)) {
      bytes += view->state->Stats().bytes;
    }
  }
  if (bytes <= limits_.state_bytes_max) return arrow::Status::OK();
  return arrow::Status::CapacityError("The states of materialized views would take up to ", bytes, " bytes, more than ",
                                      limits_.state_bytes_max,
                                      ", their share of memory_max; drop a view, use coarser windows or fewer keys, or "
                                      "raise memory_max");
}

void CommitPathImpl::Publish(Staged staged, int batches) {
  {
    const std::lock_guard lock(info_mutex_);
    if (staged.options.has_value()) options_ = *std::move(staged.options);
    for (const auto& changed : staged.tables) rows_accepted_[changed.table] += changed.rows_inserted;
  }
  for (const auto& delta : staged.deltas) {
    if (delta.delta != nullptr) delta.view->state->Merge(*delta.delta);
  }
  for (const auto& delta : staged.deltas) {
    if (delta.recompute) Recompute(delta);
  }
  PublishViews(std::move(staged.pending), staged);
  if (staged.catalog_changes) ++catalog_version_;
  position_ += static_cast<std::uint64_t>(std::max(batches, 1));
}

// A created view was filled from its transaction's snapshot; it is filled again when rows came in since.
void CommitPathImpl::PublishViews(PendingViews pending, const Staged& staged) {
  for (auto& [ref, view] : pending.created) {
    const auto& base = view->query->base;
    const bool changed = std::ranges::any_of(staged.tables, [&](const auto& table) { return table.table == base; });
    if (view->filled_from_table && (changed || pending.filled_at != position())) Refill(*view);
  }
  const std::lock_guard lock(info_mutex_);
  const auto forget = [&](const TableRef& ref) {
    for (auto& [table, names] : views_of_) std::erase(names, ref);
    views_.erase(ref);
  };
  for (const auto& ref : pending.dropped) forget(ref);
  for (auto& [ref, view] : pending.created) {
    forget(ref);
    views_of_[view->query->base].push_back(ref);
    views_[ref] = std::move(view);
  }
  if (!pending.dropped.empty() || !pending.created.empty()) ++registry_version_;
}

// DuckDB has committed: what cannot be recomputed now makes the view unreadable, never wrong.
void CommitPathImpl::Recompute(const ViewDelta& delta) {
  auto& view = *delta.view;
  const auto recomputed = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
    ARROW_ASSIGN_OR_RAISE(const auto fresh, FoldTable(*lease, view, delta.windows));
    return view.state->Replace(delta.windows, *fresh);
  }();
  if (recomputed.ok()) return;
  view.status = ViewStatus::kBroken;
  view.problem = "recomputing it failed (" + recomputed.message() + "); drop and create it again";
}

// For a view that nobody reads yet.
void CommitPathImpl::Refill(MaintainedView& view) {
  const auto refilled = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto state, aggregate::ViewState::Make(view.query));
    ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
    ARROW_ASSIGN_OR_RAISE(const auto delta, FoldTable(*lease, view, nullptr));
    state->Merge(*delta);
    view.state = std::move(state);
    return arrow::Status::OK();
  }();
  if (refilled.ok()) return;
  view.status = ViewStatus::kBroken;
  view.problem = "filling it failed (" + refilled.message() + "); drop and create it again";
}

// ---- views

// Filled as the connection's own transaction sees the table.
arrow::Result<std::shared_ptr<MaintainedView>> CommitPathImpl::BuildView(engine::Connection& connection,
                                                                         const TableRef& ref, const std::string& select,
                                                                         const std::string& time_zone, bool backfill) {
  ARROW_ASSIGN_OR_RAISE(auto query, engine_.AnalyzeView(connection, ref, select, time_zone));
  auto view = std::make_shared<MaintainedView>();
  view->query = std::make_shared<const AggregateQuery>(std::move(query));
  ARROW_ASSIGN_OR_RAISE(view->state, aggregate::ViewState::Make(view->query));
  const auto& base = view->query->base;
  view->filled_from_table = backfill && OptionsOf(base).keep_rows;
  if (!backfill) return view;
  if (!view->filled_from_table) {
    if (AcceptedRows(base) == 0) return view;
    return arrow::Status::Invalid("Table ", base.ToString(),
                                  " no longer has the rows it accepted (keep_rows = false); create the view WITH "
                                  "(backfill = false) to count from now on");
  }
  ARROW_ASSIGN_OR_RAISE(const auto delta, FoldTable(connection, *view, nullptr));
  view->state->Merge(*delta);
  return view;
}

arrow::Status CommitPathImpl::WriteView(engine::Connection& connection, const MaintainedView& view, bool replace) {
  const auto& query = *view.query;
  auto snapshot = std::make_shared<PinnedSnapshot>(position());
  snapshot->Add(query.view, {.source = aggregate::MakeViewSource(view.state->Pin()), .problem = ""});
  auto pinned = connection.Attach(snapshot);  // DuckDB binds the view when it is created
  ARROW_RETURN_NOT_OK(
      StoreView(connection, {.view = query.view, .definition = query.definition, .time_zone = query.time_zone}));
  if (replace) ARROW_RETURN_NOT_OK(connection.Run("DROP VIEW IF EXISTS " + query.view.ToSql()).status());
  auto created = connection.Run("CREATE VIEW " + query.view.ToSql() + " AS SELECT * FROM view_scan(" +
                                QuoteLiteral(query.view.schema) + ", " + QuoteLiteral(query.view.name) + ")");
  connection.Attach(std::move(pinned));
  return created.status();
}

arrow::Result<bool> CommitPathImpl::CreateView(engine::Connection& connection,
                                               const engine::CreateMaterializedView& create,
                                               const std::string& time_zone) {
  bool backfill = true;
  for (const auto& [name, value] : create.options) {
    if (name == "backfill") {
      backfill = FoldIdentifier(value) != "false";
    } else if (name == "retention" || name == "lateness" || name == "late" || name == "write_through") {
      return arrow::Status::NotImplemented("View option ", name, " is not available in this version; leave it out");
    } else {
      return arrow::Status::Invalid("Unknown view option: ", name,
                                    DidYouMean(name, std::vector<std::string>{"backfill"}));
    }
  }
  auto pending = TakePending(connection);
  auto pinned = connection.Attach(nullptr);
  const Position filled_at = pinned ? pinned->position() : Position();
  connection.Attach(std::move(pinned));
  const bool exists = ViewExists(pending, create.view);
  const auto made = [&]() -> arrow::Result<bool> {
    if (exists && create.if_not_exists) return false;
    if (exists && !create.or_replace) {
      return arrow::Status::AlreadyExists("Materialized view ", create.view.ToString(),
                                          " already exists; use CREATE OR REPLACE or IF NOT EXISTS");
    }
    ARROW_ASSIGN_OR_RAISE(auto view, BuildView(connection, create.view, create.select, time_zone, backfill));
    ARROW_RETURN_NOT_OK(WriteView(connection, *view, exists));
    pending.created[create.view] = std::move(view);
    pending.filled_at = filled_at;
    return true;
  }();
  const std::lock_guard lock(info_mutex_);
  pending_[&connection] = std::move(pending);
  return made;
}

arrow::Result<bool> CommitPathImpl::DropView(engine::Connection& connection, const engine::DropMaterializedView& drop) {
  auto pending = TakePending(connection);
  const auto dropped = [&]() -> arrow::Result<bool> {
    if (!ViewExists(pending, drop.view)) {
      if (drop.if_exists) return false;
      std::vector<std::string> names;
      for (const auto& view : CurrentRegistry().views) names.push_back(view->query->view.ToString());
      return arrow::Status::KeyError("Unknown materialized view: ", drop.view.ToString(),
                                     DidYouMean(drop.view.ToString(), names));
    }
    ARROW_RETURN_NOT_OK(RemoveView(connection, drop.view));
    ARROW_RETURN_NOT_OK(
        connection.Run("DROP VIEW IF EXISTS " + drop.view.ToSql() + (drop.cascade ? " CASCADE" : "")).status());
    pending.created.erase(drop.view);
    pending.dropped.insert(drop.view);
    return true;
  }();
  const std::lock_guard lock(info_mutex_);
  pending_[&connection] = std::move(pending);
  return dropped;
}

CommitPathImpl::PendingViews CommitPathImpl::TakePending(engine::Connection& connection) {
  const std::lock_guard lock(info_mutex_);
  const auto found = pending_.find(&connection);
  if (found == pending_.end()) return {};
  auto pending = std::move(found->second);
  pending_.erase(found);
  return pending;
}

bool CommitPathImpl::ViewExists(const PendingViews& pending, const TableRef& view) const {
  if (pending.created.contains(view)) return true;
  if (pending.dropped.contains(view)) return false;
  const std::lock_guard lock(info_mutex_);
  return views_.contains(view);
}

// After DDL in a transaction: every view's table and definition must mean what they meant.
arrow::Status CommitPathImpl::CheckCatalog(engine::Connection& connection, const PendingViews& pending) {
  for (const auto& view : CurrentRegistry().views) {
    const auto& query = *view->query;
    const auto& ref = query.view;
    if (pending.dropped.contains(ref) || pending.created.contains(ref)) continue;
    const auto again = engine_.AnalyzeView(connection, ref, query.definition, query.time_zone);
    if (!again.ok() || !again->evaluated_schema->Equals(*query.evaluated_schema)) {
      return arrow::Status::Invalid("Table ", query.base.ToString(), " is read by materialized view ", ref.ToString(),
                                    "; DROP MATERIALIZED VIEW ", ref.ToString(), " first");
    }
    const auto alive =
        connection.Run("SELECT 1 FROM duckdb_views() WHERE lower(schema_name) = lower(" + QuoteLiteral(ref.schema) +
                       ") AND lower(view_name) = lower(" + QuoteLiteral(ref.name) + ")");
    ARROW_RETURN_NOT_OK(alive.status());
    ARROW_ASSIGN_OR_RAISE(const auto rows, alive->rows->ToRecordBatches());
    if (rows.empty()) {
      return arrow::Status::Invalid(ref.ToString(), " is a materialized view; use DROP MATERIALIZED VIEW ",
                                    ref.ToString());
    }
  }
  return arrow::Status::OK();
}

// ---- statements

arrow::Status CommitPathImpl::SetTableOptions(engine::Connection& connection,
                                              const engine::CreateTableOptions& create) {
  ARROW_ASSIGN_OR_RAISE(auto options, ParseTableOptions(create.options));
  ARROW_ASSIGN_OR_RAISE(const auto schema, connection.ArrowSchemaOf(create.table));
  if (!options.time_column.empty()) {
    const auto names = schema->field_names();
    const auto found = std::ranges::find_if(
        names, [&](const auto& name) { return FoldIdentifier(name) == FoldIdentifier(options.time_column); });
    if (found == names.end()) {
      return arrow::Status::Invalid("The event-time column ", options.time_column, " is not a column of ",
                                    create.table.ToString(), DidYouMean(options.time_column, names));
    }
    const auto type = schema->field(static_cast<int>(found - names.begin()))->type();
    if (type->id() != arrow::Type::TIMESTAMP && type->id() != arrow::Type::DATE32) {
      return arrow::Status::Invalid("The event-time column ", *found, " must be a TIMESTAMP, TIMESTAMPTZ or DATE, not ",
                                    type->ToString());
    }
    options.time_column = *found;
  }
  if (!options.keep_rows) {
    const auto constrained = connection.Run(
        "SELECT 1 FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE', "
        "'FOREIGN KEY') AND lower(schema_name) = lower(" +
        QuoteLiteral(create.table.schema) + ") AND lower(table_name) = lower(" + QuoteLiteral(create.table.name) + ")");
    ARROW_RETURN_NOT_OK(constrained.status());
    ARROW_ASSIGN_OR_RAISE(const auto rows, constrained->rows->ToRecordBatches());
    if (!rows.empty()) {
      return arrow::Status::Invalid(
          "A table that keeps no rows (keep_rows = false) cannot have a key or a foreign key");
    }
  }
  return StoreTableOptions(connection, create.table, options);
}

arrow::Status CommitPathImpl::CheckStatement(const engine::Statement& statement, const engine::PreparedInfo& info) {
  using engine::StatementKind;
  for (const auto& table : info.writes) {
    const bool edits = statement.kind() == StatementKind::kUpdate || statement.kind() == StatementKind::kDelete ||
                       statement.kind() == StatementKind::kMerge;
    if (edits && !OptionsOf(table).keep_rows) {
      return arrow::Status::Invalid("Table ", table.ToString(),
                                    " keeps no rows (keep_rows = false), so they can neither be changed nor deleted");
    }
    const bool redefines = statement.kind() == StatementKind::kDrop || statement.kind() == StatementKind::kAlter ||
                           statement.kind() == StatementKind::kCreate;
    const auto views = ViewsOf(table);
    if (redefines && !views.empty() && statement.kind() != StatementKind::kAlter) {
      return arrow::Status::Invalid("Table ", table.ToString(), " is read by materialized view ", views[0].ToString(),
                                    "; DROP MATERIALIZED VIEW ", views[0].ToString(), " first");
    }
  }
  return arrow::Status::OK();
}

// ---- information

TableOptions CommitPathImpl::OptionsOf(const TableRef& table) const {
  const std::lock_guard lock(info_mutex_);
  const auto found = options_.find(table);
  return found == options_.end() ? TableOptions{} : found->second;
}

std::int64_t CommitPathImpl::AcceptedRows(const TableRef& table) const {
  const std::lock_guard lock(info_mutex_);
  const auto found = rows_accepted_.find(table);
  return found == rows_accepted_.end() ? 0 : found->second;
}

std::vector<TableRef> CommitPathImpl::ViewsOf(const TableRef& table) const {
  const std::lock_guard lock(info_mutex_);
  const auto found = views_of_.find(table);
  return found == views_of_.end() ? std::vector<TableRef>{} : found->second;
}

bool CommitPathImpl::IsView(const TableRef& table) const {
  const std::lock_guard lock(info_mutex_);
  return views_.contains(table);
}

std::vector<TableInfo> CommitPathImpl::Tables() const {
  const std::lock_guard lock(info_mutex_);
  std::map<TableRef, TableInfo> tables;
  for (const auto& [table, options] : options_) tables[table].options = options;
  for (const auto& [table, rows] : rows_accepted_) {
    if (table.schema != kCatalogSchema) tables[table].rows_accepted = rows;
  }
  for (const auto& [table, views] : views_of_) tables[table].views = views;
  std::vector<TableInfo> infos;
  for (auto& [table, info] : tables) {
    info.table = table;
    infos.push_back(std::move(info));
  }
  return infos;
}

std::vector<ViewInfo> CommitPathImpl::Views() const {
  const std::shared_lock gate(gate_);
  std::vector<ViewInfo> infos;
  for (const auto& [ref, view] : views_) {
    const auto stats = view->state->Stats();
    infos.push_back({.view = ref,
                     .base = view->query->base,
                     .definition = view->query->definition,
                     .status = view->status,
                     .problem = view->problem,
                     .windows = stats.windows,
                     .groups = stats.groups,
                     .rows = stats.rows,
                     .bytes = stats.bytes});
  }
  return infos;
}

std::vector<WindowInfo> CommitPathImpl::Windows() const {
  const std::shared_lock gate(gate_);
  std::vector<WindowInfo> infos;
  for (const auto& [ref, view] : views_) {
    for (const auto& window : view->state->Windows()) {
      infos.push_back(
          {.view = ref, .window = window.window, .groups = window.groups, .rows = window.rows, .bytes = window.bytes});
    }
  }
  return infos;
}

arrow::Status CommitPathImpl::SaveStates() {
  const std::unique_lock gate(gate_);
  ARROW_ASSIGN_OR_RAISE(auto connection, engine_.Connect());
  ARROW_RETURN_NOT_OK(connection->Begin());
  for (const auto& [ref, view] : views_) {
    if (OptionsOf(view->query->base).keep_rows || view->status == ViewStatus::kBroken) continue;
    ARROW_ASSIGN_OR_RAISE(const auto state, view->state->Serialize());
    ARROW_RETURN_NOT_OK(StoreState(*connection, ref, state));
  }
  return connection->Commit();
}

}  // namespace

arrow::Result<std::unique_ptr<CommitPath>> CommitPath::Make(engine::Engine& engine, CommitLimits limits) {
  auto path = std::make_unique<CommitPathImpl>(engine, limits);
  ARROW_RETURN_NOT_OK(path->Open());
  return path;
}

}  // namespace hyprstream::commit
