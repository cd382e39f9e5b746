#include "engine/scan_chain_internal.h"

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/operator/logical_projection.hpp>

namespace hyprstream::engine {

namespace {

bool IsReference(const duckdb::Expression& expression) {
  return expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_COLUMN_REF;
}

}  // namespace

const duckdb::LogicalOperator& QueryOf(const duckdb::LogicalOperator& plan) {
  const bool is_prepared = plan.type == duckdb::LogicalOperatorType::LOGICAL_PREPARE && plan.children.size() == 1;
  return is_prepared ? *plan.children[0] : plan;
}

std::optional<ScanChain> ScanChain::Read(const duckdb::LogicalOperator& plan) {
  ScanChain chain;
  return chain.Descend(plan) ? std::optional(std::move(chain)) : std::nullopt;
}

std::optional<TableRef> ScanChain::view() const {
  if (scan_->function.GetName() != duckdb::Identifier("view_scan") || scan_->parameters.size() != 2) {
    return std::nullopt;
  }
  return TableRef{.schema = scan_->parameters[0].ToString(), .name = scan_->parameters[1].ToString()};
}

bool ScanChain::Descend(const duckdb::LogicalOperator& op) {
  switch (op.type) {
    case duckdb::LogicalOperatorType::LOGICAL_PROJECTION:
      projections_.push_back(&op.Cast<duckdb::LogicalProjection>());
      break;
    case duckdb::LogicalOperatorType::LOGICAL_FILTER:
      if (op.HasProjectionMap()) return false;
      for (const auto& condition : op.expressions) conditions_.push_back(condition.get());
      break;
    case duckdb::LogicalOperatorType::LOGICAL_GET:
      scan_ = &op.Cast<duckdb::LogicalGet>();
      return scan_->children.empty();
    default:
      return false;
  }
  return op.children.size() == 1 && Descend(*op.children[0]);
}

bool ScanChain::Resolve(duckdb::unique_ptr<duckdb::Expression>& expression) const {
  if (!IsReference(*expression)) {
    bool resolved = true;
    duckdb::ExpressionIterator::EnumerateChildren(
        *expression, [&](duckdb::unique_ptr<duckdb::Expression>& child) { resolved = resolved && Resolve(child); });
    return resolved;
  }
  const auto& reference = expression->Cast<duckdb::BoundColumnRefExpression>();
  if (reference.Depth() != 0) return false;
  if (reference.Binding().table_index == scan_->table_index) return true;
  const auto projection = std::ranges::find_if(
      projections_, [&](const auto* candidate) { return candidate->table_index == reference.Binding().table_index; });
  if (projection == projections_.end()) return false;
  expression = (*projection)->GetExpression(reference.Binding()).Copy();
  return Resolve(expression);
}

std::optional<int> ScanChain::ColumnOf(const duckdb::Expression& expression) const {
  auto resolved = expression.Copy();
  if (!IsReference(*resolved) || !Resolve(resolved) || !IsReference(*resolved)) return std::nullopt;
  const auto& index = scan_->GetColumnIndex(resolved->Cast<duckdb::BoundColumnRefExpression>().Binding());
  if (!index.HasPrimaryIndex() || index.HasChildren()) return std::nullopt;
  if (index.GetPrimaryIndex() >= scan_->returned_types.size()) return std::nullopt;
  return static_cast<int>(index.GetPrimaryIndex());
}

}  // namespace hyprstream::engine
