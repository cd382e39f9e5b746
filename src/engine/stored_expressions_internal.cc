#include "engine/stored_expressions_internal.h"

#include <arrow/status.h>

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/catalog/entry_lookup_info.hpp>
#include <duckdb/common/type_visitor.hpp>
#include <duckdb/parser/constraints/check_constraint.hpp>
#include <duckdb/parser/expression/cast_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/expression/type_expression.hpp>
#include <duckdb/parser/parsed_data/alter_table_info.hpp>
#include <duckdb/parser/parsed_data/create_table_info.hpp>
#include <duckdb/planner/operator/logical_alter.hpp>
#include <duckdb/planner/operator/logical_create_table.hpp>

#include "core/table_ref.h"
#include "engine/error_internal.h"
#include "engine/function_lists_internal.h"
#include "engine/row_plan_internal.h"

namespace hyprstream::engine {

namespace {

class StoredCheck {
 public:
  explicit StoredCheck(duckdb::ClientContext& context) : context_(context) {}

  arrow::Status Check(const duckdb::ParsedExpression* expression) {
    if (expression == nullptr) return arrow::Status::OK();
    if (expression->GetExpressionClass() == duckdb::ExpressionClass::FUNCTION) {
      ARROW_RETURN_NOT_OK(CheckFunction(expression->Cast<duckdb::FunctionExpression>()));
    }
    if (expression->GetExpressionClass() == duckdb::ExpressionClass::CAST) {
      ARROW_RETURN_NOT_OK(CheckType(expression->Cast<duckdb::CastExpression>().TargetType()));
    }
    auto status = arrow::Status::OK();
    for (const auto& child : expression->Children()) {
      if (status.ok()) status = Check(&child);
    }
    return status;
  }

  arrow::Status Check(const duckdb::ColumnDefinition& column) {
    if (column.Generated()) return Check(&column.GeneratedExpression());
    return column.HasDefaultValue() ? Check(&column.DefaultValue()) : arrow::Status::OK();
  }

  arrow::Status Check(const duckdb::Constraint& constraint) {
    if (constraint.type != duckdb::ConstraintType::CHECK) return arrow::Status::OK();
    return Check(constraint.Cast<duckdb::CheckConstraint>().expression.get());
  }

  arrow::Status Check(const duckdb::CreateTableInfo& info) {
    for (const auto& column : info.columns.Logical()) ARROW_RETURN_NOT_OK(Check(column));
    for (const auto& constraint : info.constraints) ARROW_RETURN_NOT_OK(Check(*constraint));
    return arrow::Status::OK();
  }

  arrow::Status Check(const duckdb::AlterTableInfo& info) {
    switch (info.alter_table_type) {
      case duckdb::AlterTableType::ADD_COLUMN:
        return CheckAdded(info.Cast<duckdb::AddColumnInfo>().new_column);
      case duckdb::AlterTableType::ADD_FIELD:
        return CheckAdded(info.Cast<duckdb::AddFieldInfo>().new_field);
      case duckdb::AlterTableType::ALTER_COLUMN_TYPE:
        return CheckChanged(info, info.Cast<duckdb::ChangeColumnTypeInfo>());
      case duckdb::AlterTableType::SET_DEFAULT:
        return Check(info.Cast<duckdb::SetDefaultInfo>().expression.get());
      case duckdb::AlterTableType::ADD_CONSTRAINT:
        return Check(*info.Cast<duckdb::AddConstraintInfo>().constraint);
      default:
        return arrow::Status::OK();
    }
  }

 private:
  // ---- what DuckDB's log holds as a statement: after a crash it is computed again, by no session

  arrow::Status CheckAdded(const duckdb::ColumnDefinition& column) {
    ARROW_RETURN_NOT_OK(Check(column));
    if (!column.HasDefaultValue()) return arrow::Status::OK();
    if (column.DefaultValue().GetExpressionClass() != duckdb::ExpressionClass::CONSTANT) {
      return arrow::Status::Invalid(kComputedDefault);
    }
    return IsZoned(column.Type()) ? CheckSettings() : arrow::Status::OK();
  }

  arrow::Status CheckChanged(const duckdb::AlterTableInfo& info, const duckdb::ChangeColumnTypeInfo& change) {
    ARROW_RETURN_NOT_OK(Check(change.expression.get()));
    if (const auto name = UnstableCall(context_, *change.expression); !name.empty()) {
      return arrow::Status::Invalid("ALTER COLUMN … TYPE cannot use ", name,
                                    "(): its result changes from call to call; add another column and UPDATE it");
    }
    bool depends = IsZoned(change.target_type) || IsWritten(*change.expression);
    const auto table = duckdb::Catalog::GetEntry(
        context_, duckdb::EntryLookupInfo(duckdb::CatalogType::TABLE_ENTRY, info.GetQualifiedName()),
        duckdb::OnEntryNotFound::RETURN_NULL);
    if (table && table->type == duckdb::CatalogType::TABLE_ENTRY) {
      for (const auto& column : table->Cast<duckdb::TableCatalogEntry>().GetColumns().Logical()) {
        depends |= IsZoned(column.Type());
      }
    }
    return depends ? CheckSettings() : arrow::Status::OK();
  }

  static bool IsZoned(const duckdb::LogicalType& type) {
    return duckdb::TypeVisitor::Contains(type, duckdb::LogicalTypeId::TIMESTAMP_TZ) ||
           duckdb::TypeVisitor::Contains(type, duckdb::LogicalTypeId::TIME_TZ);
  }
  // Anything but the column or a cast of it, which are what stands there without USING.
  static bool IsWritten(const duckdb::ParsedExpression& expression) {
    if (expression.GetExpressionClass() != duckdb::ExpressionClass::CAST) {
      return expression.GetExpressionClass() != duckdb::ExpressionClass::COLUMN_REF;
    }
    return IsWritten(expression.Cast<duckdb::CastExpression>().Child());
  }

  // As whoever computes it again has them.
  arrow::Status CheckSettings() {
    auto& database = duckdb::DatabaseInstance::GetDatabase(context_);
    for (const auto* name : {"TimeZone", "Calendar", "default_order", "default_null_order"}) {
      duckdb::Value here;
      duckdb::Value elsewhere;
      context_.TryGetCurrentSetting(duckdb::Identifier(name), here);
      database.TryGetCurrentSetting(duckdb::Identifier(name), elsewhere);
      if (here.ToString() == elsewhere.ToString()) continue;
      return arrow::Status::Invalid("This ALTER TABLE may depend on ", name,
                                    ", which this session has set, and after a crash it is done again without: RESET ",
                                    name, " first, and name a zone in the statement where it is needed (AT TIME ZONE)");
    }
    return arrow::Status::OK();
  }

  // DuckDB's log names them where they cannot be looked up yet when it is read.
  arrow::Status CheckType(const duckdb::TypeExpression& type) {
    for (const auto& part : type.GetChildren()) {
      if (part->GetExpressionClass() != duckdb::ExpressionClass::TYPE) continue;
      ARROW_RETURN_NOT_OK(CheckType(part->Cast<duckdb::TypeExpression>()));
    }
    const auto& name = type.GetQualifiedName();
    const auto entry = duckdb::Catalog::GetEntry(
        context_, duckdb::EntryLookupInfo(duckdb::CatalogType::TYPE_ENTRY, name), duckdb::OnEntryNotFound::RETURN_NULL);
    if (!entry || entry->internal) return arrow::Status::OK();
    return arrow::Status::Invalid("Type ", CutText(name.Name().GetIdentifierName(), 80),
                                  ", made by CREATE TYPE, cannot be cast to in constraints, generated columns and "
                                  "column changes; add a column of that type and UPDATE it");
  }

  arrow::Status CheckFunction(const duckdb::FunctionExpression& function) {
    const auto& written = function.FunctionName().GetIdentifierName();
    const auto name = FoldIdentifier(written);
    const auto entry = duckdb::Catalog::GetEntry(
        context_, duckdb::EntryLookupInfo(duckdb::CatalogType::SCALAR_FUNCTION_ENTRY, function.GetQualifiedName()),
        duckdb::OnEntryNotFound::RETURN_NULL);
    const bool built_in = entry && entry->internal && entry->type == duckdb::CatalogType::SCALAR_FUNCTION_ENTRY;
    if (built_in && name != "current_setting" && OnFunction(name) == Verdict::kAllowed) return arrow::Status::OK();
    return arrow::Status::Invalid("Function ", CutText(written, 80),
                                  " is not allowed in defaults, constraints and column changes; built-in functions of "
                                  "values are");
  }

  duckdb::ClientContext& context_;
};

}  // namespace

arrow::Status CheckStoredExpressions(duckdb::ClientContext& context, const duckdb::LogicalOperator& op) {
  StoredCheck check(context);
  if (op.type == duckdb::LogicalOperatorType::LOGICAL_CREATE_TABLE) {
    return check.Check(op.Cast<duckdb::LogicalCreateTable>().info->base->Cast<duckdb::CreateTableInfo>());
  }
  if (op.type == duckdb::LogicalOperatorType::LOGICAL_ALTER) {
    const auto& info = *op.Cast<duckdb::LogicalAlter>().info;
    if (info.type == duckdb::AlterType::ALTER_TABLE) return check.Check(info.Cast<duckdb::AlterTableInfo>());
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::engine
