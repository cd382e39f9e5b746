#include "fuzz/oracle.h"

#include <duckdb.hpp>
#include <utility>

namespace hyprstream::fuzz {

struct Oracle::Database {
  Database() : duck(nullptr), session(duck), apart(duck) {}
  duckdb::DuckDB duck;
  duckdb::Connection session;
  duckdb::Connection apart;
};

namespace {

arrow::Status RunOn(duckdb::Connection& connection, const std::string& sql) {
  const auto result = connection.Query(sql);
  return result->HasError() ? arrow::Status::Invalid(result->GetError()) : arrow::Status::OK();
}

Cell CellOf(const duckdb::Value& value) {
  if (value.IsNull()) return {};
  if (value.type().id() == duckdb::LogicalTypeId::DOUBLE) return {.number = value.GetValue<double>()};
  return {.text = value.ToString()};
}

}  // namespace

Oracle::Oracle() : database_(std::make_unique<Database>()) {
  ARROW_UNUSED(Update("SET threads = 1"));
  ARROW_UNUSED(Update("SET TimeZone = 'UTC'"));
  ARROW_UNUSED(UpdateApart("SET TimeZone = 'UTC'"));
}

Oracle::~Oracle() = default;

arrow::Status Oracle::Update(const std::string& sql) { return RunOn(database_->session, sql); }

arrow::Status Oracle::UpdateApart(const std::string& sql) { return RunOn(database_->apart, sql); }

arrow::Status Oracle::Try(const std::string& sql, const std::string& and_then) {
  ARROW_RETURN_NOT_OK(Update("BEGIN"));
  auto status = Update(sql);
  if (status.ok() && !and_then.empty()) status = Update(and_then);
  const auto undone = Update("ROLLBACK");
  return status.ok() ? undone : status;
}

arrow::Result<Columns> Oracle::Describe(const std::string& select) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, Query("DESCRIBE " + select));
  Columns columns;
  for (const auto& row : rows) columns.emplace_back(*row.at(0).text, *row.at(1).text);
  return columns;
}

arrow::Result<Rows> Oracle::Query(const std::string& sql) {
  const auto result = database_->session.Query(sql);
  if (result->HasError()) return arrow::Status::Invalid(result->GetError());
  Rows rows;
  for (auto chunk = result->Fetch(); chunk && chunk->size() > 0; chunk = result->Fetch()) {
    for (duckdb::idx_t row = 0; row < chunk->size(); ++row) {
      std::vector<Cell> cells;
      for (duckdb::idx_t column = 0; column < chunk->ColumnCount(); ++column) {
        cells.push_back(CellOf(chunk->GetValue(column, row)));
      }
      rows.push_back(std::move(cells));
    }
  }
  return rows;
}

}  // namespace hyprstream::fuzz
