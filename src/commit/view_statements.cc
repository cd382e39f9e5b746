// Our DDL: materialized views created, filled and dropped, table options; see commit_path.h for the contract.
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "base/nearest_name.h"
#include "commit/commit_path_internal.h"
#include "commit/in_zone.h"

namespace hyprstream::commit {

namespace {

// Settings that change what a SELECT means, other than the time zone that its view remembers.
arrow::Status CheckSettings(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto executed,
                        connection.Run("SELECT lower(current_setting('Calendar')) <> 'gregorian', "
                                       "lower(current_setting('default_order')) NOT IN ('asc', 'ascending'), "
                                       "lower(current_setting('default_null_order')) <> 'nulls_last'"));
  ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
  int column = 0;
  for (const auto* name : {"Calendar", "default_order", "default_null_order"}) {
    ARROW_ASSIGN_OR_RAISE(const auto set, batches.at(0)->column(column++)->GetScalar(0));
    if (!static_cast<const arrow::BooleanScalar&>(*set).value) continue;
    return arrow::Status::Invalid("A materialized view's SELECT means the same to everyone, but this session has set ",
                                  name, "; RESET ", name, " first");
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<TableRef> CompleteName(engine::Connection& connection, TableRef ref, bool schema_given) {
  if (schema_given) return ref;
  ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Run("SELECT current_schema()"));
  ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
  if (batches.empty()) return arrow::Status::UnknownError("the engine does not say its current schema");
  ARROW_ASSIGN_OR_RAISE(const auto schema, batches[0]->column(0)->GetScalar(0));
  ref.schema = schema->ToString();
  return ref;
}

std::shared_ptr<ViewChanges> CommitPathImpl::ChangesOf(const MaintainedView& view) const {
  return std::make_shared<ViewChanges>(view.query, view.ends, [this] { return position(); }, clock_);
}

// ---- CREATE

arrow::Result<bool> CommitPathImpl::CreateView(engine::Connection& connection,
                                               const engine::CreateMaterializedView& create,
                                               const std::string& time_zone) {
  ARROW_ASSIGN_OR_RAISE(const auto ref, CompleteName(connection, create.view, create.schema_given));
  if (IsServersOwn(ref)) return arrow::Status::Invalid("Changing the server's own tables is not allowed here");
  auto ddl = CopyDdl(connection);
  const bool exists = ViewExists(*ddl, ref);
  if (exists && create.if_not_exists) return false;
  if (exists && !create.or_replace) {
    return arrow::Status::AlreadyExists("Materialized view ", ref.ToString(),
                                        " already exists; use CREATE OR REPLACE or IF NOT EXISTS");
  }
  if (exists) {
    ARROW_RETURN_NOT_OK(CheckSeen(*ddl, ref));
    ARROW_RETURN_NOT_OK(CheckUnread(*ddl, ref, "replaced"));
  }
  ARROW_ASSIGN_OR_RAISE(auto created, BuildView(connection, *ddl, ref, create, time_zone));
  ARROW_RETURN_NOT_OK(WriteView(connection, created, exists));
  if (exists && !ddl->created.contains(ref)) ddl->dropped.insert(ref);
  ddl->altered.erase(ref);
  ddl->refreshed.erase(ref);
  ddl->merged.erase(ref);
  ddl->created[ref] = std::move(created);
  connection.Attach(std::move(ddl));
  return true;
}

// As a transaction sees tables and views; null: as they are committed.
engine::ViewSurroundings CommitPathImpl::Surroundings(const TransactionSnapshot* ddl) const {
  return {.time_column_of =
              [this, ddl](const TableRef& table) {
                return (ddl == nullptr ? registry_.OptionsOf(table) : TableOptionsIn(*ddl, table)).time_column;
              },
          .maintained = [this, ddl](const TableRef& view) -> std::shared_ptr<const AggregateQuery> {
            if (ddl != nullptr) {
              if (const auto own = ddl->created.find(view); own != ddl->created.end()) return own->second.view->query;
              if (ddl->dropped.contains(view)) return nullptr;
            }
            const auto found = registry_.Find(view);
            return found == nullptr ? nullptr : found->query;
          }};
}

TableOptions CommitPathImpl::TableOptionsIn(const TransactionSnapshot& ddl, const TableRef& table) const {
  if (const auto own = ddl.options.find(table); own != ddl.options.end()) return own->second;
  const auto before = ddl.renamed.find(table);
  return registry_.OptionsOf(before == ddl.renamed.end() ? table : before->second);
}

arrow::Result<CreatedView> CommitPathImpl::BuildView(engine::Connection& connection, const TransactionSnapshot& ddl,
                                                     const TableRef& ref, const engine::CreateMaterializedView& create,
                                                     const std::string& time_zone) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, ParseViewOptions(connection, create.options));
  const bool backfill = parsed.backfill;
  ARROW_RETURN_NOT_OK(CheckSettings(connection));
  CreatedView created{.view = std::make_shared<MaintainedView>(), .problem = {}, .seen = nullptr};
  auto surroundings = Surroundings(&ddl);
  surroundings.maintained = [&created, find = surroundings.maintained](const TableRef& source) {
    return created.source = find(source);
  };
  ARROW_ASSIGN_OR_RAISE(auto query, engine_.AnalyzeView(connection, ref, create.select, time_zone, surroundings));
  auto& view = *created.view;
  view.query = std::make_shared<const AggregateQuery>(std::move(query));
  view.filling = true;
  ARROW_ASSIGN_OR_RAISE(view.state, aggregate::ViewState::Make(view.query));
  const auto& base = view.query->base;
  ARROW_ASSIGN_OR_RAISE(created.table_id, connection.TableId(base));
  view.options = parsed.options;
  view.partial = !backfill;
  const auto options = TableOptionsIn(ddl, base);
  std::string why;
  ARROW_ASSIGN_OR_RAISE(view.ends, WindowEnds::Make(connection, *view.query, options.time_column, why));
  if (view.ends == nullptr && view.options.NeedTime()) {
    return arrow::Status::Invalid("Materialized view ", ref.ToString(),
                                  " cannot have lateness, late or retention: ", why);
  }
  view.changes = ChangesOf(view);
  const auto committed = ddl.CommittedName(base);
  if (committed) view.lost_before = registry_.RowsBefore(*committed);
  if (backfill && committed) {
    if (const auto missing = RowsMissingFor(view, *committed); !missing.empty()) {
      ARROW_RETURN_NOT_OK(FillFromStates(connection, ddl, created, missing));
      return created;
    }
  }
  // A table that keeps no rows has nothing to wait for: the view is there, and takes rows, from now on.
  view.background = parsed.background && backfill && options.keep_rows;
  if (view.background) {
    created.problem = "it is filled after its CREATE has committed (background = true)";
    created.seen = aggregate::MakeViewSource(view.state->Pin());
    return created;
  }
  if (backfill) {
    ARROW_RETURN_NOT_OK(Fill(connection, ddl, created));
    return created;
  }
  created.seen = aggregate::MakeViewSource(view.state->Pin());
  const std::unique_lock gate(gate_);
  registry_.AddFilling(created.view);
  return created;
}

// The state gets the rows that are committed at one moment, and from that moment on what every commit adds, the
// creating transaction's own at its end included. What that transaction sees until then is folded apart.
arrow::Status CommitPathImpl::Fill(engine::Connection& connection, const TransactionSnapshot& ddl,
                                   CreatedView& created) {
  auto& view = *created.view;
  const auto& base = view.query->base;
  ARROW_ASSIGN_OR_RAISE(const auto facts, connection.Facts());
  const auto redefined = std::ranges::find_if(facts.entries, [&](const auto& entry) { return entry.entry == base; });
  const bool edited = std::ranges::any_of(facts.tables, [&](const auto& changed) { return changed.table == base; });
  const bool keeps_rows = TableOptionsIn(ddl, base).keep_rows;
  const auto committed = ddl.CommittedName(base);
  std::optional<ConnectionPool::Lease> fresh;
  std::string missing;  // the first rows may have come since it was asked, and nobody has them
  {
    const std::unique_lock gate(gate_);
    if (!keeps_rows && committed) missing = RowsMissingFor(view, *committed);
    if (keeps_rows && redefined == facts.entries.end() && registry_.RowsBefore(base) > view.lost_before) {
      return arrow::Status::Invalid("Rows of table ", base.ToString(), " have expired while materialized view ",
                                    view.query->view.ToString(), " was created; create it again");
    }
    if (keeps_rows && redefined != facts.entries.end()) {
      // Others see another table by this name, or none.
      view.refill = redefined->existed || ddl.renamed.contains(base);
    } else if (keeps_rows && (edited || position() != ddl.position())) {
      ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
      fresh.emplace(std::move(lease));
    }
    if (missing.empty()) registry_.AddFilling(created.view);
  }
  if (!missing.empty()) return FillFromStates(connection, ddl, created, missing);
  // The client's cancel interrupts its own connection only.
  const FoldBounds bounds{.state_bytes_max = limits_.state_bytes_max,
                          .stopped = [&connection] { return connection.interrupted(); }};
  ARROW_ASSIGN_OR_RAISE(const auto own, FoldTable(connection, view, nullptr, bounds));
  ARROW_ASSIGN_OR_RAISE(const auto seen, aggregate::ViewState::Make(view.query));
  seen->Merge(*own);
  created.seen = aggregate::MakeViewSource(seen->Pin());
  if (fresh.has_value()) {
    ARROW_ASSIGN_OR_RAISE(const auto committed, FoldTable(**fresh, view, nullptr, bounds));
    view.state->Merge(*committed);
  } else if (keeps_rows && redefined == facts.entries.end()) {
    view.state->Merge(*own);
  }
  return LearnEnds(connection, view);
}

arrow::Status CommitPathImpl::WriteView(engine::Connection& connection, const CreatedView& view, bool replace) {
  const auto& query = *view.view->query;
  const auto name = connection.LastingName(query.view);
  auto snapshot = std::make_shared<PinnedSnapshot>(position());
  snapshot->Add(query.view, {.source = view.seen, .problem = ""});
  auto pinned = connection.Attach(snapshot);  // DuckDB binds the view when it is created
  const auto written = [&]() -> arrow::Status {
    ARROW_RETURN_NOT_OK(StoreView(connection, {.view = query.view,
                                               .base = query.base,
                                               .source = query.source,
                                               .definition = query.definition,
                                               .time_zone = query.time_zone,
                                               .options = view.view->options,
                                               .partial = view.view->partial,
                                               .filled_from = view.view->filled_from,
                                               .lost_before = view.view->lost_before}));
    if (view.gone_state != nullptr) {
      ARROW_RETURN_NOT_OK(AddGoneState(connection, query.view, view.gone_state));
    }
    if (replace) ARROW_RETURN_NOT_OK(connection.Run("DROP VIEW IF EXISTS " + name).status());
    const auto rows =
        "SELECT * FROM view_scan(" + QuoteLiteral(query.view.schema) + ", " + QuoteLiteral(query.view.name) + ")";
    const auto& shown = query.shown_sql.empty() ? rows : query.shown_sql;
    ARROW_RETURN_NOT_OK(connection.Run("CREATE VIEW " + name + " AS " + shown).status());
    // Whether combine() finds its states shows in the whole plan only.
    return query.shown_sql.empty() ? arrow::Status::OK() : connection.Run("FROM " + name + " LIMIT 0").status();
  }();
  connection.Attach(std::move(pinned));
  return written;
}

bool CommitPathImpl::ViewExists(const TransactionSnapshot& ddl, const TableRef& view) const {
  if (ddl.created.contains(view)) return true;
  return !ddl.dropped.contains(view) && registry_.Contains(view);
}

// ---- DROP

// The materialized views whose SELECT names this one, as a transaction sees them.
std::vector<TableRef> CommitPathImpl::ReadersOf(const TransactionSnapshot& ddl, const TableRef& view) const {
  std::vector<TableRef> readers;
  for (const auto& published : registry_.Published()) {
    const auto& query = *published->query;
    const bool seen = !ddl.dropped.contains(query.view) && !ddl.created.contains(query.view);
    if (seen && query.source == view) readers.push_back(query.view);
  }
  for (const auto& [stored, problem] : registry_.Refused()) {
    const bool seen = !ddl.dropped.contains(stored.view) && !ddl.created.contains(stored.view);
    if (seen && stored.source == view) readers.push_back(stored.view);
  }
  for (const auto& [ref, created] : ddl.created) {
    if (created.view->query->source == view) readers.push_back(ref);
  }
  return readers;
}

arrow::Status CommitPathImpl::CheckUnread(const TransactionSnapshot& ddl, const TableRef& view,
                                          const std::string& what) const {
  const auto readers = ReadersOf(ddl, view);
  if (readers.empty()) return arrow::Status::OK();
  std::string names;
  for (const auto& reader : readers) names += (names.empty() ? "" : ", ") + reader.ToString();
  return arrow::Status::Invalid("Materialized view ", view.ToString(), " cannot be ", what, ": ", names,
                                readers.size() == 1 ? " reads it" : " read it",
                                "; drop what reads it first, or DROP MATERIALIZED VIEW ", view.ToString(), " CASCADE");
}

arrow::Result<bool> CommitPathImpl::DropView(engine::Connection& connection, const engine::DropMaterializedView& drop) {
  ARROW_ASSIGN_OR_RAISE(const auto ref, CompleteName(connection, drop.view, drop.schema_given));
  auto ddl = CopyDdl(connection);
  if (!ViewExists(*ddl, ref)) {
    if (drop.if_exists) return false;
    return UnknownView(ref);
  }
  if (!drop.cascade) ARROW_RETURN_NOT_OK(CheckUnread(*ddl, ref, "dropped"));
  std::vector<TableRef> going = {ref};
  while (!going.empty()) {
    const auto view = going.back();
    going.pop_back();
    ARROW_RETURN_NOT_OK(CheckSeen(*ddl, view));
    const auto readers = ReadersOf(*ddl, view);
    going.insert(going.end(), readers.begin(), readers.end());
    ARROW_RETURN_NOT_OK(RemoveView(connection, view));
    const auto name = connection.LastingName(view);
    ARROW_RETURN_NOT_OK(connection.Run("DROP VIEW IF EXISTS " + name + (drop.cascade ? " CASCADE" : "")).status());
    ddl->created.erase(view);
    ddl->altered.erase(view);
    ddl->refreshed.erase(view);
    ddl->merged.erase(view);
    ddl->dropped.insert(view);
  }
  connection.Attach(std::move(ddl));
  return true;
}

// ---- table options

arrow::Status CommitPathImpl::SetTableOptions(engine::Connection& connection,
                                              const engine::CreateTableOptions& create) {
  ARROW_ASSIGN_OR_RAISE(const auto table, CompleteName(connection, create.table, create.schema_given));
  ARROW_ASSIGN_OR_RAISE(auto options, ParseTableOptions(connection, create.options));
  ARROW_ASSIGN_OR_RAISE(const auto facts, connection.Facts());
  const auto made = std::ranges::any_of(facts.entries, [&](const auto& entry) { return entry.entry == table; });
  if (!made) return arrow::Status::OK();  // IF NOT EXISTS found one: it stays as it is
  ARROW_ASSIGN_OR_RAISE(const auto schema, connection.ArrowSchemaOf(table));
  if (!options.time_column.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.time_column, FindTimeColumn(table, *schema, options.time_column));
  }
  if (!options.keep_rows) {
    const auto constrained = connection.Run(
        "SELECT 1 FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE', "
        "'FOREIGN KEY') AND " +
        FoldedSql("schema_name") + " = " + QuoteLiteral(FoldIdentifier(table.schema)) + " AND " +
        FoldedSql("table_name") + " = " + QuoteLiteral(FoldIdentifier(table.name)));
    ARROW_RETURN_NOT_OK(constrained.status());
    ARROW_ASSIGN_OR_RAISE(const auto rows, constrained->rows->ToRecordBatches());
    if (!rows.empty()) {
      return arrow::Status::Invalid(
          "A table that keeps no rows (keep_rows = false) cannot have a key or a foreign key");
    }
  }
  ARROW_RETURN_NOT_OK(StoreTableOptions(connection, table, options));
  auto ddl = CopyDdl(connection);
  ddl->options[table] = std::move(options);
  ddl->renamed.erase(table);
  connection.Attach(std::move(ddl));
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::CarryOptions(engine::Connection& connection, const engine::Renaming& renaming) {
  const auto& table = renaming.table;
  auto ddl = CopyDdl(connection);
  ARROW_ASSIGN_OR_RAISE(const auto facts, connection.Facts());
  const bool made_here = !ddl->renamed.contains(table) && std::ranges::any_of(facts.entries, [&](const auto& entry) {
    return entry.entry == table && (!entry.existed || entry.dropped);
  });
  const auto own = ddl->options.find(table);
  auto options = own != ddl->options.end() ? own->second : made_here ? TableOptions{} : registry_.OptionsOf(table);
  const auto before = ddl->renamed.contains(table) ? ddl->renamed.at(table) : table;
  const bool is_time = FoldIdentifier(options.time_column) == FoldIdentifier(renaming.column);
  if (!renaming.column.empty() && is_time) options.time_column = renaming.name;
  const auto now = renaming.column.empty() ? TableRef{.schema = table.schema, .name = renaming.name} : table;
  ddl->options.erase(table);
  ddl->renamed.erase(table);
  if (!made_here) ddl->renamed[now] = before;
  if (options.Any()) {
    ARROW_RETURN_NOT_OK(RenameTableOptions(connection, table, now, options.time_column));
    ddl->options[now] = std::move(options);
  }
  connection.Attach(std::move(ddl));
  return arrow::Status::OK();
}

}  // namespace hyprstream::commit
