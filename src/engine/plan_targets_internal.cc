#include "engine/plan_targets_internal.h"

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/schema_catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/parser/parsed_data/alter_info.hpp>
#include <duckdb/parser/parsed_data/create_index_info.hpp>
#include <duckdb/parser/parsed_data/create_table_info.hpp>
#include <duckdb/parser/parsed_data/drop_info.hpp>
#include <duckdb/planner/operator/logical_alter.hpp>
#include <duckdb/planner/operator/logical_create.hpp>
#include <duckdb/planner/operator/logical_create_index.hpp>
#include <duckdb/planner/operator/logical_create_table.hpp>
#include <duckdb/planner/operator/logical_delete.hpp>
#include <duckdb/planner/operator/logical_drop.hpp>
#include <duckdb/planner/operator/logical_insert.hpp>
#include <duckdb/planner/operator/logical_merge_into.hpp>
#include <duckdb/planner/operator/logical_update.hpp>

namespace hyprstream::engine {

namespace {

using duckdb::LogicalOperatorType;

constexpr const char* kTemporaryDatabase = "temp";

PlanTarget OfTable(const duckdb::TableCatalogEntry& table) {
  return {.database = table.ParentCatalog().GetName().GetIdentifierName(),
          .table = {.schema = table.ParentSchema().name.GetIdentifierName(), .name = table.name.GetIdentifierName()},
          .temporary = table.temporary};
}

PlanTarget InSchema(const duckdb::SchemaCatalogEntry& schema, const duckdb::CreateInfo& info) {
  const auto database = schema.ParentCatalog().GetName().GetIdentifierName();
  return {
      .database = database,
      .table = {.schema = schema.name.GetIdentifierName(), .name = info.GetQualifiedName().Name().GetIdentifierName()},
      .temporary = info.temporary || database == kTemporaryDatabase};
}

// By the name that the binder has completed. A schema's own name is the target's schema.
PlanTarget ByName(const duckdb::QualifiedName& name, bool is_schema) {
  PlanTarget target{.database = name.Catalog().GetIdentifierName(),
                    .table = {.schema = name.Schema().GetIdentifierName(), .name = name.Name().GetIdentifierName()},
                    .temporary = false};
  if (is_schema) {
    // A schema is named by [database.]schema, which reads as [schema.]name.
    if (target.database.empty()) target.database = target.table.schema;
    target.table = {.schema = target.table.name, .name = ""};
  } else if (target.table.schema.empty()) {
    target.table.schema = "main";
  }
  target.temporary = target.database == kTemporaryDatabase;
  return target;
}

std::optional<PlanTarget> OfDrop(const duckdb::DropInfo& info) {
  if (info.type == duckdb::CatalogType::PREPARED_STATEMENT) return std::nullopt;
  return ByName(info.GetQualifiedName(), info.type == duckdb::CatalogType::SCHEMA_ENTRY);
}

std::optional<PlanTarget> OfCreate(const duckdb::LogicalCreate& create) {
  if (create.type == LogicalOperatorType::LOGICAL_CREATE_SCHEMA) {
    // The schema to be made is the qualified name's schema or, without one, its name.
    const auto& name = create.info->GetQualifiedName();
    const auto& schema = name.Name().empty() ? name.Schema() : name.Name();
    return PlanTarget{.database = name.Catalog().GetIdentifierName(),
                      .table = {.schema = schema.GetIdentifierName(), .name = ""},
                      .temporary = false};
  }
  if (create.schema) return InSchema(*create.schema, *create.info);
  return ByName(create.info->GetQualifiedName(), false);
}

}  // namespace

std::optional<PlanTarget> TargetOf(const duckdb::LogicalOperator& op) {
  switch (op.type) {
    case LogicalOperatorType::LOGICAL_INSERT:
      return OfTable(op.Cast<duckdb::LogicalInsert>().table);
    case LogicalOperatorType::LOGICAL_DELETE:
      return OfTable(op.Cast<duckdb::LogicalDelete>().table);
    case LogicalOperatorType::LOGICAL_UPDATE:
      return OfTable(op.Cast<duckdb::LogicalUpdate>().table);
    case LogicalOperatorType::LOGICAL_MERGE_INTO:
      return OfTable(op.Cast<duckdb::LogicalMergeInto>().table);
    case LogicalOperatorType::LOGICAL_CREATE_INDEX:
      return OfTable(op.Cast<duckdb::LogicalCreateIndex>().table);
    case LogicalOperatorType::LOGICAL_CREATE_TABLE: {
      const auto& create = op.Cast<duckdb::LogicalCreateTable>();
      return InSchema(create.schema, *create.info->base);
    }
    case LogicalOperatorType::LOGICAL_CREATE_SEQUENCE:
    case LogicalOperatorType::LOGICAL_CREATE_VIEW:
    case LogicalOperatorType::LOGICAL_CREATE_SCHEMA:
    case LogicalOperatorType::LOGICAL_CREATE_MACRO:
    case LogicalOperatorType::LOGICAL_CREATE_TYPE:
      return OfCreate(op.Cast<duckdb::LogicalCreate>());
    case LogicalOperatorType::LOGICAL_DROP:
      return OfDrop(*op.Cast<duckdb::LogicalDrop>().info);
    case LogicalOperatorType::LOGICAL_ALTER: {
      const auto& info = *op.Cast<duckdb::LogicalAlter>().info;
      return ByName(info.GetQualifiedName(), info.GetCatalogType() == duckdb::CatalogType::SCHEMA_ENTRY);
    }
    default:
      return std::nullopt;
  }
}

bool ChangesRows(duckdb::LogicalOperatorType type) {
  return type == LogicalOperatorType::LOGICAL_INSERT || type == LogicalOperatorType::LOGICAL_DELETE ||
         type == LogicalOperatorType::LOGICAL_UPDATE || type == LogicalOperatorType::LOGICAL_MERGE_INTO;
}

}  // namespace hyprstream::engine
