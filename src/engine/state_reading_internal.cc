#include "engine/state_reading_internal.h"

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/optimizer/optimizer.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_aggregate.hpp>
#include <duckdb/planner/operator/logical_projection.hpp>
#include <map>
#include <utility>
#include <vector>

#include "core/table_ref.h"
#include "engine/declared_schema_internal.h"
#include "engine/order_keys_internal.h"
#include "engine/rollup_internal.h"

namespace hyprstream::engine {

namespace {

using Expression = duckdb::unique_ptr<duckdb::Expression>;
using duckdb::ExpressionClass;
using duckdb::LogicalOperatorType;

constexpr const char* kNumberOfRows = "''::BLOB";  // stands in its place

bool IsStateOf(const duckdb::Expression& expression) {
  return expression.GetExpressionClass() == ExpressionClass::BOUND_FUNCTION &&
         expression.Cast<duckdb::BoundFunctionExpression>().Function().GetName() == duckdb::Identifier(kStateOf);
}

// The plan of a states_sql: projections over one aggregation.
class PlanOfStates {
 public:
  explicit PlanOfStates(duckdb::LogicalOperator& root) : root_(root) {
    auto* below = root.children.empty() ? nullptr : root.children[0].get();
    while (below != nullptr && below->type == LogicalOperatorType::LOGICAL_PROJECTION) {
      projections_.push_back(&below->Cast<duckdb::LogicalProjection>());
      below = below->children[0].get();
    }
    if (below != nullptr && below->type == LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) {
      aggregation_ = &below->Cast<duckdb::LogicalAggregate>();
    }
  }

  duckdb::LogicalAggregate* aggregation() const { return aggregation_; }

  // Which of the view's aggregates each of the plan's is.
  std::map<std::size_t, std::size_t> AggregatesOf(const AggregateQuery& view) const {
    std::map<std::size_t, std::size_t> aggregates;
    for (std::size_t i = 0; i < view.output.size(); ++i) {
      if (view.output[i].is_key) continue;
      const auto index = AggregateBehind(*root_.expressions.at(i));
      if (index) aggregates[*index] = static_cast<std::size_t>(view.output[i].index);
    }
    return aggregates;
  }

  // Makes it one over the groups of a view.
  void ReadFrom(GroupsOfView groups) {
    auto& items = root_.expressions;
    for (std::size_t i = 0; i + 1 < items.size(); ++i) {
      const auto alias = items[i]->GetAlias();
      if (const auto aggregate = AggregateBehind(*items[i])) {
        items[i] = groups.states.at(*aggregate)->Copy();
      } else {
        PutKeys(items[i], groups);
      }
      items[i]->SetAlias(alias);
    }
    items.back() = std::move(groups.rows);
    root_.children[0] = std::move(groups.plan);
  }

 private:
  // What a column is in the aggregation's output.
  duckdb::ColumnBinding Below(duckdb::ColumnBinding binding) const {
    for (const auto* projection : projections_) {
      if (projection->table_index != binding.table_index) continue;
      const auto& passed = projection->GetExpression(binding);
      if (passed.GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) {
        throw duckdb::InternalException("a view's SELECT computes %s of its groups", passed.ToString());
      }
      binding = passed.Cast<duckdb::BoundColumnRefExpression>().Binding();
    }
    return binding;
  }

  std::optional<std::size_t> AggregateBehind(const duckdb::Expression& item) const {
    if (!IsStateOf(item)) return std::nullopt;
    const auto& of = *item.Cast<duckdb::BoundFunctionExpression>().GetChildren()[0];
    const auto binding = Below(of.Cast<duckdb::BoundColumnRefExpression>().Binding());
    if (binding.table_index != aggregation_->aggregate_index) return std::nullopt;
    return binding.column_index.GetIndexUnsafe();
  }

  void PutKeys(Expression& expression, const GroupsOfView& groups) const {
    if (expression->GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
      const auto binding = Below(expression->Cast<duckdb::BoundColumnRefExpression>().Binding());
      expression = groups.groups.at(binding.column_index.GetIndexUnsafe())->Copy();
      return;
    }
    duckdb::ExpressionIterator::EnumerateChildren(*expression, [&](Expression& child) { PutKeys(child, groups); });
  }

  duckdb::LogicalOperator& root_;
  std::vector<const duckdb::LogicalProjection*> projections_;  // below the root, from above
  duckdb::LogicalAggregate* aggregation_ = nullptr;
};

void NeverRuns(duckdb::DataChunk&, duckdb::ExpressionState&, duckdb::Vector&) {
  throw duckdb::InvalidInputException("%s() was not given its states", kStateOf);
}

}  // namespace

void RegisterStateOf(duckdb::Connection& connection) {
  duckdb::ScalarFunction function(duckdb::Identifier(kStateOf), {duckdb::LogicalType::ANY}, duckdb::LogicalType::BLOB,
                                  NeverRuns);
  function.SetFallible();
  function.SetStability(duckdb::FunctionStability::VOLATILE);  // not to be computed before it is replaced
  duckdb::CreateScalarFunctionInfo info(function);
  duckdb::Catalog::GetSystemCatalog(*connection.context).CreateFunction(*connection.context, info);
}

std::string StatesSql(const AggregateQuery& view, const duckdb::SQLStatement& select) {
  std::string items;
  std::string names;
  for (std::size_t i = 0; i < view.output.size(); ++i) {
    const auto& output = view.output[i];
    const auto name = "c" + std::to_string(i);
    names += (i == 0 ? "" : ", ") + name;
    if (!output.is_key) {
      items += std::string(kStateOf) + "(" + name + "), ";
    } else if (AsDeclared(*view.output_schema)->carriage(i) == Carriage::kOrderKey) {
      items += std::string(kOrderKey) + "(" + name + "), ";
    } else {
      items += name + ", ";
    }
  }
  return "SELECT " + items + kNumberOfRows + " FROM (" + select.ToString() + ") AS hyprstream_groups(" + names + ")";
}

void KeepAggregates(duckdb::LogicalOperator& plan) {
  for (auto& child : plan.children) KeepAggregates(*child);
  if (plan.type != LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) return;
  for (auto& expression : plan.expressions) {
    if (expression->GetExpressionClass() != ExpressionClass::BOUND_AGGREGATE) continue;
    auto& function = expression->Cast<duckdb::BoundAggregateExpression>().FunctionMutable();
    if (!function.HasRewriteCallback()) continue;
    function.SetRewriteCallback(nullptr, duckdb::AggregateRewritePolicy::MANDATORY, duckdb::OptimizerType::INVALID,
                                nullptr);
  }
}

void PlanStates(duckdb::Optimizer& optimizer, duckdb::unique_ptr<duckdb::LogicalOperator>& plan,
                StateRequest& request) {
  request.from = {};
  request.refused = false;
  request.refusal.clear();
  auto* root = plan.get();  // or PREPARE's
  while (root->type != LogicalOperatorType::LOGICAL_PROJECTION && root->children.size() == 1) {
    root = root->children[0].get();
  }
  PlanOfStates states(*root);
  if (states.aggregation() == nullptr) throw duckdb::InternalException("a view's SELECT is no aggregation");
  auto groups = GroupsFor(optimizer, *states.aggregation(), states.AggregatesOf(request.view), request);
  request.refused = !groups;
  if (!groups) throw duckdb::BinderException("no view has the states of %s", request.view.view.ToString());
  request.from = groups->query->view;
  states.ReadFrom(*std::move(groups));
}

}  // namespace hyprstream::engine
