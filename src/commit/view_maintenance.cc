#include "commit/view_maintenance.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>

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

// Relabels evaluated columns with the schema that the states expect; the types are DuckDB's either way.
arrow::Result<Batches> Relabel(const AggregateQuery& query, const Batches& evaluated) {
  Batches out;
  for (const auto& batch : evaluated) {
    const auto columns = query.evaluated_schema->num_fields() == 0 ? arrow::ArrayVector{} : batch->columns();
    out.push_back(arrow::RecordBatch::Make(query.evaluated_schema, batch->num_rows(), columns));
  }
  return out;
}

arrow::Status SetTimeZone(engine::Connection& connection, const AggregateQuery& query) {
  return connection.Run("SET TimeZone = " + QuoteLiteral(query.time_zone)).status();
}

// The windows that old and new images fall into.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> TouchedWindows(engine::Connection& connection,
                                                                  const AggregateQuery& query,
                                                                  const TableChanges& changes) {
  Batches images = changes.removed;
  images.insert(images.end(), changes.updated.begin(), changes.updated.end());
  const std::string sql =
      "SELECT DISTINCT (" + WindowSql(query) + ") AS w FROM hyprstream_input() AS " + QuoteIdentifier(query.alias);
  ARROW_ASSIGN_OR_RAISE(const auto windows, connection.Evaluate(sql, changes.schema, images));
  if (windows.empty()) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches(windows));
  return table->CombineChunksToBatch();
}

}  // namespace

arrow::Result<Batches> EvaluateRows(engine::Connection& connection, const AggregateQuery& query,
                                    const std::shared_ptr<arrow::Schema>& schema, const Batches& rows) {
  ARROW_RETURN_NOT_OK(SetTimeZone(connection, query));
  const std::string sql = EvaluationSql(query, "hyprstream_input() AS " + QuoteIdentifier(query.alias), "");
  ARROW_ASSIGN_OR_RAISE(const auto evaluated, connection.Evaluate(sql, schema, rows));
  return Relabel(query, evaluated);
}

arrow::Result<ViewDelta> FoldChanges(engine::Connection& connection, std::shared_ptr<MaintainedView> view,
                                     const TableChanges& changes) {
  const auto& query = *view->query;
  ViewDelta delta{.view = view, .delta = nullptr, .recompute = false, .windows = nullptr};
  if (!changes.inserted.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto evaluated, EvaluateRows(connection, query, changes.schema, changes.inserted));
    ARROW_ASSIGN_OR_RAISE(delta.delta, view->state->Fold(evaluated));
  }
  if (!changes.removed.empty()) {
    delta.recompute = true;
    if (query.window_key >= 0) {
      ARROW_RETURN_NOT_OK(SetTimeZone(connection, query));
      ARROW_ASSIGN_OR_RAISE(delta.windows, TouchedWindows(connection, query, changes));
    }
  }
  return delta;
}

arrow::Result<std::unique_ptr<aggregate::Delta>> FoldTable(engine::Connection& connection, const MaintainedView& view,
                                                           const std::shared_ptr<arrow::RecordBatch>& windows) {
  const auto& query = *view.query;
  ARROW_RETURN_NOT_OK(SetTimeZone(connection, query));
  std::string touched;
  Batches input;
  auto schema = arrow::schema({});
  if (windows != nullptr) {
    touched = "EXISTS (SELECT 1 FROM hyprstream_input() AS hyprstream_touched(w) WHERE w IS NOT DISTINCT FROM (" +
              WindowSql(query) + "))";
    schema = windows->schema();
    input = {windows};
  }
  ARROW_ASSIGN_OR_RAISE(const auto evaluated,
                        connection.Evaluate(EvaluationSql(query, query.from_sql, touched), schema, input));
  ARROW_ASSIGN_OR_RAISE(const auto relabelled, Relabel(query, evaluated));
  return view.state->Fold(relabelled);
}

}  // namespace hyprstream::commit
