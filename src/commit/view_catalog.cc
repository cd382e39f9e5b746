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
#include <array>
#include <utility>

#include "base/nearest_name.h"

namespace hyprstream::commit {

namespace {

const std::string kOptions = std::string(kCatalogSchema) + ".table_options";
const std::string kViews = std::string(kCatalogSchema) + ".views";
const std::string kStates = std::string(kCatalogSchema) + ".view_states";

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

std::string Where(const TableRef& table) {
  return " WHERE schema_name = " + QuoteLiteral(table.schema) + " AND table_name = " + QuoteLiteral(table.name);
}

std::string Values(const TableRef& table) { return QuoteLiteral(table.schema) + ", " + QuoteLiteral(table.name); }

}  // namespace

arrow::Result<bool> ParseBoolOption(const std::string& owner, const std::string& name, const std::string& value) {
  const std::string folded = FoldIdentifier(value);
  if (folded == "true" || folded == "1" || folded == "on") return true;
  if (folded == "false" || folded == "0" || folded == "off") return false;
  return arrow::Status::Invalid(owner, " option ", name, " must be true or false, not '", value, "'");
}

arrow::Result<std::string> FindTimeColumn(const TableRef& table, const arrow::Schema& schema, const std::string& name) {
  const auto names = schema.field_names();
  const auto found =
      std::ranges::find_if(names, [&](const auto& column) { return FoldIdentifier(column) == FoldIdentifier(name); });
  if (found == names.end()) {
    return arrow::Status::Invalid("The event-time column ", name, " is not a column of ", table.ToString(),
                                  DidYouMean(name, names));
  }
  const auto type = schema.field(static_cast<int>(found - names.begin()))->type();
  if (type->id() != arrow::Type::TIMESTAMP && type->id() != arrow::Type::DATE32) {
    return arrow::Status::Invalid("The event-time column ", *found, " must be a TIMESTAMP, TIMESTAMPTZ or DATE, not ",
                                  type->ToString());
  }
  return *found;
}

bool IsServersOwn(const TableRef& table) {
  const auto schema = FoldIdentifier(table.schema);
  return schema == kCatalogSchema || schema == "hyprstream";
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
  // Files of earlier builds hold each state in one piece.
  return Run(connection, "ALTER TABLE " + kStates + " ADD COLUMN IF NOT EXISTS piece BIGINT DEFAULT 0");
}

arrow::Result<TableOptions> ParseTableOptions(const engine::Options& options) {
  static const std::array<std::string, 2> kKnown = {"time", "keep_rows"};
  static const std::array<std::string, 3> kLater = {"retention", "write_through", "max_future"};
  TableOptions parsed;
  for (const auto& [name, value] : options) {
    if (name == "time") {
      parsed.time_column = value;
    } else if (name == "keep_rows") {
      ARROW_ASSIGN_OR_RAISE(parsed.keep_rows, ParseBoolOption("Table", name, value));
    } else if (std::ranges::find(kLater, name) != kLater.end()) {
      return arrow::Status::NotImplemented("Table option ", name, " is not available in this version; leave it out");
    } else {
      return arrow::Status::Invalid("Unknown table option: ", name, DidYouMean(name, kKnown));
    }
  }
  return parsed;
}

arrow::Status StoreTableOptions(engine::Connection& connection, const TableRef& table, const TableOptions& options) {
  ARROW_RETURN_NOT_OK(RemoveTableOptions(connection, table));
  return Run(connection, "INSERT INTO " + kOptions + " VALUES (" + Values(table) + ", " +
                             QuoteLiteral(options.time_column) + ", " + (options.keep_rows ? "'true'" : "'false'") +
                             ", 'unknown')");
}

arrow::Status RemoveTableOptions(engine::Connection& connection, const TableRef& table) {
  return Run(connection, "DELETE FROM " + kOptions + " WHERE lower(schema_name) = lower(" + QuoteLiteral(table.schema) +
                             ") AND lower(table_name) = lower(" + QuoteLiteral(table.name) + ")");
}

arrow::Result<TableOptionsMap> LoadTableOptions(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto rows,
                        Rows(connection, "SELECT o.* FROM " + kOptions +
                                             " o SEMI JOIN duckdb_tables() t ON (lower(t.schema_name) = "
                                             "lower(o.schema_name) AND lower(t.table_name) = lower(o.table_name) AND "
                                             "NOT t.temporary)"));
  TableOptionsMap options;
  for (const auto& row : rows) {
    options[{.schema = row[0], .name = row[1]}] = {.time_column = row[2], .keep_rows = row[3] == "true"};
  }
  return options;
}

arrow::Status PruneTableOptions(engine::Connection& connection) {
  return Run(connection, "DELETE FROM " + kOptions +
                             " o WHERE NOT EXISTS (SELECT 1 FROM duckdb_tables() t WHERE lower(t.schema_name) = "
                             "lower(o.schema_name) AND lower(t.table_name) = lower(o.table_name) AND NOT t.temporary)");
}

arrow::Result<std::set<TableRef>> TakeRowsGone(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, Rows(connection, "SELECT schema_name, table_name FROM " + kOptions +
                                                              " WHERE keep_rows = 'false' AND rows_gone <> 'false'"));
  std::set<TableRef> gone;
  for (const auto& row : rows) gone.insert({.schema = row[0], .name = row[1]});
  ARROW_RETURN_NOT_OK(Run(connection, "UPDATE " + kOptions + " SET rows_gone = 'unknown'"));
  return gone;
}

arrow::Status StoreRowsGone(engine::Connection& connection, const TableRef& table, bool gone) {
  return Run(connection,
             "UPDATE " + kOptions + " SET rows_gone = " + (gone ? "'true'" : "'false'") + " " + Where(table));
}

arrow::Status StoreView(engine::Connection& connection, const StoredView& view) {
  ARROW_RETURN_NOT_OK(RemoveView(connection, view.view));
  return Run(connection, "INSERT INTO " + kViews + " VALUES (" + Values(view.view) + ", " + Values(view.base) + ", " +
                             QuoteLiteral(view.definition) + ", " + QuoteLiteral(view.time_zone) + ")");
}

arrow::Status RemoveView(engine::Connection& connection, const TableRef& view) {
  ARROW_RETURN_NOT_OK(Run(connection, "DELETE FROM " + kStates + Where(view)));
  return Run(connection, "DELETE FROM " + kViews + Where(view));
}

arrow::Result<std::vector<StoredView>> LoadViews(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, Rows(connection, "SELECT * FROM " + kViews + " ORDER BY ALL"));
  std::vector<StoredView> views;
  for (const auto& row : rows) {
    views.push_back({.view = {.schema = row[0], .name = row[1]},
                     .base = {.schema = row[2], .name = row[3]},
                     .definition = row[4],
                     .time_zone = row[5]});
  }
  return views;
}

arrow::Status StoreState(engine::Connection& connection, const TableRef& view,
                         const std::shared_ptr<arrow::Buffer>& state, std::int64_t piece_bytes) {
  ARROW_RETURN_NOT_OK(Run(connection, "DELETE FROM " + kStates + Where(view)));
  const auto schema = arrow::schema({arrow::field("state", arrow::binary())});
  std::int64_t piece = 0;
  for (std::int64_t begin = 0; begin == 0 || begin < state->size(); begin += piece_bytes) {
    arrow::BinaryBuilder builder;
    const auto bytes = std::string_view(*state).substr(static_cast<std::size_t>(begin));
    ARROW_RETURN_NOT_OK(builder.Append(bytes.substr(0, static_cast<std::size_t>(piece_bytes))));
    ARROW_ASSIGN_OR_RAISE(auto array, builder.Finish());
    const auto stored = connection.Evaluate("INSERT INTO " + kStates + " SELECT " + Values(view) + ", state, " +
                                                std::to_string(piece++) + " FROM hyprstream_input()",
                                            schema, {arrow::RecordBatch::Make(schema, 1, {std::move(array)})});
    ARROW_RETURN_NOT_OK(stored.status());
  }
  return arrow::Status::OK();
}

arrow::Result<std::optional<std::string>> TakeState(engine::Connection& connection, const TableRef& view) {
  std::optional<std::string> state;
  for (std::int64_t piece = 0;; ++piece) {  // each by itself, as they were stored
    ARROW_ASSIGN_OR_RAISE(const auto rows, Rows(connection, "SELECT state FROM " + kStates + Where(view) +
                                                                " AND piece = " + std::to_string(piece)));
    if (rows.empty()) break;
    state = std::move(state).value_or("") + rows[0][0];
  }
  if (state.has_value()) ARROW_RETURN_NOT_OK(Run(connection, "DELETE FROM " + kStates + Where(view)));
  return state;
}

}  // namespace hyprstream::commit
