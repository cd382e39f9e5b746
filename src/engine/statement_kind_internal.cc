#include "engine/statement_kind_internal.h"

#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/parsed_data/alter_info.hpp>
#include <duckdb/parser/parsed_data/create_info.hpp>
#include <duckdb/parser/parsed_data/drop_info.hpp>
#include <duckdb/parser/parsed_data/transaction_info.hpp>
#include <duckdb/parser/statement/alter_statement.hpp>
#include <duckdb/parser/statement/create_statement.hpp>
#include <duckdb/parser/statement/drop_statement.hpp>
#include <duckdb/parser/statement/execute_statement.hpp>
#include <duckdb/parser/statement/explain_statement.hpp>
#include <duckdb/parser/statement/multi_statement.hpp>
#include <duckdb/parser/statement/prepare_statement.hpp>
#include <duckdb/parser/statement/set_statement.hpp>
#include <duckdb/parser/statement/transaction_statement.hpp>

#include "engine/stored_expressions_internal.h"

namespace hyprstream::engine {

namespace {

StatementKind KindOfCreate(const duckdb::CreateInfo& info) {
  switch (info.type) {
    case duckdb::CatalogType::TABLE_ENTRY:
    case duckdb::CatalogType::VIEW_ENTRY:
    case duckdb::CatalogType::SCHEMA_ENTRY:
    case duckdb::CatalogType::SEQUENCE_ENTRY:
    case duckdb::CatalogType::TYPE_ENTRY:
    case duckdb::CatalogType::MACRO_ENTRY:
    case duckdb::CatalogType::TABLE_MACRO_ENTRY:
    case duckdb::CatalogType::INDEX_ENTRY:
      return StatementKind::kCreate;
    default:  // secrets and triggers among them
      return StatementKind::kForbidden;
  }
}

StatementClass ClassifyDrop(const duckdb::DropInfo& info) {
  const auto& name = info.GetQualifiedName().Name().GetIdentifierName();
  switch (info.type) {
    case duckdb::CatalogType::PREPARED_STATEMENT:
      return {StatementKind::kDeallocate, name};
    case duckdb::CatalogType::TABLE_ENTRY:
    case duckdb::CatalogType::VIEW_ENTRY:
    case duckdb::CatalogType::SCHEMA_ENTRY:
    case duckdb::CatalogType::SEQUENCE_ENTRY:
    case duckdb::CatalogType::TYPE_ENTRY:
    case duckdb::CatalogType::MACRO_ENTRY:
    case duckdb::CatalogType::TABLE_MACRO_ENTRY:
    case duckdb::CatalogType::INDEX_ENTRY:
      return {StatementKind::kDrop, name};
    default:
      return {StatementKind::kForbidden, {}};
  }
}

StatementKind KindOfAlter(const duckdb::AlterInfo& info) {
  switch (info.type) {
    case duckdb::AlterType::ALTER_TABLE:
    case duckdb::AlterType::ALTER_VIEW:
    case duckdb::AlterType::ALTER_SEQUENCE:
    case duckdb::AlterType::ALTER_SCHEMA:
    case duckdb::AlterType::CHANGE_OWNERSHIP:
      return StatementKind::kAlter;
    case duckdb::AlterType::SET_COMMENT:
    case duckdb::AlterType::SET_COLUMN_COMMENT:
      return StatementKind::kComment;
    default:
      return StatementKind::kForbidden;
  }
}

StatementKind KindOfTransaction(const duckdb::TransactionInfo& info) {
  switch (info.type) {
    case duckdb::TransactionType::BEGIN_TRANSACTION:
      return StatementKind::kBegin;
    case duckdb::TransactionType::COMMIT:
      return StatementKind::kCommit;
    case duckdb::TransactionType::ROLLBACK:
      return StatementKind::kRollback;
    default:
      return StatementKind::kForbidden;
  }
}

StatementClass ClassifySet(const duckdb::SetStatement& statement, bool use) {
  if (!use) return {StatementKind::kSet, statement.name.GetIdentifierName()};
  const auto& value = *statement.Cast<duckdb::SetVariableStatement>().value;
  if (value.GetExpressionType() != duckdb::ExpressionType::VALUE_CONSTANT) return {StatementKind::kForbidden, {}};
  return {StatementKind::kUse, value.Cast<duckdb::ConstantExpression>().GetLiteral().text};
}

StatementClass ClassifyInner(StatementKind kind, const duckdb::SQLStatement& inner, std::string target) {
  if (Classify(inner, false).kind == StatementKind::kForbidden) return {StatementKind::kForbidden, {}};
  return {kind, std::move(target)};
}

// DuckDB would run several statements, and what they do together is not known here.
const char* WhatToWriteFor(const duckdb::MultiStatement& several) {
  if (!several.statements.empty() && several.statements[0]->type == duckdb::StatementType::ALTER_STATEMENT) {
    return kComputedDefault;
  }
  return "PIVOT needs its values written out here: PIVOT table ON column IN (value, ...) USING ...";
}

}  // namespace

StatementClass Classify(const duckdb::SQLStatement& statement, bool use) {
  using duckdb::StatementType;
  switch (statement.type) {
    case StatementType::SELECT_STATEMENT:
      return {StatementKind::kQuery, {}};
    case StatementType::INSERT_STATEMENT:
      return {StatementKind::kInsert, {}};
    case StatementType::UPDATE_STATEMENT:
      return {StatementKind::kUpdate, {}};
    case StatementType::DELETE_STATEMENT:
      return {StatementKind::kDelete, {}};
    case StatementType::MERGE_INTO_STATEMENT:
      return {StatementKind::kMerge, {}};
    case StatementType::CREATE_STATEMENT:
      return {KindOfCreate(*statement.Cast<duckdb::CreateStatement>().info), {}};
    case StatementType::DROP_STATEMENT:
      return ClassifyDrop(*statement.Cast<duckdb::DropStatement>().info);
    case StatementType::ALTER_STATEMENT:
      return {KindOfAlter(*statement.Cast<duckdb::AlterStatement>().info), {}};
    case StatementType::TRANSACTION_STATEMENT: {
      const auto& info = *statement.Cast<duckdb::TransactionStatement>().info;
      if (info.modifier == duckdb::TransactionModifierType::TRANSACTION_READ_ONLY) {
        return {StatementKind::kForbidden, "Transactions that only read (READ ONLY) are not available; leave it out"};
      }
      return {KindOfTransaction(info), {}};
    }
    case StatementType::SET_STATEMENT:
      return ClassifySet(statement.Cast<duckdb::SetStatement>(), use);
    case StatementType::PREPARE_STATEMENT: {
      const auto& prepare = statement.Cast<duckdb::PrepareStatement>();
      return ClassifyInner(StatementKind::kPrepare, *prepare.statement, prepare.name.GetIdentifierName());
    }
    case StatementType::EXECUTE_STATEMENT:
      return {StatementKind::kExecute, statement.Cast<duckdb::ExecuteStatement>().name.GetIdentifierName()};
    case StatementType::EXPLAIN_STATEMENT:
      return ClassifyInner(StatementKind::kExplain, *statement.Cast<duckdb::ExplainStatement>().stmt, {});
    case StatementType::MULTI_STATEMENT:
      return {StatementKind::kForbidden, WhatToWriteFor(statement.Cast<duckdb::MultiStatement>())};
    default:
      return {StatementKind::kForbidden, {}};
  }
}

}  // namespace hyprstream::engine
