#include "engine/window_tables_internal.h"

#include <duckdb/function/scalar_macro_function.hpp>
#include <duckdb/function/table_macro_function.hpp>
#include <duckdb/parser/common_table_expression_info.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/subquery_expression.hpp>
#include <duckdb/parser/parsed_data/create_macro_info.hpp>
#include <duckdb/parser/parsed_data/create_table_info.hpp>
#include <duckdb/parser/parsed_data/create_view_info.hpp>
#include <duckdb/parser/query_node/list.hpp>
#include <duckdb/parser/result_modifier.hpp>
#include <duckdb/parser/statement/create_statement.hpp>
#include <duckdb/parser/statement/delete_statement.hpp>
#include <duckdb/parser/statement/execute_statement.hpp>
#include <duckdb/parser/statement/explain_statement.hpp>
#include <duckdb/parser/statement/insert_statement.hpp>
#include <duckdb/parser/statement/merge_into_statement.hpp>
#include <duckdb/parser/statement/prepare_statement.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/statement/update_statement.hpp>
#include <duckdb/parser/tableref/list.hpp>
#include <utility>
#include <vector>

#include "engine/window_call_internal.h"
#include "engine/window_query_internal.h"

namespace hyprstream::engine {

namespace {

using Expression = duckdb::unique_ptr<duckdb::ParsedExpression>;
using Table = duckdb::unique_ptr<duckdb::TableRef>;

// Every table in a tree: in clauses, subqueries, common table expressions.
class Walk {
 public:
  void Visit(duckdb::SQLStatement& statement) {
    using duckdb::StatementType;
    switch (statement.type) {
      case StatementType::SELECT_STATEMENT:
        return Visit(*statement.Cast<duckdb::SelectStatement>().node);
      case StatementType::INSERT_STATEMENT:
        return Visit(*statement.Cast<duckdb::InsertStatement>().node);
      case StatementType::UPDATE_STATEMENT:
        return Visit(*statement.Cast<duckdb::UpdateStatement>().node);
      case StatementType::DELETE_STATEMENT:
        return Visit(*statement.Cast<duckdb::DeleteStatement>().node);
      case StatementType::MERGE_INTO_STATEMENT:
        return Visit(*statement.Cast<duckdb::MergeIntoStatement>().node);
      case StatementType::CREATE_STATEMENT:
        return Visit(*statement.Cast<duckdb::CreateStatement>().info);
      case StatementType::PREPARE_STATEMENT:
        return Visit(*statement.Cast<duckdb::PrepareStatement>().statement);
      case StatementType::EXPLAIN_STATEMENT:
        return Visit(*statement.Cast<duckdb::ExplainStatement>().stmt);
      case StatementType::EXECUTE_STATEMENT:
        for (auto& [name, value] : statement.Cast<duckdb::ExecuteStatement>().named_values) Visit(value);
        return;
      default:
        return;
    }
  }

  void Visit(Table& table) {
    if (!table) return;
    using duckdb::TableReferenceType;
    switch (table->type) {
      case TableReferenceType::TABLE_FUNCTION:
        Visit(table->Cast<duckdb::TableFunctionRef>().function);
        return WriteOut(table);
      case TableReferenceType::JOIN:
        Visit(table->Cast<duckdb::JoinRef>().left);
        Visit(table->Cast<duckdb::JoinRef>().right);
        return Visit(table->Cast<duckdb::JoinRef>().condition);
      case TableReferenceType::SUBQUERY:
        return Visit(table->Cast<duckdb::SubqueryRef>().subquery);
      case TableReferenceType::PIVOT:
        return Visit(table->Cast<duckdb::PivotRef>().source);
      case TableReferenceType::SHOW_REF:
        return Visit(table->Cast<duckdb::ShowRef>().query);
      case TableReferenceType::EXPRESSION_LIST:
        for (auto& row : table->Cast<duckdb::ExpressionListRef>().values) Visit(row);
        return;
      default:
        return;
    }
  }

 private:
  void Visit(duckdb::CreateInfo& info) {
    switch (info.type) {
      case duckdb::CatalogType::TABLE_ENTRY:
        return Visit(info.Cast<duckdb::CreateTableInfo>().query);
      case duckdb::CatalogType::VIEW_ENTRY:
        return Visit(info.Cast<duckdb::CreateViewInfo>().query);
      case duckdb::CatalogType::MACRO_ENTRY:
      case duckdb::CatalogType::TABLE_MACRO_ENTRY:
        for (auto& macro : info.Cast<duckdb::CreateMacroInfo>().macros) Visit(*macro);
        return;
      default:
        return;
    }
  }

  void Visit(duckdb::MacroFunction& macro) {
    parameters_.clear();
    for (const auto& parameter : macro.parameters) {
      parameters_.push_back(parameter->Cast<duckdb::ColumnRefExpression>().GetColumnName());
    }
    if (macro.type == duckdb::MacroType::SCALAR_MACRO) Visit(macro.Cast<duckdb::ScalarMacroFunction>().expression);
    if (macro.type == duckdb::MacroType::TABLE_MACRO) Visit(macro.Cast<duckdb::TableMacroFunction>().query_node);
  }

  void Visit(duckdb::unique_ptr<duckdb::SelectStatement>& select) {
    if (select) Visit(select->node);
  }
  void Visit(duckdb::unique_ptr<duckdb::QueryNode>& node) {
    if (node) Visit(*node);
  }

  void Visit(duckdb::QueryNode& node) {
    for (auto& [name, table] : node.cte_map.map) {
      Visit(table->query_node);
      Visit(table->key_targets);
      Visit(table->payload_aggregates);
    }
    for (auto& modifier : node.modifiers) Visit(*modifier);
    using duckdb::QueryNodeType;
    switch (node.type) {
      case QueryNodeType::SELECT_NODE:
        return VisitSelect(node.Cast<duckdb::SelectNode>());
      case QueryNodeType::SET_OPERATION_NODE:
        for (auto& child : node.Cast<duckdb::SetOperationNode>().children) Visit(child);
        return;
      case QueryNodeType::RECURSIVE_CTE_NODE:
        Visit(node.Cast<duckdb::RecursiveCTENode>().left);
        Visit(node.Cast<duckdb::RecursiveCTENode>().right);
        return Visit(node.Cast<duckdb::RecursiveCTENode>().key_targets);
      case QueryNodeType::CTE_NODE:
        Visit(node.Cast<duckdb::CTENode>().query);
        return Visit(node.Cast<duckdb::CTENode>().child);
      case QueryNodeType::INSERT_QUERY_NODE:
        return VisitInsert(node.Cast<duckdb::InsertQueryNode>());
      case QueryNodeType::UPDATE_QUERY_NODE:
        Visit(node.Cast<duckdb::UpdateQueryNode>().from_table);
        Visit(node.Cast<duckdb::UpdateQueryNode>().set_info);
        return Visit(node.Cast<duckdb::UpdateQueryNode>().returning_list);
      case QueryNodeType::DELETE_QUERY_NODE:
        for (auto& table : node.Cast<duckdb::DeleteQueryNode>().using_clauses) Visit(table);
        Visit(node.Cast<duckdb::DeleteQueryNode>().condition);
        return Visit(node.Cast<duckdb::DeleteQueryNode>().returning_list);
      case QueryNodeType::MERGE_QUERY_NODE:
        return VisitMerge(node.Cast<duckdb::MergeQueryNode>());
      default:
        return;
    }
  }

  void VisitSelect(duckdb::SelectNode& select) {
    Visit(select.select_list);
    Visit(select.from_table);
    Visit(select.where_clause);
    Visit(select.groups.group_expressions);
    Visit(select.having);
    Visit(select.qualify);
  }

  void VisitInsert(duckdb::InsertQueryNode& insert) {
    Visit(insert.select_statement);
    Visit(insert.returning_list);
    if (!insert.on_conflict_info) return;
    Visit(insert.on_conflict_info->set_info);
    Visit(insert.on_conflict_info->condition);
  }

  void VisitMerge(duckdb::MergeQueryNode& merge) {
    Visit(merge.source);
    Visit(merge.join_condition);
    Visit(merge.returning_list);
    for (auto& [condition, actions] : merge.actions) {
      for (auto& action : actions) {
        Visit(action->condition);
        Visit(action->update_info);
        Visit(action->expressions);
      }
    }
  }

  void Visit(duckdb::unique_ptr<duckdb::UpdateSetInfo>& set) {
    if (!set) return;
    Visit(set->condition);
    Visit(set->expressions);
  }

  void Visit(duckdb::ResultModifier& modifier) {
    switch (modifier.type) {
      case duckdb::ResultModifierType::LIMIT_MODIFIER:
        Visit(modifier.Cast<duckdb::LimitModifier>().limit);
        return Visit(modifier.Cast<duckdb::LimitModifier>().offset);
      case duckdb::ResultModifierType::ORDER_MODIFIER:
        for (auto& order : modifier.Cast<duckdb::OrderModifier>().orders) Visit(order.expression);
        return;
      case duckdb::ResultModifierType::DISTINCT_MODIFIER:
        return Visit(modifier.Cast<duckdb::DistinctModifier>().distinct_on_targets);
      default:
        return;
    }
  }

  void WriteOut(Table& table) {
    auto& call = table->Cast<duckdb::TableFunctionRef>();
    const auto read = ReadWindowCall(call, parameters_);
    if (!read) return;
    auto query = duckdb::make_uniq<duckdb::SubqueryRef>(WindowQuery(*read));
    call.CopyProperties(*query);
    query->column_name_alias = call.column_name_alias;
    if (query->alias.empty()) query->alias = duckdb::Identifier(WindowFunction(read->kind));
    table = std::move(query);
  }

  void Visit(duckdb::vector<Expression>& expressions) {
    for (auto& expression : expressions) Visit(expression);
  }

  void Visit(Expression& expression) {
    if (!expression) return;
    if (expression->GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY) {
      Visit(expression->Cast<duckdb::SubqueryExpression>().SubqueryMutable());
    }
    for (auto& child : expression->ChildrenMutable()) Visit(child);
  }

  std::vector<duckdb::Identifier> parameters_;  // of the macro whose body is walked
};

}  // namespace

void WriteOutWindowTables(duckdb::SQLStatement& statement) { Walk().Visit(statement); }

void WriteOutWindowTables(duckdb::unique_ptr<duckdb::TableRef>& table) { Walk().Visit(table); }

}  // namespace hyprstream::engine
