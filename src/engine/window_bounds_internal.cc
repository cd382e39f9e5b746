#include "engine/window_bounds_internal.h"

#include <arrow/result.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/optimizer/optimizer.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>
#include <duckdb/planner/operator/logical_aggregate.hpp>
#include <duckdb/planner/operator/logical_dummy_scan.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/operator/logical_projection.hpp>
#include <utility>

#include "core/snapshot.h"
#include "engine/context_state_internal.h"
#include "engine/scan_chain_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalOperatorType;
using ExpressionPtr = duckdb::unique_ptr<duckdb::Expression>;
using Plan = duckdb::unique_ptr<duckdb::LogicalOperator>;

// nullopt: they are not known without a look at every group.
std::optional<WindowBound> BoundOf(const Snapshot& snapshot, const TableRef& view, int column, bool greatest) {
  const auto source = snapshot.View(view);
  if (!source.ok()) return std::nullopt;
  const auto bounds = (*source)->BoundsOf(column);
  if (!bounds) return std::nullopt;
  return WindowBound{
      .view = view, .column = column, .greatest = greatest, .value = greatest ? bounds->greatest : bounds->least};
}

class BoundsFolder {
 public:
  BoundsFolder(duckdb::Optimizer& optimizer, const Snapshot& snapshot) : optimizer_(optimizer), snapshot_(snapshot) {}

  std::vector<WindowBound> Fold(Plan& plan) {
    FoldAggregations(plan);
    if (!bounds_.empty()) JoinConstants(plan, *plan);
    return std::move(bounds_);
  }

 private:
  void FoldAggregations(Plan& op) {
    for (auto& child : op->children) FoldAggregations(child);
    if (op->type != LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) return;
    auto& aggregation = op->Cast<duckdb::LogicalAggregate>();
    const auto chain = ScanChain::Read(*op->children[0]);
    const bool is_whole = chain && chain->view() && chain->conditions().empty() && aggregation.groups.empty() &&
                          aggregation.grouping_sets.size() <= 1 && aggregation.grouping_functions.empty();
    if (!is_whole) return;
    std::vector<WindowBound> found;
    duckdb::vector<ExpressionPtr> constants;
    for (const auto& expression : aggregation.expressions) {
      const auto bound = BoundOf(*expression, *chain);
      if (!bound) return;
      const auto& type = expression->GetReturnType();
      constants.push_back(duckdb::make_uniq<duckdb::BoundConstantExpression>(
          bound->value ? duckdb::Value::Numeric(type, *bound->value) : duckdb::Value(type)));
      found.push_back(*bound);
    }
    std::ranges::move(found, std::back_inserter(bounds_));
    auto projection = duckdb::make_uniq<duckdb::LogicalProjection>(aggregation.aggregate_index, std::move(constants));
    projection->children.push_back(duckdb::make_uniq<duckdb::LogicalDummyScan>(optimizer_.binder.GenerateTableIndex()));
    made_.push_back(projection.get());
    op = std::move(projection);
  }

  std::optional<WindowBound> BoundOf(const duckdb::Expression& expression, const ScanChain& chain) const {
    if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_AGGREGATE) return std::nullopt;
    const auto& aggregate = expression.Cast<duckdb::BoundAggregateExpression>();
    const auto name = aggregate.Function().GetName().GetIdentifierName();
    if ((name != "max" && name != "min") || aggregate.GetChildren().size() != 1 || aggregate.GetFilter() ||
        aggregate.StateExportMode() != duckdb::AggregateStateExportMode::NONE) {
      return std::nullopt;
    }
    const auto column = chain.ColumnOf(*aggregate.GetChildren()[0]);
    if (!column || aggregate.GetChildren()[0]->GetReturnType() != expression.GetReturnType()) return std::nullopt;
    return engine::BoundOf(snapshot_, *chain.view(), *column, name == "max");
  }

  // A cross product with one row of constants is its other side, with the constants where its columns were.
  void JoinConstants(Plan& op, duckdb::LogicalOperator& root) {
    for (auto& child : op->children) JoinConstants(child, root);
    if (op->type != LogicalOperatorType::LOGICAL_CROSS_PRODUCT || &*op == &root) return;
    auto& right = *op->children[1];
    if (right.type != LogicalOperatorType::LOGICAL_PROJECTION || !IsConstant(right)) return;
    const auto index = right.Cast<duckdb::LogicalProjection>().table_index;
    std::vector<ExpressionPtr> constants;
    for (const auto& expression : right.expressions) {
      constants.push_back(expression->Copy());
      Substitute(constants.back(), *right.children[0]);
    }
    Replace(root, index, constants);
    op = std::move(op->children[0]);
  }

  // Projections over one that was made here.
  bool IsConstant(const duckdb::LogicalOperator& op) const {
    if (std::ranges::find(made_, &op) != made_.end()) return true;
    return op.type == LogicalOperatorType::LOGICAL_PROJECTION && op.children.size() == 1 &&
           std::ranges::none_of(op.expressions, [](const auto& expression) { return expression->IsVolatile(); }) &&
           IsConstant(*op.children[0]);
  }

  // Columns of `from`, projections over constants, become what they stand for.
  static void Substitute(ExpressionPtr& expression, const duckdb::LogicalOperator& from) {
    if (from.type != LogicalOperatorType::LOGICAL_PROJECTION) return;
    const auto& projection = from.Cast<duckdb::LogicalProjection>();
    if (expression->GetExpressionClass() == duckdb::ExpressionClass::BOUND_COLUMN_REF) {
      const auto& binding = expression->Cast<duckdb::BoundColumnRefExpression>().Binding();
      if (binding.table_index != projection.table_index) return;
      expression = projection.GetExpression(binding).Copy();
      Substitute(expression, *from.children[0]);
      return;
    }
    duckdb::ExpressionIterator::EnumerateChildren(*expression, [&](ExpressionPtr& child) { Substitute(child, from); });
  }

  static void Replace(duckdb::LogicalOperator& op, duckdb::TableIndex index,
                      const std::vector<ExpressionPtr>& constants) {
    duckdb::LogicalOperatorVisitor::EnumerateExpressions(
        op, [&](ExpressionPtr* expression) { ReplaceIn(*expression, index, constants); });
    for (auto& child : op.children) Replace(*child, index, constants);
  }

  static void ReplaceIn(ExpressionPtr& expression, duckdb::TableIndex index,
                        const std::vector<ExpressionPtr>& constants) {
    if (expression->GetExpressionClass() == duckdb::ExpressionClass::BOUND_COLUMN_REF) {
      const auto& binding = expression->Cast<duckdb::BoundColumnRefExpression>().Binding();
      if (binding.table_index != index) return;
      auto alias = expression->GetAlias();
      expression = constants.at(binding.column_index.GetIndexUnsafe())->Copy();
      expression->SetAlias(std::move(alias));
      return;
    }
    duckdb::ExpressionIterator::EnumerateChildren(*expression,
                                                  [&](ExpressionPtr& child) { ReplaceIn(child, index, constants); });
  }

  duckdb::Optimizer& optimizer_;
  const Snapshot& snapshot_;
  std::vector<WindowBound> bounds_;
  std::vector<const duckdb::LogicalOperator*> made_;
};

}  // namespace

std::vector<WindowBound> FoldWindowBounds(duckdb::Optimizer& optimizer, Plan& plan) {
  const auto& state = ContextState::Of(optimizer.context);
  // Of a plan that DuckDB keeps nobody would see that it is out of date.
  if (state.trust != Trust::kClient || state.plan_is_kept || !state.snapshot) return {};
  return BoundsFolder(optimizer, *state.snapshot).Fold(plan);
}

bool StillHolds(duckdb::ClientContext& context, const WindowBound& bound) {
  const auto& snapshot = ContextState::Of(context).snapshot;
  if (!snapshot) return false;
  const auto now = BoundOf(*snapshot, bound.view, bound.column, bound.greatest);
  return now && now->value == bound.value;
}

}  // namespace hyprstream::engine
