#include "backend/layout_cache.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <numeric>

#include "backend/select_statement.h"
#include "backend/value_reading.h"
#include "base/nearest_name.h"

namespace hyprstream::backend {
namespace {

// A catalog larger than this is not worth its memory.
constexpr std::size_t kEntriesMax = 10'000;
// The schema of a database without schemas.
constexpr const char* kMain = "main";

}  // namespace

arrow::Result<std::vector<std::string>> LayoutCache::AskSchemas() {
  if (!core_->dialect().has_catalog()) return std::vector<std::string>{kMain};
  ARROW_ASSIGN_OR_RAISE(const auto rows, core_->ReadTexts(core_->dialect().SchemasQuery()));
  std::vector<std::string> schemas;
  for (const auto& row : rows) schemas.push_back(row.at(0).value_or(""));
  MutexLock lock(mutex_);
  schemas_ = {.value = schemas, .until = Until()};
  return schemas;
}

arrow::Result<std::vector<std::string>> LayoutCache::Schemas() {
  {
    MutexLock lock(mutex_);
    if (IsFresh(schemas_)) return schemas_.value;
  }
  return AskSchemas();
}

arrow::Result<std::vector<BackendTable>> LayoutCache::Tables(const std::string& schema) {
  {
    MutexLock lock(mutex_);
    const auto found = tables_.find(schema);
    if (found != tables_.end() && IsFresh(found->second)) return found->second.value;
  }
  ARROW_ASSIGN_OR_RAISE(auto tables, AskTables(schema));
  if (tables.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto schemas, AskSchemas());
    if (std::ranges::find(schemas, schema) == schemas.end()) {
      return arrow::Status::KeyError("Unknown schema: ", core_->name(), ".", schema, DidYouMean(schema, schemas));
    }
  }
  MutexLock lock(mutex_);
  if (tables_.size() >= kEntriesMax) tables_.clear();
  tables_[schema] = {.value = tables, .until = Until()};
  return tables;
}

arrow::Result<std::vector<BackendTable>> LayoutCache::AskTables(const std::string& schema) {
  std::vector<BackendTable> tables;
  if (!core_->dialect().has_catalog()) {
    if (schema != kMain) return tables;
    ARROW_ASSIGN_OR_RAISE(const auto named, core_->ReadTables());
    for (const auto& table : named) tables.push_back({.schema = kMain, .name = table.name, .is_view = table.is_view});
    return tables;
  }
  ARROW_ASSIGN_OR_RAISE(const auto rows, core_->ReadTexts(core_->dialect().TablesQuery(schema)));
  for (const auto& row : rows) {
    tables.push_back({.schema = schema, .name = row.at(0).value_or(""), .is_view = row.at(1).value_or("") == "view"});
  }
  return tables;
}

arrow::Result<TableLayout> LayoutCache::AskLayout(const std::string& schema, const std::string& table) {
  const auto& dialect = core_->dialect();
  if (!dialect.has_catalog()) {
    if (schema != kMain) return NoSuchTable(schema, table);
    const auto described = core_->ReadTableSchema(table);
    if (described.status().IsKeyError()) return NoSuchTable(schema, table);
    ARROW_RETURN_NOT_OK(described.status());
    return dialect.LayoutAsDescribed(table, **described);
  }
  ARROW_ASSIGN_OR_RAISE(const auto rows, core_->ReadTexts(dialect.ColumnsQuery(schema, table)));
  if (rows.empty()) return NoSuchTable(schema, table);
  ARROW_ASSIGN_OR_RAISE(auto layout, dialect.Layout(schema, table, rows));
  ARROW_RETURN_NOT_OK(AskTypes(layout));
  return layout;
}

arrow::Result<std::shared_ptr<const TableLayout>> LayoutCache::Layout(const std::string& schema,
                                                                      const std::string& table) {
  {
    MutexLock lock(mutex_);
    const auto found = layouts_.find({schema, table});
    if (found != layouts_.end() && IsFresh(found->second)) return found->second.value;
  }
  ARROW_ASSIGN_OR_RAISE(auto read, AskLayout(schema, table));
  auto layout = std::make_shared<const TableLayout>(std::move(read));
  MutexLock lock(mutex_);
  if (layouts_.size() >= kEntriesMax) layouts_.clear();
  layouts_[{schema, table}] = {.value = layout, .until = Until()};
  const auto listed = tables_.find(schema);  // it may be of a time before the table
  if (listed != tables_.end() &&
      std::ranges::find(listed->second.value, table, &BackendTable::name) == listed->second.value.end()) {
    tables_.erase(listed);
  }
  return layout;
}

arrow::Status LayoutCache::AskTypes(TableLayout& layout) {
  const auto unknown = [](const ColumnLayout& column) { return column.arriving == nullptr; };
  if (std::ranges::none_of(layout.columns, unknown)) return arrow::Status::OK();
  ScanRequest request;
  request.projection.resize(layout.columns.size());
  std::iota(request.projection.begin(), request.projection.end(), 0);
  ARROW_ASSIGN_OR_RAISE(const auto given, core_->SchemaOf(SelectStatement(core_->dialect(), layout, request)));
  auto fields = layout.schema->fields();
  for (std::size_t i = 0; i < layout.columns.size(); ++i) {
    if (!unknown(layout.columns[i])) continue;
    if (given->num_fields() <= static_cast<int>(i))
      return arrow::Status::Invalid("The driver described too few columns");
    layout.columns[i].arriving = StorageType(given->field(static_cast<int>(i))->type());
    fields[i] = fields[i]->WithType(layout.columns[i].arriving);
  }
  layout.schema = arrow::schema(std::move(fields));
  return arrow::Status::OK();
}

arrow::Status LayoutCache::NoSuchTable(const std::string& schema, const std::string& table) {
  Forget(schema, table);
  ARROW_ASSIGN_OR_RAISE(const auto tables, Tables(schema));
  std::vector<std::string> names;
  for (const auto& known : tables) names.push_back(known.name);
  return arrow::Status::KeyError("Unknown table: ", core_->name(), ".", schema, ".", table, DidYouMean(table, names));
}

void LayoutCache::Forget(const std::string& schema, const std::string& table) {
  MutexLock lock(mutex_);
  layouts_.erase({schema, table});
  tables_.erase(schema);
}

}  // namespace hyprstream::backend
