#include "commit/view_catalog.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <initializer_list>
#include <type_traits>
#include <utility>

namespace hyprstream::commit {

namespace {

const std::string kOptions = std::string(kCatalogSchema) + ".table_options";
const std::string kViews = std::string(kCatalogSchema) + ".views";
const std::string kStates = std::string(kCatalogSchema) + ".view_states";
const std::string kGoneStates = std::string(kCatalogSchema) + ".view_gone_states";
const std::string kMergedStates = std::string(kCatalogSchema) + ".view_merged_states";
const std::string kLateRows = std::string(kCatalogSchema) + ".view_late_rows";

arrow::Status Run(engine::Connection& connection, const std::string& sql) { return connection.Run(sql).status(); }

// Rows of text columns; NULL reads as the empty string.
arrow::Result<std::vector<std::vector<std::string>>> Rows(engine::Connection& connection, const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Run(sql));
  ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
  std::vector<std::vector<std::string>> rows;
  for (const auto& batch : batches) {
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      std::vector<std::string> values;
      for (const auto& column : batch->columns()) {
        const auto& text = static_cast<const arrow::BinaryArray&>(*column);
        values.emplace_back(text.IsNull(row) ? std::string() : std::string(text.GetView(row)));
      }
      rows.push_back(std::move(values));
    }
  }
  return rows;
}

// Names are told apart as DuckDB does, whatever the case of their letters.
std::string Where(const TableRef& table) {
  return " WHERE " + FoldedSql("schema_name") + " = " + QuoteLiteral(FoldIdentifier(table.schema)) + " AND " +
         FoldedSql("table_name") + " = " + QuoteLiteral(FoldIdentifier(table.name));
}

// Of options o and duckdb_tables() t.
const std::string kSameTable = FoldedSql("t.schema_name") + " = " + FoldedSql("o.schema_name") + " AND " +
                               FoldedSql("t.table_name") + " = " + FoldedSql("o.table_name") + " AND NOT t.temporary";

// Spans and times are kept as microseconds in text, NULL for none.
template <class Value>
std::string MicrosLiteral(const std::optional<Value>& value) {
  if (!value.has_value()) return "NULL";
  if constexpr (std::is_same_v<Value, EventTime>) {
    return QuoteLiteral(std::to_string(value->time_since_epoch().count()));
  } else {
    return QuoteLiteral(std::to_string(value->count()));
  }
}

std::optional<Micros> SpanOf(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return Micros(std::stoll(text));
}

std::optional<EventTime> TimeOf(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return EventTime(Micros(std::stoll(text)));
}

// Files of earlier versions lack columns that came later.
arrow::Status AddColumns(engine::Connection& connection, const std::string& table,
                         std::initializer_list<const char*> columns) {
  for (const auto* column : columns) {
    ARROW_RETURN_NOT_OK(Run(connection, "ALTER TABLE " + table + " ADD COLUMN IF NOT EXISTS " + column));
  }
  return arrow::Status::OK();
}

std::vector<StoredView> SourcesFirst(std::vector<StoredView> views) {
  std::vector<StoredView> sorted;
  while (!views.empty()) {
    std::set<TableRef> waiting;
    for (const auto& view : views) waiting.insert(view.view);
    std::vector<StoredView> later;
    for (auto& view : views) (waiting.contains(view.source) ? later : sorted).push_back(std::move(view));
    if (later.size() == waiting.size()) {  // a circle, which nobody can make
      sorted.insert(sorted.end(), later.begin(), later.end());
      later.clear();
    }
    views = std::move(later);
  }
  return sorted;
}

std::string Values(const TableRef& table) { return QuoteLiteral(table.schema) + ", " + QuoteLiteral(table.name); }

}  // namespace

bool IsServersOwn(const TableRef& table) {
  const auto schema = FoldIdentifier(table.schema);
  return schema == kCatalogSchema || schema == "hyprstream";
}

arrow::Result<bool> IsLasting(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, Rows(connection,
                                              "SELECT path FROM duckdb_databases() WHERE database_name = "
                                              "current_database()"));
  return !rows.empty() && !rows[0][0].empty();
}

arrow::Status CreateCatalog(engine::Connection& connection) {
  ARROW_RETURN_NOT_OK(Run(connection, std::string("CREATE SCHEMA IF NOT EXISTS ") + kCatalogSchema));
  ARROW_RETURN_NOT_OK(Run(connection, "CREATE TABLE IF NOT EXISTS " + kOptions +
                                          " (schema_name VARCHAR, table_name VARCHAR, time_column VARCHAR, "
                                          "keep_rows VARCHAR, rows_gone VARCHAR)"));
  ARROW_RETURN_NOT_OK(Run(connection, "CREATE TABLE IF NOT EXISTS " + kViews +
                                          " (schema_name VARCHAR, table_name VARCHAR, base_schema VARCHAR, "
                                          "base_name VARCHAR, definition VARCHAR, time_zone VARCHAR)"));
  ARROW_RETURN_NOT_OK(
      Run(connection, "CREATE TABLE IF NOT EXISTS " + kStates +
                          " (schema_name VARCHAR, table_name VARCHAR, state BLOB, piece BIGINT DEFAULT 0)"));
  ARROW_RETURN_NOT_OK(Run(connection, "CREATE TABLE IF NOT EXISTS " + kLateRows +
                                          " (schema_name VARCHAR, table_name VARCHAR, late_rows VARCHAR)"));
  for (const auto& table : {kGoneStates, kMergedStates}) {
    ARROW_RETURN_NOT_OK(Run(connection, "CREATE TABLE IF NOT EXISTS " + table +
                                            " (schema_name VARCHAR, table_name VARCHAR, batch BIGINT, piece BIGINT, "
                                            "state BLOB)"));
  }
  ARROW_RETURN_NOT_OK(AddColumns(connection, kStates, {"piece BIGINT DEFAULT 0"}));
  ARROW_RETURN_NOT_OK(
      AddColumns(connection, kOptions,
                 {"retention VARCHAR", "max_future VARCHAR", "clock VARCHAR DEFAULT 'event'", "idle_timeout VARCHAR",
                  "mark VARCHAR", "mark_is_last VARCHAR DEFAULT 'false'", "rows_before VARCHAR"}));
  return AddColumns(
      connection, kViews,
      {"lateness VARCHAR DEFAULT '0'", "late VARCHAR DEFAULT 'update'", "retention VARCHAR", "source_schema VARCHAR",
       "source_name VARCHAR", "partial VARCHAR DEFAULT 'false'", "merged VARCHAR DEFAULT 'false'",
       "filled_schema VARCHAR", "filled_name VARCHAR", "lost_before VARCHAR", "saves VARCHAR DEFAULT '0'"});
}

arrow::Status StoreTableOptions(engine::Connection& connection, const TableRef& table, const TableOptions& options) {
  ARROW_RETURN_NOT_OK(RemoveTableOptions(connection, table));
  return Run(connection, "INSERT INTO " + kOptions +
                             " (schema_name, table_name, time_column, keep_rows, rows_gone, retention, max_future, "
                             "clock, idle_timeout) VALUES (" +
                             Values(table) + ", " + QuoteLiteral(options.time_column) + ", " +
                             (options.keep_rows ? "'true'" : "'false'") + ", 'unknown', " +
                             MicrosLiteral(options.retention) + ", " + MicrosLiteral(options.max_future) + ", " +
                             (options.wall_clock ? "'wall'" : "'event'") + ", " + MicrosLiteral(options.idle_timeout) +
                             ")");
}

arrow::Status RenameTableOptions(engine::Connection& connection, const TableRef& from, const TableRef& to,
                                 const std::string& time_column) {
  return Run(connection, "UPDATE " + kOptions + " SET schema_name = " + QuoteLiteral(to.schema) + ", table_name = " +
                             QuoteLiteral(to.name) + ", time_column = " + QuoteLiteral(time_column) + Where(from));
}

arrow::Status RemoveTableOptions(engine::Connection& connection, const TableRef& table) {
  return Run(connection, "DELETE FROM " + kOptions + Where(table));
}

arrow::Result<TableOptionsMap> LoadTableOptions(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto rows,
                        Rows(connection,
                             "SELECT o.schema_name, o.table_name, o.time_column, o.keep_rows, o.retention, "
                             "o.max_future, o.clock, o.idle_timeout FROM " +
                                 kOptions + " o SEMI JOIN duckdb_tables() t ON (" + kSameTable + ")"));
  TableOptionsMap options;
  for (const auto& row : rows) {
    options[{.schema = row[0], .name = row[1]}] = {.time_column = row[2],
                                                   .keep_rows = row[3] == "true",
                                                   .retention = SpanOf(row[4]),
                                                   .max_future = SpanOf(row[5]),
                                                   .wall_clock = row[6] == "wall",
                                                   .idle_timeout = SpanOf(row[7])};
  }
  return options;
}

arrow::Status PruneTableOptions(engine::Connection& connection) {
  return Run(connection, "DELETE FROM " + kOptions + " o WHERE NOT EXISTS (SELECT 1 FROM duckdb_tables() t WHERE " +
                             kSameTable + ")");
}

arrow::Result<std::map<TableRef, TableMarks>> TakeTableMarks(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, Rows(connection,
                                              "SELECT schema_name, table_name, mark, mark_is_last, "
                                              "rows_before FROM " +
                                                  kOptions + " WHERE time_column <> ''"));
  std::map<TableRef, TableMarks> marks;
  for (const auto& row : rows) {
    marks[{.schema = row[0], .name = row[1]}] = {
        .mark = TimeOf(row[2]), .mark_is_last = row[3] == "true", .rows_before = TimeOf(row[4])};
  }
  ARROW_RETURN_NOT_OK(
      Run(connection, "UPDATE " + kOptions + " SET mark_is_last = 'false' WHERE mark_is_last = 'true'"));
  return marks;
}

arrow::Status StoreTableMark(engine::Connection& connection, const TableRef& table, std::optional<EventTime> mark,
                             bool mark_is_last) {
  return Run(connection, "UPDATE " + kOptions + " SET mark = " + MicrosLiteral(mark) +
                             ", mark_is_last = " + (mark_is_last ? "'true'" : "'false'") + Where(table));
}

arrow::Status StoreRowsBefore(engine::Connection& connection, const TableRef& table, EventTime rows_before) {
  return Run(connection, "UPDATE " + kOptions + " SET rows_before = " +
                             MicrosLiteral(std::optional<EventTime>(rows_before)) + Where(table));
}

arrow::Result<RowsGoneAtStart> TakeRowsGone(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, Rows(connection, "SELECT schema_name, table_name, rows_gone FROM " + kOptions +
                                                              " WHERE keep_rows = 'false' AND rows_gone <> 'false'"));
  RowsGoneAtStart gone;
  for (const auto& row : rows) {
    const TableRef table = {.schema = row[0], .name = row[1]};
    gone.tables.insert(table);
    if (row[2] == "unknown") gone.unknown.insert(table);
  }
  ARROW_RETURN_NOT_OK(Run(connection, "UPDATE " + kOptions + " SET rows_gone = 'unknown'"));
  return gone;
}

arrow::Status StoreRowsGone(engine::Connection& connection, const TableRef& table, bool gone) {
  return Run(connection,
             "UPDATE " + kOptions + " SET rows_gone = " + (gone ? "'true'" : "'false'") + " " + Where(table));
}

arrow::Status StoreView(engine::Connection& connection, const StoredView& view) {
  ARROW_RETURN_NOT_OK(RemoveView(connection, view.view));
  return Run(
      connection,
      "INSERT INTO " + kViews +
          " (schema_name, table_name, base_schema, base_name, source_schema, source_name, definition, time_zone, "
          "lateness, late, retention, partial, filled_schema, filled_name, lost_before) VALUES (" +
          Values(view.view) + ", " + Values(view.base) + ", " + Values(view.source) + ", " +
          QuoteLiteral(view.definition) + ", " + QuoteLiteral(view.time_zone) + ", " +
          MicrosLiteral(std::optional<Micros>(view.options.lateness)) + ", " + QuoteLiteral(ToText(view.options.late)) +
          ", " + MicrosLiteral(view.options.retention) + (view.partial ? ", 'true', " : ", 'false', ") +
          Values(view.filled_from) + ", " + MicrosLiteral(view.lost_before) + ")");
}

arrow::Status StoreViewOptions(engine::Connection& connection, const TableRef& view, const ViewOptions& options) {
  ARROW_RETURN_NOT_OK(HoldView(connection, view));
  return Run(connection, "UPDATE " + kViews +
                             " SET lateness = " + MicrosLiteral(std::optional<Micros>(options.lateness)) +
                             ", late = " + QuoteLiteral(ToText(options.late)) +
                             ", retention = " + MicrosLiteral(options.retention) + Where(view));
}

arrow::Status RemoveView(engine::Connection& connection, const TableRef& view) {
  ARROW_RETURN_NOT_OK(HoldView(connection, view));
  for (const auto& table : {kStates, kGoneStates, kMergedStates, kLateRows, kViews}) {
    ARROW_RETURN_NOT_OK(Run(connection, "DELETE FROM " + table + Where(view)));
  }
  return arrow::Status::OK();
}

arrow::Status StorePartial(engine::Connection& connection, const TableRef& view, bool partial) {
  return Run(connection, "UPDATE " + kViews + " SET partial = " + (partial ? "'true'" : "'false'") + Where(view));
}

arrow::Status HoldView(engine::Connection& connection, const TableRef& view) {
  return Run(connection, "UPDATE " + kViews + " SET saves = (saves::BIGINT + 1)::VARCHAR" + Where(view));
}

arrow::Result<std::vector<StoredView>> LoadViews(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, Rows(connection,
                                              "SELECT schema_name, table_name, base_schema, base_name, definition, "
                                              "time_zone, lateness, late, retention, "
                                              "coalesce(source_schema, base_schema), "
                                              "coalesce(source_name, base_name), partial, merged, filled_schema, "
                                              "filled_name, lost_before FROM " +
                                                  kViews + " ORDER BY ALL"));
  std::vector<StoredView> views;
  for (const auto& row : rows) {
    views.push_back({.view = {.schema = row[0], .name = row[1]},
                     .base = {.schema = row[2], .name = row[3]},
                     .source = {.schema = row[9], .name = row[10]},
                     .definition = row[4],
                     .time_zone = row[5],
                     .options = {.lateness = SpanOf(row[6]).value_or(Micros(0)),
                                 .late = LatePolicyOf(row[7]).value_or(LatePolicy::kUpdate),
                                 .retention = SpanOf(row[8])},
                     .partial = row[11] == "true",
                     .merged = row[12] == "true",
                     .filled_from = {.schema = row[13], .name = row[14]},
                     .lost_before = TimeOf(row[15])});
  }
  return SourcesFirst(std::move(views));
}

arrow::Status StoreLateRows(engine::Connection& connection, const TableRef& view, const std::string& late_rows) {
  ARROW_RETURN_NOT_OK(Run(connection, "DELETE FROM " + kLateRows + Where(view)));
  if (late_rows.empty()) return arrow::Status::OK();
  return Run(connection,
             "INSERT INTO " + kLateRows + " VALUES (" + Values(view) + ", " + QuoteLiteral(late_rows) + ")");
}

arrow::Result<std::string> LoadLateRows(engine::Connection& connection, const TableRef& view) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, Rows(connection, "SELECT late_rows FROM " + kLateRows + Where(view)));
  return rows.empty() ? std::string() : rows[0][0];
}

namespace {

// `into`: INSERT INTO ... up to the state; each piece is followed by its number.
arrow::Status InsertPieces(engine::Connection& connection, const std::string& into,
                           const std::shared_ptr<arrow::Buffer>& state, std::int64_t piece_bytes) {
  const auto schema = arrow::schema({arrow::field("state", arrow::binary())});
  std::int64_t piece = 0;
  for (std::int64_t begin = 0; begin == 0 || begin < state->size(); begin += piece_bytes) {
    arrow::BinaryBuilder builder;
    const auto bytes = std::string_view(*state).substr(static_cast<std::size_t>(begin));
    ARROW_RETURN_NOT_OK(builder.Append(bytes.substr(0, static_cast<std::size_t>(piece_bytes))));
    ARROW_ASSIGN_OR_RAISE(auto array, builder.Finish());
    const auto stored = connection.Evaluate(into + ", state, " + std::to_string(piece++) + " FROM hyprstream_input()",
                                            schema, {arrow::RecordBatch::Make(schema, 1, {std::move(array)})});
    ARROW_RETURN_NOT_OK(stored.status());
  }
  return arrow::Status::OK();
}

// Each piece by itself, as they were stored; nullopt when there is none.
arrow::Result<std::optional<std::string>> JoinPieces(engine::Connection& connection, const std::string& from) {
  std::optional<std::string> state;
  for (std::int64_t piece = 0;; ++piece) {
    ARROW_ASSIGN_OR_RAISE(const auto rows,
                          Rows(connection, "SELECT state FROM " + from + " AND piece = " + std::to_string(piece)));
    if (rows.empty()) return state;
    state = std::move(state).value_or("") + rows[0][0];
  }
}

}  // namespace

arrow::Status StoreState(engine::Connection& connection, const TableRef& view,
                         const std::shared_ptr<arrow::Buffer>& state, std::int64_t piece_bytes) {
  ARROW_RETURN_NOT_OK(Run(connection, "DELETE FROM " + kStates + Where(view)));
  return InsertPieces(connection,
                      "INSERT INTO " + kStates + " (schema_name, table_name, state, piece) SELECT " + Values(view),
                      state, piece_bytes);
}

arrow::Result<std::optional<std::string>> LoadState(engine::Connection& connection, const TableRef& view) {
  return JoinPieces(connection, kStates + Where(view));
}

arrow::Status RemoveSaved(engine::Connection& connection, const TableRef& view) {
  ARROW_RETURN_NOT_OK(Run(connection, "DELETE FROM " + kLateRows + Where(view)));
  return Run(connection, "DELETE FROM " + kStates + Where(view));
}

namespace {

arrow::Result<std::int64_t> CountBatches(engine::Connection& connection, const std::string& table,
                                         const TableRef& view) {
  ARROW_ASSIGN_OR_RAISE(const auto rows,
                        Rows(connection, "SELECT (coalesce(max(batch), -1) + 1)::VARCHAR FROM " + table + Where(view)));
  return std::stoll(rows.at(0).at(0));
}

arrow::Status AddBatch(engine::Connection& connection, const std::string& table, const TableRef& view,
                       const std::shared_ptr<arrow::Buffer>& state) {
  ARROW_ASSIGN_OR_RAISE(const auto batch, CountBatches(connection, table, view));
  return InsertPieces(connection,
                      "INSERT INTO " + table + " (schema_name, table_name, batch, state, piece) SELECT " +
                          Values(view) + ", " + std::to_string(batch),
                      state, kStatePieceBytes);
}

arrow::Result<std::vector<std::string>> LoadBatches(engine::Connection& connection, const std::string& table,
                                                    const TableRef& view) {
  ARROW_ASSIGN_OR_RAISE(const auto count, CountBatches(connection, table, view));
  std::vector<std::string> states;
  for (std::int64_t batch = 0; batch < count; ++batch) {
    ARROW_ASSIGN_OR_RAISE(auto state,
                          JoinPieces(connection, table + Where(view) + " AND batch = " + std::to_string(batch)));
    if (state.has_value()) states.push_back(*std::move(state));
  }
  return states;
}

}  // namespace

arrow::Result<std::int64_t> CountGoneStates(engine::Connection& connection, const TableRef& view) {
  return CountBatches(connection, kGoneStates, view);
}

arrow::Status AddGoneState(engine::Connection& connection, const TableRef& view,
                           const std::shared_ptr<arrow::Buffer>& state) {
  return AddBatch(connection, kGoneStates, view, state);
}

arrow::Result<std::vector<std::string>> LoadGoneStates(engine::Connection& connection, const TableRef& view) {
  return LoadBatches(connection, kGoneStates, view);
}

arrow::Status RemoveGoneStates(engine::Connection& connection, const TableRef& view) {
  return Run(connection, "DELETE FROM " + kGoneStates + Where(view));
}

arrow::Status AddMergedState(engine::Connection& connection, const TableRef& view,
                             const std::shared_ptr<arrow::Buffer>& state) {
  return AddBatch(connection, kMergedStates, view, state);
}

arrow::Result<std::int64_t> CountMergedStates(engine::Connection& connection, const TableRef& view) {
  return CountBatches(connection, kMergedStates, view);
}

arrow::Result<std::vector<std::string>> LoadMergedStates(engine::Connection& connection, const TableRef& view) {
  return LoadBatches(connection, kMergedStates, view);
}

arrow::Status RemoveMergedStates(engine::Connection& connection, const TableRef& view) {
  return Run(connection, "DELETE FROM " + kMergedStates + Where(view));
}

arrow::Status StoreMerged(engine::Connection& connection, const TableRef& view) {
  return Run(connection, "UPDATE " + kViews + " SET merged = 'true'" + Where(view));
}

}  // namespace hyprstream::commit
