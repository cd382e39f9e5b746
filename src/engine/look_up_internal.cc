#include "engine/look_up_internal.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_conjunction_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_parameter_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_filter.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/operator/logical_projection.hpp>
#include <utility>

#include "engine/context_state_internal.h"
#include "engine/declared_schema_internal.h"

namespace hyprstream::engine {

namespace {

using ExpressionPtr = duckdb::unique_ptr<duckdb::Expression>;

// A plan of projections and filters over one scan of a view.
class LookUpReader {
 public:
  std::optional<LookUp> Read(const duckdb::LogicalOperator& plan) {
    if (plan.type != duckdb::LogicalOperatorType::LOGICAL_PROJECTION || !Descend(plan)) return std::nullopt;
    LookUp found{.view = {.schema = get_->parameters[0].ToString(), .name = get_->parameters[1].ToString()},
                 .columns = {},
                 .filters = {}};
    for (const auto& item : plan.expressions) {
      auto column = item->Copy();
      if (!IsReference(*column) || !Resolve(column)) return std::nullopt;
      const auto& binding = column->Cast<duckdb::BoundColumnRefExpression>().Binding();
      const auto& index = get_->GetColumnIndex(binding);
      if (!index.HasPrimaryIndex() || index.HasChildren() || index.GetPrimaryIndex() >= get_->returned_types.size()) {
        return std::nullopt;
      }
      found.columns.push_back(static_cast<int>(index.GetPrimaryIndex()));
    }
    for (const auto& condition : conditions_) {
      if (!AddFilters(*condition, found.filters)) return std::nullopt;
    }
    if (found.filters.empty()) return std::nullopt;
    return found;
  }

 private:
  bool Descend(const duckdb::LogicalOperator& op) {
    switch (op.type) {
      case duckdb::LogicalOperatorType::LOGICAL_PROJECTION:
        projections_.push_back(&op.Cast<duckdb::LogicalProjection>());
        break;
      case duckdb::LogicalOperatorType::LOGICAL_FILTER:
        if (op.HasProjectionMap()) return false;
        for (const auto& condition : op.expressions) conditions_.push_back(condition.get());
        break;
      case duckdb::LogicalOperatorType::LOGICAL_GET:
        get_ = &op.Cast<duckdb::LogicalGet>();
        return get_->function.GetName() == duckdb::Identifier("view_scan") && get_->parameters.size() == 2 &&
               get_->children.empty();
      default:
        return false;
    }
    return op.children.size() == 1 && Descend(*op.children[0]);
  }

  static bool IsReference(const duckdb::Expression& expression) {
    return expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_COLUMN_REF;
  }

  // In terms of the scan's columns; false where it names anything else.
  bool Resolve(ExpressionPtr& expression) const {
    if (!IsReference(*expression)) {
      bool resolved = true;
      duckdb::ExpressionIterator::EnumerateChildren(
          *expression, [&](ExpressionPtr& child) { resolved = resolved && Resolve(child); });
      return resolved;
    }
    const auto& reference = expression->Cast<duckdb::BoundColumnRefExpression>();
    if (reference.Depth() != 0) return false;
    if (reference.Binding().table_index == get_->table_index) return true;
    const auto projection = std::ranges::find_if(
        projections_, [&](const auto* candidate) { return candidate->table_index == reference.Binding().table_index; });
    if (projection == projections_.end()) return false;
    expression = (*projection)->GetExpression(reference.Binding()).Copy();
    return Resolve(expression);
  }

  bool AddFilters(const duckdb::Expression& condition, std::vector<PlannedFilter>& filters) const {
    if (condition.GetExpressionType() == duckdb::ExpressionType::CONJUNCTION_AND) {
      bool all = true;
      duckdb::ExpressionIterator::EnumerateChildren(
          condition, [&](const duckdb::Expression& child) { all = all && AddFilters(child, filters); });
      return all;
    }
    duckdb::vector<ExpressionPtr> resolved;
    resolved.push_back(condition.Copy());
    if (!Resolve(resolved[0])) return false;
    auto planned = PlanFilters(*get_, resolved);
    if (planned.size() != 1) return false;
    if (planned[0].op != ColumnFilter::Op::kEqual || planned[0].shifted || planned[0].or_null) return false;
    filters.push_back(std::move(planned[0]));
    return true;
  }

  std::vector<const duckdb::LogicalProjection*> projections_;
  std::vector<const duckdb::Expression*> conditions_;
  const duckdb::LogicalGet* get_ = nullptr;
};

// The value as a constant of the parameter's type; false where DuckDB might understand the comparison otherwise.
bool PutParameters(const BoundParameters& parameters, ExpressionPtr& expression) {
  if (expression->GetExpressionClass() != duckdb::ExpressionClass::BOUND_PARAMETER) {
    bool put = true;
    duckdb::ExpressionIterator::EnumerateChildren(
        *expression, [&](ExpressionPtr& child) { put = put && PutParameters(parameters, child); });
    return put;
  }
  const auto& name = expression->Cast<duckdb::BoundParameterExpression>().Identifier();
  const auto at =
      std::ranges::find_if(parameters.infos, [&](const auto& info) { return duckdb::Identifier(info.name) == name; });
  if (at == parameters.infos.end()) return false;
  auto value = parameters.values[static_cast<duckdb::idx_t>(at - parameters.infos.begin())];
  const auto type = expression->GetReturnType();
  if (value.type() != type) {
    if (!value.type().IsIntegral() || !type.IsIntegral()) return false;
    auto cast = value.DefaultTryCastAs(type);
    if (!cast) return false;
    value = *std::move(cast);
  }
  expression = duckdb::make_uniq<duckdb::BoundConstantExpression>(std::move(value));
  return true;
}

std::optional<std::vector<PlannedFilter>> WithValues(const LookUp& look_up, const BoundParameters& parameters) {
  std::vector<PlannedFilter> filters = look_up.filters;
  for (auto& filter : filters) {
    for (auto& value : filter.values) {
      ExpressionPtr given = value->Copy();
      if (!PutParameters(parameters, given)) return std::nullopt;
      value = std::shared_ptr<const duckdb::Expression>(given.release());
    }
  }
  return filters;
}

// Do the view's columns lie as the result's?
bool LieAlike(const LookUp& look_up, const DeclaredSchema& view, const arrow::Schema& result) {
  if (static_cast<int>(look_up.columns.size()) != result.num_fields()) return false;
  for (int i = 0; i < result.num_fields(); ++i) {
    const int column = look_up.columns[static_cast<std::size_t>(i)];
    if (column >= view.num_fields() || view.carriage(static_cast<std::size_t>(column)) != Carriage::kArrow ||
        !view.field(column)->type()->Equals(*result.field(i)->type())) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<LookUp> ReadLookUp(const duckdb::LogicalOperator& plan) {
  const bool is_prepared = plan.type == duckdb::LogicalOperatorType::LOGICAL_PREPARE && plan.children.size() == 1;
  return LookUpReader().Read(is_prepared ? *plan.children[0] : plan);
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> RunLookUp(duckdb::ClientContext& context,
                                                                   const LookUp& look_up,
                                                                   const BoundParameters& parameters,
                                                                   const std::shared_ptr<arrow::Schema>& schema) {
  const auto& snapshot = ContextState::Of(context).snapshot;
  if (!snapshot) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const auto source, snapshot->View(look_up.view));
  const auto* declared = AsDeclared(*source->schema());
  if (declared == nullptr || !LieAlike(look_up, *declared, *schema)) return nullptr;
  const auto given = WithValues(look_up, parameters);
  if (!given) return nullptr;
  auto filters = EvaluateFilters(context, *given, *declared);
  if (filters.size() != given->size() || !source->FindsOne(filters)) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const auto rows, source->Scan({.projection = look_up.columns, .filters = std::move(filters)}));
  ARROW_ASSIGN_OR_RAISE(const auto found, rows->ToRecordBatches());
  std::vector<std::shared_ptr<arrow::RecordBatch>> result;
  for (const auto& batch : found) {
    result.push_back(arrow::RecordBatch::Make(schema, batch->num_rows(), batch->columns()));
  }
  return arrow::RecordBatchReader::Make(std::move(result), schema);
}

}  // namespace hyprstream::engine
