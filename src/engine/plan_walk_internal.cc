#include "engine/plan_walk_internal.h"

#include <duckdb/planner/constraints/bound_check_constraint.hpp>
#include <duckdb/planner/expression/bound_lambda_expression.hpp>
#include <duckdb/planner/expression/bound_subquery_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>
#include <duckdb/planner/operator/logical_insert.hpp>
#include <duckdb/planner/operator/logical_merge_into.hpp>
#include <duckdb/planner/operator/logical_update.hpp>

namespace hyprstream::engine {

namespace {

using ExpressionVisitor = std::function<void(const duckdb::Expression&)>;
using OperatorVisitor = std::function<void(const duckdb::LogicalOperator&)>;
using Expressions = duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>;

class Walk {
 public:
  Walk(const OperatorVisitor& on_operator, const ExpressionVisitor& on_expression)
      : on_operator_(on_operator), on_expression_(on_expression) {}

  void Visit(const duckdb::LogicalOperator& plan) {
    on_operator_(plan);
    duckdb::LogicalOperatorVisitor::EnumerateExpressions(
        plan, [this](const duckdb::unique_ptr<duckdb::Expression>* expression) { Visit(expression->get()); });
    VisitHidden(plan);
    for (const auto& child : plan.children) Visit(*child);
  }

 private:
  void Visit(const duckdb::Expression* expression) {
    if (expression == nullptr) return;
    on_expression_(*expression);
    if (expression->GetExpressionClass() == duckdb::ExpressionClass::BOUND_LAMBDA) {
      const auto& lambda = expression->Cast<duckdb::BoundLambdaExpression>();
      Visit(lambda.LambdaExpr().get());
      Visit(lambda.Captures());
      return;
    }
    if (expression->GetExpressionClass() == duckdb::ExpressionClass::BOUND_SUBQUERY) {
      const auto& subquery = expression->Cast<duckdb::BoundSubqueryExpression>();
      if (subquery.Subquery().plan) Visit(*subquery.Subquery().plan);
      Visit(subquery.GetChildren());
      return;
    }
    duckdb::ExpressionIterator::EnumerateChildren(*expression,
                                                  [this](const duckdb::Expression& child) { Visit(&child); });
  }

  void Visit(const Expressions& expressions) {
    for (const auto& expression : expressions) Visit(expression.get());
  }

  void Visit(const duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>>& constraints) {
    for (const auto& constraint : constraints) {
      if (constraint->type == duckdb::ConstraintType::CHECK) {
        Visit(constraint->Cast<duckdb::BoundCheckConstraint>().expression.get());
      }
    }
  }

  void VisitHidden(const duckdb::LogicalOperator& plan) {
    if (plan.type == duckdb::LogicalOperatorType::LOGICAL_INSERT) {
      const auto& insert = plan.Cast<duckdb::LogicalInsert>();
      for (const auto& row : insert.insert_values) Visit(row);
      Visit(insert.bound_defaults);
      Visit(insert.bound_constraints);
      Visit(insert.on_conflict_info.on_conflict_condition.get());
      Visit(insert.on_conflict_info.do_update_condition.get());
    } else if (plan.type == duckdb::LogicalOperatorType::LOGICAL_UPDATE) {
      const auto& update = plan.Cast<duckdb::LogicalUpdate>();
      Visit(update.bound_defaults);
      Visit(update.bound_constraints);
    } else if (plan.type == duckdb::LogicalOperatorType::LOGICAL_MERGE_INTO) {
      const auto& merge = plan.Cast<duckdb::LogicalMergeInto>();
      Visit(merge.bound_defaults);
      Visit(merge.bound_constraints);
      for (const auto& [condition, actions] : merge.actions) {
        for (const auto& action : actions) {
          Visit(action->condition.get());
          Visit(action->expressions);
        }
      }
    }
  }

  const OperatorVisitor& on_operator_;
  const ExpressionVisitor& on_expression_;
};

}  // namespace

void WalkPlan(const duckdb::LogicalOperator& plan,
              const std::function<void(const duckdb::LogicalOperator&)>& on_operator,
              const std::function<void(const duckdb::Expression&)>& on_expression) {
  Walk(on_operator, on_expression).Visit(plan);
}

}  // namespace hyprstream::engine
