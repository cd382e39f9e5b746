#include "commit/view_maintenance.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <exception>
#include <utility>

namespace hyprstream::commit {

namespace {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

// `SELECT keys, arguments FROM <from> [WHERE ...]`; the columns are named by position, since expressions may repeat.
std::string EvaluationSql(const AggregateQuery& query, const std::string& from, const std::string& extra_where) {
  std::string sql = "SELECT ";
  int column = 0;
  for (const auto* expressions : {&query.key_sql, &query.argument_sql}) {
    for (const auto& expression : *expressions) {
      if (column > 0) sql += ", ";
      sql += "(" + expression + ") AS c" + std::to_string(column++);
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

// Runs `work` in the view's time zone. The connection may be a client's, and `work` may abort its transaction.
template <class Work>
auto InZoneOf(engine::Connection& connection, const AggregateQuery& query, Work work) -> decltype(work()) {
  ARROW_ASSIGN_OR_RAISE(const auto zone, connection.TimeZone());
  if (zone == query.time_zone) return work();
  ARROW_RETURN_NOT_OK(connection.SetTimeZone(query.time_zone));
  auto result = work();
  const auto restored = connection.SetTimeZone(zone);
  if (result.ok()) ARROW_RETURN_NOT_OK(restored);
  return result;
}

// The windows that old and new images fall into.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> TouchedWindows(engine::Connection& connection,
                                                                  const AggregateQuery& query,
                                                                  const TableChanges& changes) {
  Batches images = changes.removed;
  images.insert(images.end(), changes.updated.begin(), changes.updated.end());
  // Rows that the view leaves out have no window in it, and its expressions need not hold for them.
  const std::string sql = "SELECT DISTINCT (" + WindowSql(query) + ") AS w FROM hyprstream_input() AS " +
                          QuoteIdentifier(query.alias) + (query.where_sql.empty() ? "" : " WHERE " + query.where_sql);
  ARROW_ASSIGN_OR_RAISE(const auto windows, connection.Evaluate(sql, changes.schema, images));
  if (windows.empty()) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches(windows));
  return table->CombineChunksToBatch();
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
    if (++batches % kBatchesPerCheck != 0) return arrow::Status::OK();
    const auto bytes = builder->bytes();
    return bytes <= bounds.state_bytes_max ? arrow::Status::OK() : StatesTooLarge(bytes, bounds.state_bytes_max);
  };
  ARROW_RETURN_NOT_OK(InZoneOf(connection, query, [&] {
    return connection.EvaluateEach(evaluation.sql, evaluation.schema, evaluation.input, add);
  }));
  return builder->Finish();
}

}  // namespace

arrow::Result<ViewDelta> FoldChanges(engine::Connection& connection, std::shared_ptr<MaintainedView> view,
                                     const TableChanges& changes) {
  const auto& query = *view->query;
  ViewDelta delta{.view = view, .delta = nullptr, .windows = nullptr};
  if (!changes.inserted.empty()) {
    const Evaluation inserted{.sql = EvaluationSql(query, "hyprstream_input() AS " + QuoteIdentifier(query.alias), ""),
                              .schema = changes.schema,
                              .input = changes.inserted};
    ARROW_ASSIGN_OR_RAISE(delta.delta, FoldEvaluated(connection, *view, inserted, {}));
  }
  if (!changes.removed.empty()) {
    delta.recompute = true;
    if (query.window_key >= 0) {
      ARROW_ASSIGN_OR_RAISE(delta.windows,
                            InZoneOf(connection, query, [&] { return TouchedWindows(connection, query, changes); }));
    }
  }
  return delta;
}

arrow::Result<std::unique_ptr<aggregate::Delta>> FoldTable(engine::Connection& connection, const MaintainedView& view,
                                                           const std::shared_ptr<arrow::RecordBatch>& windows,
                                                           const FoldBounds& bounds) {
  const auto& query = *view.query;
  std::string touched;
  Batches input;
  auto schema = arrow::schema({});
  if (windows != nullptr) {
    touched = "EXISTS (SELECT 1 FROM hyprstream_input() AS hyprstream_touched(w) WHERE w IS NOT DISTINCT FROM (" +
              WindowSql(query) + "))";
    schema = windows->schema();
    input = {windows};
  }
  const std::string sql = EvaluationSql(query, query.from_sql, touched);
  return FoldEvaluated(connection, view, {.sql = sql, .schema = schema, .input = input}, bounds);
}

arrow::Status StatesTooLarge(std::int64_t bytes, std::int64_t bytes_max) {
  return arrow::Status::CapacityError(
      "The states of materialized views would take up to ", bytes, " bytes, more than ", bytes_max,
      ", their share of memory_max; drop a view, use coarser windows or fewer keys, or raise memory_max");
}

void MergeOrBreak(MaintainedView& view, const aggregate::Delta& delta) {
  try {
    view.state->Merge(delta);
  } catch (const std::exception& error) {
    view.Break(std::string("adding rows to it failed (") + error.what() + "); drop and create it again");
  }
}

void ReplaceOrBreak(MaintainedView& view, const std::shared_ptr<arrow::RecordBatch>& windows,
                    const aggregate::Delta& delta) {
  try {
    if (windows == nullptr) {
      view.state->ReplaceAll(delta);
      return;
    }
    const auto replaced = view.state->Replace(windows, delta);
    if (!replaced.ok()) view.Break("recomputing it failed (" + replaced.message() + "); drop and create it again");
  } catch (const std::exception& error) {
    view.Break(std::string("recomputing it failed (") + error.what() + "); drop and create it again");
  }
}

}  // namespace hyprstream::commit
