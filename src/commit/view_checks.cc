// What a commit may not do to views and their tables: what each must still mean when it is published.
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>

#include "commit/commit_path_internal.h"
#include "commit/in_zone.h"

namespace hyprstream::commit {

namespace {

arrow::Status ReadBy(const TableRef& base, const TableRef& view, const std::string& why = "") {
  return arrow::Status::Invalid("Table ", base.ToString(), " is read by materialized view ", view.ToString(),
                                "; DROP MATERIALIZED VIEW ", view.ToString(), " first",
                                why.empty() ? "" : " (" + why + ")");
}

arrow::Status ReadBy(const AggregateQuery& query, const std::string& why = "") {
  return ReadBy(query.base, query.view, why);
}

arrow::Status UseOurDrop(const TableRef& view) {
  return arrow::Status::Invalid(view.ToString(), " is a materialized view; use DROP MATERIALIZED VIEW ",
                                view.ToString());
}

// A column that the view reads and the transaction took away, even if another has its name now; empty: none.
std::string LostColumn(const AggregateQuery& query, const engine::TransactionFacts::ChangedEntry& entry) {
  for (const auto& lost : entry.lost_columns) {
    const auto same = [&](const auto& read) { return FoldIdentifier(read) == FoldIdentifier(lost); };
    if (std::ranges::any_of(query.base_columns, same)) return lost;
  }
  return "";
}

}  // namespace

arrow::Status CommitPathImpl::CheckCatalog(engine::Connection& connection, const Staged& staged) {
  const auto changed = [&](const TableRef& ref) {
    const auto found =
        std::ranges::find_if(staged.facts.entries, [&](const auto& entry) { return entry.entry == ref; });
    return found == staged.facts.entries.end() ? nullptr : &*found;
  };
  if (staged.facts.entries.empty()) return arrow::Status::OK();
  for (const auto& view : registry_.Published()) {
    const auto& query = *view->query;
    if (staged.ddl->dropped.contains(query.view) || staged.ddl->created.contains(query.view)) continue;
    if (staged.ddl->dropped.contains(query.source)) {  // by who did not see that this view reads it
      return arrow::Status::Invalid("Materialized view ", query.source.ToString(), " is read by ",
                                    query.view.ToString(), "; drop that first");
    }
    if (const auto* entry = changed(query.view); entry != nullptr && entry->dropped) {
      return UseOurDrop(query.view);
    }
    const auto* entry = changed(query.base);
    if (entry == nullptr) continue;
    if (entry->dropped) return ReadBy(query);
    ARROW_RETURN_NOT_OK(CheckDefinition(connection, query));
    if (const auto lost = LostColumn(query, *entry); !lost.empty()) return ReadBy(query, "it reads column " + lost);
  }
  for (const auto& [stored, problem] : registry_.Refused()) {  // for who can read it
    if (staged.ddl->dropped.contains(stored.view)) continue;
    if (const auto* entry = changed(stored.view); entry != nullptr && entry->dropped) return UseOurDrop(stored.view);
    const auto* entry = changed(stored.base);
    const bool lost = entry != nullptr && (entry->dropped || !entry->lost_columns.empty());
    if (lost) return ReadBy(stored.base, stored.view, "which cannot be read: " + problem);
  }
  for (const auto& [ref, created] : staged.ddl->created) {
    const auto& query = *created.view->query;
    const auto* entry = changed(query.base);
    if (entry == nullptr) continue;
    ARROW_RETURN_NOT_OK(CheckDefinition(connection, query));
    if (entry->dropped && !KeepsRows(staged, query.base)) {
      ARROW_ASSIGN_OR_RAISE(const auto id, connection.TableId(query.base));
      if (id != created.table_id) return ReadBy(query, "it was made anew after the view");
    }
    if (LostColumn(query, *entry).empty()) continue;
    // Before the view was made or after it: the rows tell, where there are any.
    if (!KeepsRows(staged, query.base)) return ReadBy(query, "it was altered in the transaction that creates the view");
    created.view->refill = true;
  }
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::CheckDefinition(engine::Connection& connection, const AggregateQuery& query) {
  auto surroundings = Surroundings(nullptr);
  surroundings.time_column_of = [&](const TableRef&) { return query.time_column; };
  const auto again = InZone(connection, query.time_zone, [&] {
    return engine_.AnalyzeView(connection, query.view, query.definition, query.time_zone, surroundings, query.source);
  });
  if (!again.ok()) return ReadBy(query, again.status().message());
  const bool same_types =
      again->evaluated_schema->Equals(*query.evaluated_schema) && again->output_types == query.output_types;
  if (!same_types) return ReadBy(query);
  // A column takes the place of an alias of its name.
  const bool same_meaning = again->key_sql == query.key_sql && again->argument_sql == query.argument_sql &&
                            again->where_sql == query.where_sql && again->time_sql == query.time_sql;
  if (!same_meaning) return ReadBy(query, "its SELECT would mean something else, by a name that is an alias in it");
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::CheckCreated(const Staged& staged) {
  for (const auto& [ref, created] : staged.ddl->created) {
    ARROW_RETURN_NOT_OK(CheckFilledFromStates(staged, created));
    ARROW_RETURN_NOT_OK(CheckToBeFilled(staged, created));
    if (created.view->fill_problem.empty()) continue;
    return arrow::Status::Invalid("Materialized view ", ref.ToString(),
                                  " cannot take a row that came while it was filled: ", created.view->fill_problem);
  }
  if (staged.ddl->created.empty() || position() == staged.read_at) return arrow::Status::OK();
  for (const auto& [ref, created] : staged.ddl->created) ARROW_RETURN_NOT_OK(CheckMadeOf(staged, created));
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::CheckToBeFilled(const Staged& staged, const CreatedView& created) const {
  const auto& view = *created.view;
  const auto committed = staged.ddl->CommittedName(view.query->base);
  if (!view.background || !committed || registry_.RowsBefore(*committed) <= view.lost_before) {
    return arrow::Status::OK();
  }
  return arrow::Status::Invalid("Rows of table ", view.query->base.ToString(), " have expired while materialized view ",
                                view.query->view.ToString(), " was created; create it again");
}

arrow::Status CommitPathImpl::CheckMadeOf(const Staged& staged, const CreatedView& created) {
  const auto& query = *created.view->query;
  const auto changed = [&](const std::string& what, const TableRef& which) {
    return arrow::Status::Invalid(what, " ", which.ToString(), " was changed while materialized view ",
                                  query.view.ToString(), " was created on it; create it again");
  };
  if (created.source != nullptr && !staged.ddl->created.contains(query.source)) {
    const auto source = registry_.Find(query.source);
    if (source == nullptr || source->query != created.source) return changed("Materialized view", query.source);
  }
  const auto entry =
      std::ranges::find_if(staged.facts.entries, [&](const auto& each) { return each.entry == query.base; });
  if (entry == staged.facts.entries.end()) {
    ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
    const auto id = lease->TableId(query.base);
    const bool same = id.ok() && *id == created.table_id && registry_.AlteredAt(query.base) <= staged.read_at;
    if (!same) return changed("Table", query.base);
    return CheckDefinition(*lease, query).ok() ? arrow::Status::OK() : changed("Table", query.base);
  }
  // Others' rows go by the names that they know, into another table than the view's or into none of its views.
  const bool known_otherwise =
      entry->dropped || staged.ddl->renamed.contains(query.base) || !entry->lost_columns.empty();
  const auto committed = staged.ddl->CommittedName(query.base).value_or(query.base);
  if (!known_otherwise || created.view->refill || registry_.ChangedAt(committed) <= staged.read_at) {
    return arrow::Status::OK();
  }
  return arrow::Status::Invalid("Rows came into table ", committed.ToString(),
                                " by its committed name while the transaction that has dropped, renamed or altered it "
                                "created materialized view ",
                                query.view.ToString(), "; COMMIT the one before the other");
}

arrow::Status CommitPathImpl::CheckTimeColumns(engine::Connection& connection, const Staged& staged) {
  if (!staged.options.has_value()) return arrow::Status::OK();
  for (const auto& entry : staged.facts.entries) {
    const auto options = staged.options->find(entry.entry);
    if (!entry.exists || options == staged.options->end() || options->second.time_column.empty()) continue;
    ARROW_ASSIGN_OR_RAISE(const auto schema, connection.ArrowSchemaOf(entry.entry));
    const auto& column = options->second.time_column;
    if (FindTimeColumn(entry.entry, *schema, column).ok()) continue;
    return arrow::Status::Invalid("Column ", column, " of table ", entry.entry.ToString(),
                                  " is its event time (time = '", column,
                                  "'): it can neither be dropped nor be made another type than TIMESTAMP, ",
                                  "TIMESTAMPTZ or DATE; make another table without it and move the rows there");
  }
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::CheckStatement(const engine::Statement& statement, const engine::PreparedInfo& info) {
  using engine::StatementKind;
  for (const auto& table : info.writes) {
    // Of those that are read first the gate has said so.
    const bool edits = statement.kind() == StatementKind::kUpdate || statement.kind() == StatementKind::kDelete ||
                       statement.kind() == StatementKind::kMerge;
    if (edits && !registry_.OptionsOf(table).keep_rows) {
      return arrow::Status::Invalid("Table ", table.ToString(),
                                    " keeps no rows (keep_rows = false), so they can neither be changed nor deleted");
    }
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::commit
