#include "commit/view_maintenance.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <utility>

#include "commit/in_zone.h"

namespace hyprstream::commit {

namespace {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

// `SELECT keys, arguments FROM <from> [WHERE ...]`; the columns are named by position, since expressions may repeat.
std::string EvaluationSql(const AggregateQuery& query, const std::string& from, const std::string& extra_where) {
  std::string sql = "SELECT ";
  int column = 0;
  for (const auto* expressions : {&query.key_sql, &query.argument_sql}) {
    for (const auto& expression : *expressions) {
      const bool is_time = query.fixed_window && column == query.window_key;
      if (column > 0) sql += ", ";
      sql += "(" + (is_time ? query.time_sql : expression) + ") AS c" + std::to_string(column++);
    }
  }
  if (column == 0) sql += "1 AS c0";  // count(*) over everything: only the number of rows matters
  sql += " FROM " + from;
  std::string where = query.where_sql.empty() ? "" : "(" + query.where_sql + ")";
  if (!extra_where.empty()) where += (where.empty() ? "" : " AND ") + extra_where;
  if (!where.empty()) sql += " WHERE " + where;
  return sql;
}

std::string WindowSql(const AggregateQuery& query) { return query.key_sql[static_cast<std::size_t>(query.window_key)]; }

// Relabels evaluated columns with the schema that the states expect. Their types are the same, unless a setting has
// changed what an expression means since the view was created.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> Relabel(const AggregateQuery& query,
                                                           const arrow::RecordBatch& evaluated) {
  const auto columns = query.evaluated_schema->num_fields() == 0 ? arrow::ArrayVector{} : evaluated.columns();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& type = query.evaluated_schema->field(static_cast<int>(i))->type();
    if (columns[i]->type()->Equals(type)) continue;
    return arrow::Status::Invalid("Materialized view ", query.view.ToString(), " expects ", type->ToString(),
                                  " where its SELECT now gives ", columns[i]->type()->ToString());
  }
  return arrow::RecordBatch::Make(query.evaluated_schema, evaluated.num_rows(), columns);
}

// A session's keys as the states have them, and again so that DuckDB can compare them with those of other rows.
std::vector<std::string> SessionKeys(const AggregateQuery& query) {
  std::vector<std::string> keys;
  for (int key = 0; key < query.key_count(); ++key) {
    if (key != query.window_key) keys.push_back("(" + query.key_sql[static_cast<std::size_t>(key)] + ")");
  }
  const auto count = keys.size();
  for (std::size_t key = 0; key < count; ++key) keys.push_back("hyprstream_order_key(" + keys[key] + ")");
  return keys;
}

// What is to be recomputed: the window, or the keys of a session.
std::string TouchedSql(const AggregateQuery& query) {
  if (!query.session_gap) return "(" + WindowSql(query) + ") AS w";
  std::string sql;
  int column = 0;
  for (const auto& key : SessionKeys(query)) {
    sql += (column == 0 ? "" : ", ") + key + " AS k" + std::to_string(column);
    ++column;
  }
  return sql;
}

// A condition on rows: they are among what TouchedSql() has given.
std::string AmongTouched(const AggregateQuery& query) {
  const auto touched = [](const std::string& condition) {
    return "EXISTS (SELECT 1 FROM hyprstream_input() AS hyprstream_touched WHERE " + condition + ")";
  };
  if (!query.session_gap) return touched("hyprstream_touched.w IS NOT DISTINCT FROM (" + WindowSql(query) + ")");
  const auto keys = SessionKeys(query);
  std::string condition;
  for (auto key = keys.size() / 2; key < keys.size(); ++key) {
    condition += (condition.empty() ? "" : " AND ") + ("hyprstream_touched.k" + std::to_string(key)) +
                 " IS NOT DISTINCT FROM " + keys[key];
  }
  return touched(condition);
}

// The windows that old and new images fall into.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> TouchedWindows(engine::Connection& connection,
                                                                  const AggregateQuery& query,
                                                                  const TableChanges& changes) {
  Batches images = changes.removed;
  images.insert(images.end(), changes.updated.begin(), changes.updated.end());
  // Rows that the view leaves out have no window in it, and its expressions need not hold for them.
  const std::string sql = "SELECT DISTINCT " + TouchedSql(query) + " FROM hyprstream_input() AS " +
                          QuoteIdentifier(query.alias) + (query.where_sql.empty() ? "" : " WHERE " + query.where_sql);
  ARROW_ASSIGN_OR_RAISE(const auto windows, connection.Evaluate(sql, changes.schema, images));
  if (windows.empty()) {
    const auto& key = query.evaluated_schema->field(query.window_key);
    return arrow::RecordBatch::MakeEmpty(arrow::schema({arrow::field("w", key->type())}));
  }
  ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches(windows));
  return table->CombineChunksToBatch();
}

// How many of `images` the view takes into which windows.
arrow::Result<std::vector<WindowOfRows>> CountWindows(engine::Connection& connection, const MaintainedView& view,
                                                      const TableChanges& changes, const Batches& images) {
  const auto& query = *view.query;
  const std::string sql = "SELECT (" + WindowSql(query) + ") AS w, count(*) FROM hyprstream_input() AS " +
                          QuoteIdentifier(query.alias) + (query.where_sql.empty() ? "" : " WHERE " + query.where_sql) +
                          " GROUP BY 1";
  ARROW_ASSIGN_OR_RAISE(const auto counted, InZone(connection, query.time_zone,
                                                   [&] { return connection.Evaluate(sql, changes.schema, images); }));
  std::vector<WindowOfRows> windows;
  for (const auto& batch : counted) {
    ARROW_ASSIGN_OR_RAISE(const auto column, batch->SelectColumns({0}));
    ARROW_ASSIGN_OR_RAISE(const auto starts, view.state->StartsOf(column));
    const auto& rows = static_cast<const arrow::Int64Array&>(*batch->column(1));
    for (std::int64_t i = 0; i < batch->num_rows(); ++i) {
      windows.push_back({.window = starts[static_cast<std::size_t>(i)], .end = {}, .rows = rows.Value(i)});
    }
  }
  return windows;
}

arrow::Status FindEnds(engine::Connection& connection, WindowEnds& ends, std::vector<WindowOfRows>& windows) {
  std::vector<aggregate::WindowStart> starts;
  starts.reserve(windows.size());
  for (const auto& rows : windows) starts.push_back(rows.window);
  ARROW_RETURN_NOT_OK(ends.Learn(connection, starts));
  for (auto& rows : windows) rows.end = ends.EndOf(rows.window);
  return arrow::Status::OK();
}

// A statement whose rows are evaluated rows, and what its hyprstream_input() shows.
struct Evaluation {
  std::string sql;
  std::shared_ptr<arrow::Schema> schema;
  const Batches& input;
};

// Batch by batch: neither the rows nor what they evaluate to need fit into memory.
arrow::Result<std::unique_ptr<aggregate::Delta>> FoldEvaluated(engine::Connection& connection,
                                                               const MaintainedView& view, const Evaluation& evaluation,
                                                               const FoldBounds& bounds) {
  const auto& query = *view.query;
  const auto builder = view.state->BuildDelta();
  constexpr int kBatchesPerCheck = 8;
  int batches = 0;
  const auto add = [&](const std::shared_ptr<arrow::RecordBatch>& evaluated) -> arrow::Status {
    if (bounds.stopped && bounds.stopped()) return arrow::Status::Cancelled("Filling the view was cancelled");
    ARROW_ASSIGN_OR_RAISE(const auto batch, Relabel(query, *evaluated));
    ARROW_RETURN_NOT_OK(builder->Add(batch));
    if (bounds.folded) bounds.folded(batch->num_rows());
    if (++batches % kBatchesPerCheck != 0) return arrow::Status::OK();
    const auto bytes = builder->bytes();
    if (bytes <= bounds.state_bytes_max) return arrow::Status::OK();
    return StatesTooLarge(bytes, bounds.state_bytes_max,
                          "those that " + query.view.ToString() + " is being filled with");
  };
  ARROW_RETURN_NOT_OK(InZone(connection, query.time_zone, [&] {
    return connection.EvaluateEach(evaluation.sql, evaluation.schema, evaluation.input, add);
  }));
  return builder->Finish();
}

// The evaluated batches as columns of the rows themselves; nullopt where something is to be evaluated.
std::optional<Batches> TakeColumns(const AggregateQuery& query, const TableChanges& changes) {
  const auto& expected = *query.evaluated_schema;
  if (!query.where_sql.empty() || query.plain_columns.size() != static_cast<std::size_t>(expected.num_fields())) {
    return std::nullopt;
  }
  std::vector<int> columns;
  arrow::FieldVector fields;
  for (std::size_t i = 0; i < query.plain_columns.size(); ++i) {
    const auto& name = query.plain_columns[i];
    const auto& given = changes.schema->fields();
    const auto found = std::ranges::find_if(
        given, [&](const auto& field) { return FoldIdentifier(field->name()) == FoldIdentifier(name); });
    if (name.empty() || found == given.end()) return std::nullopt;
    if (!aggregate::FoldsAs(*expected.field(static_cast<int>(i))->type(), *(*found)->type())) return std::nullopt;
    columns.push_back(static_cast<int>(found - given.begin()));
    fields.push_back(*found);
  }
  const auto schema = arrow::schema(std::move(fields));
  Batches taken;
  for (const auto& batch : changes.inserted) {
    arrow::ArrayVector arrays;
    for (const int column : columns) arrays.push_back(batch->column(column));
    taken.push_back(arrow::RecordBatch::Make(schema, batch->num_rows(), std::move(arrays)));
  }
  return taken;
}

arrow::Result<std::unique_ptr<aggregate::Delta>> FoldImages(engine::Connection& connection, const MaintainedView& view,
                                                            const std::shared_ptr<arrow::Schema>& schema,
                                                            const Batches& images) {
  const auto& query = *view.query;
  const Evaluation evaluation{.sql = EvaluationSql(query, "hyprstream_input() AS " + QuoteIdentifier(query.alias), ""),
                              .schema = schema,
                              .input = images};
  return FoldEvaluated(connection, view, evaluation, {});
}

arrow::Result<std::unique_ptr<aggregate::Delta>> FoldInserted(engine::Connection& connection,
                                                              const MaintainedView& view, const TableChanges& changes,
                                                              std::span<const ViewDelta> folded) {
  for (const ViewDelta& other : folded) {
    if (other.delta == nullptr) continue;
    if (auto delta = view.state->FoldFrom(*other.view->state, *other.delta); delta != nullptr) return delta;
  }
  if (const auto taken = TakeColumns(*view.query, changes)) return view.state->Fold(*taken);
  return FoldImages(connection, view, changes.schema, changes.inserted);
}

// Which windows the rows of a commit are in, and when these end.
arrow::Status PlaceRows(engine::Connection& connection, const TableChanges& changes, ViewDelta& delta) {
  auto& view = *delta.view;
  if (view.ends == nullptr) return arrow::Status::OK();
  if (view.query->session_gap) {  // which sessions, is known under the gate
    if (changes.updated.empty()) return arrow::Status::OK();
    return FoldImages(connection, view, changes.schema, changes.updated).Value(&delta.changed_rows);
  }
  if (delta.delta != nullptr) {
    for (const auto& rows : delta.delta->Windows()) {
      delta.inserted.push_back({.window = rows.window, .end = {}, .rows = rows.rows});
    }
  }
  if (!changes.updated.empty()) {
    ARROW_ASSIGN_OR_RAISE(delta.changed, CountWindows(connection, view, changes, changes.updated));
  }
  if (delta.windows != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const auto starts, view.state->StartsOf(delta.windows));
    for (const auto& start : starts) delta.touched.push_back({.window = start, .end = {}, .rows = 0});
  }
  for (const auto* images : {delta.removed.get(), delta.updated.get()}) {
    if (images == nullptr) continue;
    for (const auto& rows : images->Windows()) delta.touched.push_back({.window = rows.window, .end = {}, .rows = 0});
  }
  for (auto* windows : {&delta.inserted, &delta.changed, &delta.touched}) {
    ARROW_RETURN_NOT_OK(FindEnds(connection, *view.ends, *windows));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<ViewDelta> FoldChanges(engine::Connection& connection, std::shared_ptr<MaintainedView> view,
                                     const TableChanges& changes, std::span<const ViewDelta> folded) {
  const auto& query = *view->query;
  ViewDelta delta{.view = view, .delta = nullptr, .windows = nullptr};
  if (!changes.inserted.empty()) {
    ARROW_ASSIGN_OR_RAISE(delta.delta, FoldInserted(connection, *view, changes, folded));
  }
  if (!changes.removed.empty() && view->has_all && !view->filling && view->state->can_subtract()) {
    ARROW_ASSIGN_OR_RAISE(delta.removed, FoldImages(connection, *view, changes.schema, changes.removed));
    if (!changes.updated.empty()) {
      ARROW_ASSIGN_OR_RAISE(delta.updated, FoldImages(connection, *view, changes.schema, changes.updated));
    }
  } else if (!changes.removed.empty()) {
    delta.recompute = true;
    const bool in_parts = query.window_key >= 0 && !(query.session_gap && query.key_count() == 1);
    if (in_parts) {
      ARROW_ASSIGN_OR_RAISE(delta.windows, InZone(connection, query.time_zone,
                                                  [&] { return TouchedWindows(connection, query, changes); }));
      delta.recompute = delta.windows->num_rows() > 0;
    }
  }
  ARROW_RETURN_NOT_OK(PlaceRows(connection, changes, delta));
  return delta;
}

std::vector<std::shared_ptr<MaintainedView>> ViewsOf(const TableRef& table,
                                                     std::vector<std::shared_ptr<MaintainedView>> views) {
  std::erase_if(views, [&](const auto& view) { return !(view->query->base == table); });
  std::ranges::stable_sort(views, {}, [](const auto& view) {
    const auto& window = view->query->fixed_window;
    return window ? window->size : std::numeric_limits<std::int64_t>::max();
  });
  return views;
}

void MaintainedView::BreakUnfilled(const arrow::Status& why) {
  abandoned = true;
  Break("filling it failed (" + why.message() + "); REFRESH or drop it");
}

arrow::Status LearnEnds(engine::Connection& connection, const MaintainedView& view) {
  if (view.ends == nullptr) return arrow::Status::OK();
  std::vector<aggregate::WindowStart> starts;
  for (const auto& window : view.state->Windows()) starts.push_back(window.start);
  return view.ends->Learn(connection, starts);
}

arrow::Result<std::unique_ptr<aggregate::Delta>> FoldTable(engine::Connection& connection, const MaintainedView& view,
                                                           const std::shared_ptr<arrow::RecordBatch>& windows,
                                                           const FoldBounds& bounds) {
  const auto& query = *view.query;
  std::string touched;
  Batches input;
  auto schema = arrow::schema({});
  if (windows != nullptr) {
    touched = AmongTouched(query);
    schema = windows->schema();
    input = {windows};
  }
  const std::string sql = EvaluationSql(query, query.from_sql, touched);
  return FoldEvaluated(connection, view, {.sql = sql, .schema = schema, .input = input}, bounds);
}

arrow::Result<std::unique_ptr<aggregate::Delta>> FoldRows(engine::Connection& connection, const MaintainedView& view,
                                                          const std::string& condition, const FoldBounds& bounds) {
  const std::string sql = EvaluationSql(*view.query, view.query->from_sql, "(" + condition + ")");
  return FoldEvaluated(connection, view, {.sql = sql, .schema = arrow::schema({}), .input = {}}, bounds);
}

arrow::Status RecomputeTouched(engine::Connection& connection, MaintainedView& view) {
  for (const auto& windows : view.touched) {
    ARROW_ASSIGN_OR_RAISE(const auto delta, FoldTable(connection, view, windows));
    ARROW_RETURN_NOT_OK(view.state->Replace(windows, *delta));
  }
  view.touched.clear();
  return LearnEnds(connection, view);
}

arrow::Status StatesTooLarge(std::int64_t bytes, std::int64_t bytes_max, const std::string& what_takes_most) {
  return arrow::Status::CapacityError("The states of materialized views would take up to ", bytes, " bytes, more than ",
                                      bytes_max, ", their share of memory_max; most of them are ", what_takes_most,
                                      ". Drop a view, use coarser windows or fewer keys, let windows expire "
                                      "(retention), or raise memory_max");
}

void MergeOrBreak(MaintainedView& view, const aggregate::Delta& delta,
                  const std::set<aggregate::WindowStart>& without) {
  try {
    view.state->Merge(delta, without);
    if (view.changes != nullptr) view.changes->Merged(*view.state, delta, without);
  } catch (const std::exception& error) {
    view.Break(std::string("adding rows to it failed (") + error.what() + "); drop and create it again");
  }
}

void SubtractOrBreak(MaintainedView& view, const aggregate::Delta& delta) {
  try {
    view.state->Subtract(delta, {});
    if (view.changes == nullptr) return;
    if (view.query->window_key < 0) return view.changes->ReplacedAll();
    std::vector<aggregate::WindowStart> slices;
    for (const auto& rows : delta.Windows()) slices.push_back(rows.window);
    view.changes->Replaced(slices);
  } catch (const std::exception& error) {
    view.Break(std::string("taking rows out of it failed (") + error.what() + "); drop and create it again");
  }
}

namespace {

arrow::Status ReplaceWindows(MaintainedView& view, const std::shared_ptr<arrow::RecordBatch>& windows,
                             const aggregate::Delta& delta) {
  ARROW_RETURN_NOT_OK(view.state->Replace(windows, delta));
  if (view.changes == nullptr) return arrow::Status::OK();
  if (view.query->session_gap) {
    view.changes->Rewritten();
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const auto starts, view.state->StartsOf(windows));
  view.changes->Replaced(starts);
  return arrow::Status::OK();
}

}  // namespace

void ReplaceOrBreak(MaintainedView& view, const std::shared_ptr<arrow::RecordBatch>& windows,
                    const aggregate::Delta& delta) {
  try {
    if (windows == nullptr) {
      view.state->ReplaceAll(delta);
      if (view.changes != nullptr) view.changes->ReplacedAll();
      return;
    }
    const auto replaced = ReplaceWindows(view, windows, delta);
    if (!replaced.ok()) view.Break("recomputing it failed (" + replaced.message() + "); drop and create it again");
  } catch (const std::exception& error) {
    view.Break(std::string("recomputing it failed (") + error.what() + "); drop and create it again");
  }
}

void ReplaceAmongOrBreak(MaintainedView& view, const std::function<bool(aggregate::WindowStart)>& among,
                         const std::vector<aggregate::WindowStart>& windows, const aggregate::ViewState& fresh) {
  try {
    const auto delta = fresh.ToDelta();
    if (!delta.ok()) return view.Break("computing it again failed (" + delta.status().message() + "); REFRESH it");
    if (!among) {
      view.state->ReplaceAll(**delta);
      view.changes->ReplacedAll();
      return;
    }
    view.state->ReplaceAmong(among, **delta);
    view.changes->Replaced(windows);
  } catch (const std::exception& error) {
    view.Break(std::string("computing it again failed (") + error.what() + "); REFRESH it");
  }
}

}  // namespace hyprstream::commit
