#include "backend/driver_objects.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_nested.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

namespace hyprstream::backend {
namespace {

// The schema of a database without schemas.
constexpr const char* kMain = "main";

arrow::Status AnotherShape() { return arrow::Status::Invalid("The driver described its tables in another shape"); }

// A column of names; NULL is empty.
class Names {
 public:
  static arrow::Result<Names> Make(const std::shared_ptr<arrow::Array>& array) {
    if (array == nullptr || array->type_id() != arrow::Type::STRING) return AnotherShape();
    return Names(std::static_pointer_cast<arrow::StringArray>(array));
  }
  std::string At(std::int64_t row) const { return array_->IsNull(row) ? std::string() : array_->GetString(row); }

 private:
  explicit Names(std::shared_ptr<arrow::StringArray> array) : array_(std::move(array)) {}
  std::shared_ptr<arrow::StringArray> array_;
};

// A column of lists of structs: the structs of one row, and their fields.
class Lists {
 public:
  static arrow::Result<Lists> Make(const std::shared_ptr<arrow::Array>& array) {
    if (array == nullptr || array->type_id() != arrow::Type::LIST) return AnotherShape();
    auto lists = std::static_pointer_cast<arrow::ListArray>(array);
    if (lists->values()->type_id() != arrow::Type::STRUCT) return AnotherShape();
    return Lists(std::move(lists));
  }
  // None where the list is NULL.
  std::int64_t Begin(std::int64_t row) const { return array_->value_offset(row); }
  std::int64_t End(std::int64_t row) const {
    return array_->IsNull(row) ? array_->value_offset(row) : array_->value_offset(row + 1);
  }
  // Null: there is no such field.
  std::shared_ptr<arrow::Array> Field(const std::string& name) const {
    return static_cast<const arrow::StructArray&>(*array_->values()).GetFieldByName(name);
  }

 private:
  explicit Lists(std::shared_ptr<arrow::ListArray> array) : array_(std::move(array)) {}
  std::shared_ptr<arrow::ListArray> array_;
};

// A column of lists of names.
class NameLists {
 public:
  static arrow::Result<NameLists> Make(const std::shared_ptr<arrow::Array>& array) {
    if (array == nullptr || array->type_id() != arrow::Type::LIST) return AnotherShape();
    auto lists = std::static_pointer_cast<arrow::ListArray>(array);
    ARROW_ASSIGN_OR_RAISE(auto names, Names::Make(lists->values()));
    return NameLists(std::move(lists), std::move(names));
  }
  std::vector<std::string> At(std::int64_t row) const {
    std::vector<std::string> names;
    if (lists_->IsNull(row)) return names;
    for (auto at = lists_->value_offset(row); at < lists_->value_offset(row + 1); ++at) names.push_back(names_.At(at));
    return names;
  }

 private:
  NameLists(std::shared_ptr<arrow::ListArray> lists, Names names)
      : lists_(std::move(lists)), names_(std::move(names)) {}
  std::shared_ptr<arrow::ListArray> lists_;
  Names names_;
};

// Constraints without their tables.
class Constraints {
 public:
  static arrow::Result<Constraints> Make(const Lists& lists) {
    ARROW_ASSIGN_OR_RAISE(auto names, Names::Make(lists.Field("constraint_name")));
    ARROW_ASSIGN_OR_RAISE(auto kinds, Names::Make(lists.Field("constraint_type")));
    ARROW_ASSIGN_OR_RAISE(auto columns, NameLists::Make(lists.Field("constraint_column_names")));
    ARROW_ASSIGN_OR_RAISE(auto usages, Lists::Make(lists.Field("constraint_column_usage")));
    ARROW_ASSIGN_OR_RAISE(auto catalogs, Names::Make(usages.Field("fk_catalog")));
    ARROW_ASSIGN_OR_RAISE(auto schemas, Names::Make(usages.Field("fk_db_schema")));
    ARROW_ASSIGN_OR_RAISE(auto tables, Names::Make(usages.Field("fk_table")));
    ARROW_ASSIGN_OR_RAISE(auto used, Names::Make(usages.Field("fk_column_name")));
    return Constraints{.names = std::move(names),
                       .kinds = std::move(kinds),
                       .columns = std::move(columns),
                       .usages = std::move(usages),
                       .catalogs = std::move(catalogs),
                       .schemas = std::move(schemas),
                       .tables = std::move(tables),
                       .used = std::move(used)};
  }
  NamedConstraint At(std::int64_t row) const {
    NamedConstraint constraint{
        .table = {}, .kind = kinds.At(row), .name = names.At(row), .columns = columns.At(row), .usages = {}};
    for (auto at = usages.Begin(row); at < usages.End(row); ++at) {
      constraint.usages.push_back(
          {.table = {.schema = {.catalog = catalogs.At(at), .name = schemas.At(at)}, .name = tables.At(at)},
           .column = used.At(at)});
    }
    return constraint;
  }

  Names names, kinds;
  NameLists columns;
  Lists usages;
  Names catalogs, schemas, tables, used;
};

}  // namespace

arrow::Result<std::vector<NamedSchema>> SchemasIn(const arrow::RecordBatch& catalogs) {
  ARROW_ASSIGN_OR_RAISE(const auto catalog_names, Names::Make(catalogs.GetColumnByName("catalog_name")));
  ARROW_ASSIGN_OR_RAISE(const auto schemas, Lists::Make(catalogs.GetColumnByName("catalog_db_schemas")));
  ARROW_ASSIGN_OR_RAISE(const auto names, Names::Make(schemas.Field("db_schema_name")));
  std::vector<NamedSchema> found;
  for (std::int64_t row = 0; row < catalogs.num_rows(); ++row) {
    for (auto at = schemas.Begin(row); at < schemas.End(row); ++at) {
      found.push_back({.catalog = catalog_names.At(row), .name = names.At(at)});
    }
    if (schemas.Begin(row) == schemas.End(row)) found.push_back({.catalog = catalog_names.At(row), .name = {}});
  }
  return found;
}

arrow::Result<std::vector<NamedTable>> TablesIn(const arrow::RecordBatch& catalogs) {
  ARROW_ASSIGN_OR_RAISE(const auto catalog_names, Names::Make(catalogs.GetColumnByName("catalog_name")));
  ARROW_ASSIGN_OR_RAISE(const auto schemas, Lists::Make(catalogs.GetColumnByName("catalog_db_schemas")));
  ARROW_ASSIGN_OR_RAISE(const auto schema_names, Names::Make(schemas.Field("db_schema_name")));
  ARROW_ASSIGN_OR_RAISE(const auto tables, Lists::Make(schemas.Field("db_schema_tables")));
  ARROW_ASSIGN_OR_RAISE(const auto names, Names::Make(tables.Field("table_name")));
  ARROW_ASSIGN_OR_RAISE(const auto types, Names::Make(tables.Field("table_type")));
  std::vector<NamedTable> found;
  for (std::int64_t row = 0; row < catalogs.num_rows(); ++row) {
    for (auto schema = schemas.Begin(row); schema < schemas.End(row); ++schema) {
      for (auto table = tables.Begin(schema); table < tables.End(schema); ++table) {
        const auto type = types.At(table);
        found.push_back({.schema = {.catalog = catalog_names.At(row), .name = schema_names.At(schema)},
                         .name = names.At(table),
                         .is_view = type.contains("view") || type.contains("VIEW")});
      }
    }
  }
  return found;
}

arrow::Result<std::vector<NamedConstraint>> ConstraintsIn(const arrow::RecordBatch& catalogs) {
  ARROW_ASSIGN_OR_RAISE(const auto catalog_names, Names::Make(catalogs.GetColumnByName("catalog_name")));
  ARROW_ASSIGN_OR_RAISE(const auto schemas, Lists::Make(catalogs.GetColumnByName("catalog_db_schemas")));
  ARROW_ASSIGN_OR_RAISE(const auto schema_names, Names::Make(schemas.Field("db_schema_name")));
  ARROW_ASSIGN_OR_RAISE(const auto tables, Lists::Make(schemas.Field("db_schema_tables")));
  ARROW_ASSIGN_OR_RAISE(const auto names, Names::Make(tables.Field("table_name")));
  ARROW_ASSIGN_OR_RAISE(const auto lists, Lists::Make(tables.Field("table_constraints")));
  ARROW_ASSIGN_OR_RAISE(const auto constraints, Constraints::Make(lists));
  std::vector<NamedConstraint> found;
  for (std::int64_t row = 0; row < catalogs.num_rows(); ++row) {
    for (auto schema = schemas.Begin(row); schema < schemas.End(row); ++schema) {
      for (auto table = tables.Begin(schema); table < tables.End(schema); ++table) {
        for (auto at = lists.Begin(table); at < lists.End(table); ++at) {
          auto constraint = constraints.At(at);
          constraint.table = {.schema = {.catalog = catalog_names.At(row), .name = schema_names.At(schema)},
                              .name = names.At(table)};
          found.push_back(std::move(constraint));
        }
      }
    }
  }
  return found;
}

std::map<std::string, NamedSchema> NamesOf(const std::vector<NamedSchema>& schemas, const std::string& current) {
  const bool only = std::ranges::all_of(schemas, [&](const auto& s) { return s.catalog == schemas[0].catalog; });
  const auto is_here = [&](const NamedSchema& schema) { return only || schema.catalog == current; };
  std::map<std::string, NamedSchema> names;
  // What another catalog has is not to take a name from what is here.
  for (const auto& schema : schemas) {
    if (is_here(schema)) names.try_emplace(schema.name.empty() ? kMain : schema.name, schema);
  }
  for (const auto& schema : schemas) {
    if (is_here(schema)) continue;
    names.try_emplace(schema.name.empty() ? schema.catalog : schema.catalog + "." + schema.name, schema);
  }
  return names;
}

}  // namespace hyprstream::backend
