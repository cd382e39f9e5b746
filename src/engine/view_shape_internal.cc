#include "engine/view_shape_internal.h"

#include <arrow/status.h>

#include <duckdb/parser/parsed_expression_iterator.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <duckdb/parser/tableref/table_function_ref.hpp>
#include <string>

#include "engine/error_internal.h"
#include "engine/window_call_internal.h"

namespace hyprstream::engine {

namespace {

arrow::Status Refuse(const std::string& what, const std::string& instead) {
  return arrow::Status::NotImplemented("A materialized view cannot have ", what, ": ", instead);
}

arrow::Status CheckModifiers(const duckdb::SelectNode& select) {
  for (const auto& modifier : select.modifiers) {
    switch (modifier->type) {
      case duckdb::ResultModifierType::ORDER_MODIFIER:
        return Refuse("ORDER BY", "order the query that reads the view");
      case duckdb::ResultModifierType::DISTINCT_MODIFIER:
        return Refuse("DISTINCT",
                      "its groups are distinct already; select the keys with GROUP BY ALL and an aggregate");
      default:
        return Refuse("LIMIT", "limit the query that reads the view");
    }
  }
  return arrow::Status::OK();
}

arrow::Status CheckFrom(const duckdb::TableRef& from) {
  using duckdb::TableReferenceType;
  switch (from.type) {
    case TableReferenceType::BASE_TABLE:
      break;
    case TableReferenceType::TABLE_FUNCTION:
      if (ReadWindowCall(from.Cast<duckdb::TableFunctionRef>())) break;
      return Refuse("anything but one table in FROM", "name the table that it aggregates");
    case TableReferenceType::EMPTY_FROM:
      return Refuse("a SELECT without FROM", "name the table that it aggregates");
    case TableReferenceType::JOIN:
      return Refuse("a join", "aggregate one table, and join the view where it is read");
    case TableReferenceType::SUBQUERY:
      return Refuse("a subquery in FROM", "write its expressions and conditions into this SELECT");
    default:
      return Refuse("anything but one table in FROM", "name the table that it aggregates");
  }
  if (from.sample) return Refuse("a sample", "filter with WHERE on something that each row has");
  if (!from.column_name_alias.empty()) return Refuse("column aliases in FROM", "use the table's own column names");
  const bool is_table = from.type == TableReferenceType::BASE_TABLE;
  if (is_table && from.Cast<duckdb::BaseTableRef>().at_clause) return Refuse("AT", "it follows the table as it is now");
  return arrow::Status::OK();
}

arrow::Status CheckClauses(const duckdb::SelectNode& select) {
  if (!select.cte_map.map.empty()) {
    return Refuse("WITH", "write the common table expression into the SELECT");
  }
  if (select.having) return Refuse("HAVING", "filter the query that reads the view");
  if (select.qualify) return Refuse("QUALIFY", "filter the query that reads the view");
  if (select.sample) return Refuse("a sample", "filter with WHERE on something that each row has");
  if (select.groups.grouping_sets.size() > 1) {
    return Refuse("grouping sets, ROLLUP or CUBE", "create one view for each set of keys");
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Status CheckShape(const duckdb::QueryNode& node) {
  if (node.type != duckdb::QueryNodeType::SELECT_NODE) {
    return Refuse("UNION, EXCEPT, INTERSECT or recursion",
                  "create one view for each SELECT and combine them in a query");
  }
  const auto& select = node.Cast<duckdb::SelectNode>();
  ARROW_RETURN_NOT_OK(CheckFrom(*select.from_table));
  ARROW_RETURN_NOT_OK(CheckClauses(select));
  return CheckModifiers(select);
}

arrow::Status CheckExpression(const duckdb::ParsedExpression& expression) {
  using duckdb::ExpressionClass;
  switch (expression.GetExpressionClass()) {
    case ExpressionClass::SUBQUERY:
      return Refuse("a subquery", "join or compare where the view is read");
    case ExpressionClass::WINDOW:
      return Refuse("window functions", "use them in the query that reads the view");
    case ExpressionClass::STAR:
      return Refuse("* or COLUMNS(...)", "name the columns");
    case ExpressionClass::PARAMETER:
      return Refuse("parameters", "write the values out");
    case ExpressionClass::POSITIONAL_REFERENCE:
      return Refuse("column numbers (" + CutText(expression.ToString(), 40) + ")", "name the columns");
    default:
      break;
  }
  auto status = arrow::Status::OK();
  for (const auto& child : expression.Children()) {
    if (status.ok()) status = CheckExpression(child);
  }
  return status;
}

}  // namespace hyprstream::engine
