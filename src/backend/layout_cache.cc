#include "backend/layout_cache.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <numeric>

#include "backend/select_statement.h"
#include "backend/table_keys.h"
#include "backend/value_reading.h"
#include "base/nearest_name.h"

namespace hyprstream::backend {
namespace {

// A catalog larger than this is not worth its memory.
constexpr std::size_t kEntriesMax = 10'000;
constexpr std::size_t kKeysMax = 100'000;
// The schema of a database without schemas.
constexpr const char* kMain = "main";

}  // namespace

bool LacksTypes(const TableLayout& layout) {
  return std::ranges::any_of(layout.columns, [](const auto& column) { return column.arriving == nullptr; });
}

arrow::Status TakeTypes(TableLayout& layout, const arrow::Schema& given) {
  auto fields = layout.schema->fields();
  for (std::size_t i = 0; i < layout.columns.size(); ++i) {
    if (layout.columns[i].arriving != nullptr) continue;
    if (given.num_fields() <= static_cast<int>(i))
      return arrow::Status::Invalid("The driver described too few columns");
    layout.columns[i].arriving = StorageType(given.field(static_cast<int>(i))->type());
    fields[i] = fields[i]->WithType(layout.columns[i].arriving);
  }
  layout.schema = arrow::schema(std::move(fields));
  return arrow::Status::OK();
}

arrow::Result<std::vector<std::string>> LayoutCache::AskSchemas() {
  const auto& dialect = core_->dialect();
  if (!dialect.has_catalog() && !dialect.names_schemas()) return std::vector<std::string>{kMain};
  const auto question = Question();
  std::vector<std::string> schemas;
  std::map<std::string, NamedSchema> named;
  if (dialect.has_catalog()) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, core_->ReadTexts(dialect.SchemasQuery()));
    for (const auto& row : rows) schemas.push_back(row.at(0).value_or(""));
  } else {
    ARROW_ASSIGN_OR_RAISE(named, core_->ReadSchemas());
    for (const auto& [name, schema] : named) schemas.push_back(name);
  }
  MutexLock lock(mutex_);
  named_ = std::move(named);
  schemas_ = {.value = schemas, .until = Until(question)};
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
  const auto question = Question();
  ARROW_ASSIGN_OR_RAISE(auto tables, AskTables(schema));
  if (tables.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto schemas, AskSchemas());
    if (std::ranges::find(schemas, schema) == schemas.end()) {
      return arrow::Status::KeyError("Unknown schema: ", core_->name(), ".", schema, DidYouMean(schema, schemas));
    }
  }
  MutexLock lock(mutex_);
  if (tables_.size() >= kEntriesMax) tables_.clear();
  tables_[schema] = {.value = tables, .until = Until(question)};
  return tables;
}

arrow::Result<std::optional<NamedSchema>> LayoutCache::Named(const std::string& schema) {
  for (const bool asked : {false, true}) {
    if (asked) ARROW_RETURN_NOT_OK(AskSchemas().status());
    MutexLock lock(mutex_);
    const auto found = named_.find(schema);
    if (found != named_.end()) return found->second;
  }
  return std::nullopt;
}

arrow::Result<std::vector<BackendTable>> LayoutCache::AskDriverForTables(const std::string& schema) {
  std::optional<NamedSchema> named;
  if (core_->dialect().names_schemas()) {
    ARROW_ASSIGN_OR_RAISE(named, Named(schema));
    if (!named) return std::vector<BackendTable>();
  } else if (schema != kMain) {
    return std::vector<BackendTable>();
  }
  ARROW_ASSIGN_OR_RAISE(const auto told, core_->ReadTables(named ? &*named : nullptr));
  std::vector<BackendTable> tables;
  for (const auto& table : told) tables.push_back({.schema = schema, .name = table.name, .is_view = table.is_view});
  return tables;
}

arrow::Result<std::vector<BackendTable>> LayoutCache::AskTables(const std::string& schema) {
  if (!core_->dialect().has_catalog()) return AskDriverForTables(schema);
  std::vector<BackendTable> tables;
  ARROW_ASSIGN_OR_RAISE(const auto rows, core_->ReadTexts(core_->dialect().TablesQuery(schema)));
  for (const auto& row : rows) {
    tables.push_back({.schema = schema, .name = row.at(0).value_or(""), .is_view = row.at(1).value_or("") == "view"});
  }
  return tables;
}

arrow::Result<TableLayout> LayoutCache::AskDriverForLayout(const std::string& schema, const std::string& table) {
  const auto& dialect = core_->dialect();
  if (!dialect.names_schemas()) {
    if (schema != kMain) return NoSuchTable(schema, table);
    const auto described = core_->ReadTableSchema(table);
    if (described.status().IsKeyError()) return NoSuchTable(schema, table);
    ARROW_RETURN_NOT_OK(described.status());
    return dialect.LayoutAsDescribed(table, **described);
  }
  // Drivers have many errors for a table that is not there, and few that say so.
  const auto is_it = [&](const BackendTable& known) { return known.name == table; };
  ARROW_ASSIGN_OR_RAISE(auto tables, Tables(schema));
  if (std::ranges::none_of(tables, is_it)) {
    Forget(schema, table);
    ARROW_ASSIGN_OR_RAISE(tables, Tables(schema));
    if (std::ranges::none_of(tables, is_it)) return NoSuchTable(schema, table);
  }
  ARROW_ASSIGN_OR_RAISE(const auto named, Named(schema));
  if (!named) return NoSuchTable(schema, table);
  // GetTableSchema and rows do not always agree: what rows have is what counts.
  const auto from = dialect.NameOf(*named, table);
  ARROW_ASSIGN_OR_RAISE(const auto described, core_->SchemaOf("SELECT * FROM " + from));
  ARROW_ASSIGN_OR_RAISE(auto layout, dialect.LayoutAsDescribed(table, *described));
  layout.from = from;
  return layout;
}

arrow::Result<TableLayout> LayoutCache::AskLayout(const std::string& schema, const std::string& table) {
  const auto& dialect = core_->dialect();
  if (!dialect.has_catalog()) return AskDriverForLayout(schema, table);
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
  const auto question = Question();
  ARROW_ASSIGN_OR_RAISE(auto read, AskLayout(schema, table));
  auto layout = std::make_shared<const TableLayout>(std::move(read));
  MutexLock lock(mutex_);
  if (layouts_.size() >= kEntriesMax) layouts_.clear();
  layouts_[{schema, table}] = {.value = layout, .until = Until(question)};
  const auto listed = tables_.find(schema);  // it may be of a time before the table
  if (listed != tables_.end() &&
      std::ranges::find(listed->second.value, table, &BackendTable::name) == listed->second.value.end()) {
    tables_.erase(listed);
  }
  return layout;
}

arrow::Status LayoutCache::AskTypes(TableLayout& layout) {
  if (!LacksTypes(layout)) return arrow::Status::OK();
  ScanRequest request;
  request.projection.resize(layout.columns.size());
  std::iota(request.projection.begin(), request.projection.end(), 0);
  // The statement is run to be described, and no more of it is wanted.
  if (!core_->dialect().describes_statements()) request.rows_max = 1;
  ARROW_ASSIGN_OR_RAISE(const auto given, core_->SchemaOf(SelectStatement(core_->dialect(), layout, request)));
  return TakeTypes(layout, *given);
}

arrow::Status LayoutCache::NoSuchTable(const std::string& schema, const std::string& table) {
  Forget(schema, table);
  ARROW_ASSIGN_OR_RAISE(const auto tables, Tables(schema));
  std::vector<std::string> names;
  for (const auto& known : tables) names.push_back(known.name);
  return arrow::Status::KeyError("Unknown table: ", core_->name(), ".", schema, ".", table, DidYouMean(table, names));
}

arrow::Result<std::vector<BackendKey>> LayoutCache::AskKeys() {
  const auto& dialect = core_->dialect();
  if (const auto query = dialect.KeysQuery(); !query.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, core_->ReadTexts(query));
    return KeysOf(rows);
  }
  if (!dialect.driver_tells_keys()) return std::vector<BackendKey>();
  auto told = core_->ReadKeys();
  if (told.status().IsNotImplemented()) return std::vector<BackendKey>();
  ARROW_RETURN_NOT_OK(told.status());
  std::map<std::string, NamedSchema> named;
  if (dialect.names_schemas()) {
    ARROW_ASSIGN_OR_RAISE(named, core_->ReadSchemas());
  } else {
    named.emplace(kMain, NamedSchema());
  }
  return KeysIn(*told, named);
}

arrow::Result<std::shared_ptr<const std::vector<BackendKey>>> LayoutCache::Keys() {
  {
    MutexLock lock(mutex_);
    if (IsFresh(keys_)) return keys_.value;
  }
  const auto question = Question();
  ARROW_ASSIGN_OR_RAISE(auto asked, AskKeys());
  auto keys = std::make_shared<const std::vector<BackendKey>>(std::move(asked));
  MutexLock lock(mutex_);
  if (keys->size() <= kKeysMax) keys_ = {.value = keys, .until = Until(question)};
  return keys;
}

void LayoutCache::Forget(const std::string& schema, const std::string& table) {
  MutexLock lock(mutex_);
  layouts_.erase({schema, table});
  tables_.erase(schema);
  keys_ = {};
}

void LayoutCache::ForgetAll() {
  MutexLock lock(mutex_);
  ++forgotten_;
  layouts_.clear();
  tables_.clear();
  schemas_ = {};
  keys_ = {};
}

}  // namespace hyprstream::backend
