#include "engine/row_plan_internal.h"

#include <arrow/status.h>

#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>

namespace hyprstream::engine {

namespace {

arrow::Status CheckBound(const duckdb::Expression& expression) {
  using duckdb::ExpressionClass;
  const auto kind = expression.GetExpressionClass();
  if (kind == ExpressionClass::BOUND_SUBQUERY || kind == ExpressionClass::BOUND_WINDOW ||
      kind == ExpressionClass::BOUND_AGGREGATE || kind == ExpressionClass::BOUND_UNNEST) {
    return arrow::Status::NotImplemented("A materialized view's keys and arguments are computed from one row: ",
                                         "no subqueries, windows, unnest or aggregates, also not in macros");
  }
  if (kind == ExpressionClass::BOUND_FUNCTION) {
    const auto& function = expression.Cast<duckdb::BoundFunctionExpression>().Function();
    if (function.GetStability() != duckdb::FunctionStability::CONSISTENT) {
      return arrow::Status::NotImplemented("A materialized view cannot use ", function.GetName().GetIdentifierName(),
                                           "(): its result changes from call to call; keep the value in a column");
    }
  }
  auto status = arrow::Status::OK();
  duckdb::ExpressionIterator::EnumerateChildren(expression, [&](const duckdb::Expression& child) {
    if (status.ok()) status = CheckBound(child);
  });
  return status;
}

}  // namespace

arrow::Status CheckRowWise(const duckdb::LogicalOperator& plan) {
  using duckdb::LogicalOperatorType;
  if (plan.type != LogicalOperatorType::LOGICAL_PROJECTION && plan.type != LogicalOperatorType::LOGICAL_FILTER &&
      plan.type != LogicalOperatorType::LOGICAL_GET) {
    return arrow::Status::NotImplemented("A materialized view's keys and arguments are computed from one row: ",
                                         "no subqueries, windows, unnest or aggregates, also not in macros");
  }
  auto status = arrow::Status::OK();
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(plan, [&](const duckdb::unique_ptr<duckdb::Expression>* child) {
    if (status.ok()) status = CheckBound(**child);
  });
  for (const auto& child : plan.children) {
    if (status.ok()) status = CheckRowWise(*child);
  }
  return status;
}

}  // namespace hyprstream::engine
