#include "engine/look_up_internal.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_parameter_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <utility>

#include "engine/context_state_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/view_chain_internal.h"

namespace hyprstream::engine {

namespace {

using ExpressionPtr = duckdb::unique_ptr<duckdb::Expression>;

bool AddFilters(const ViewChain& chain, const duckdb::Expression& condition, std::vector<PlannedFilter>& filters) {
  if (condition.GetExpressionType() == duckdb::ExpressionType::CONJUNCTION_AND) {
    bool all = true;
    duckdb::ExpressionIterator::EnumerateChildren(
        condition, [&](const duckdb::Expression& child) { all = all && AddFilters(chain, child, filters); });
    return all;
  }
  duckdb::vector<ExpressionPtr> resolved;
  resolved.push_back(condition.Copy());
  if (!chain.Resolve(resolved[0])) return false;
  auto planned = PlanFilters(chain.scan(), resolved);
  if (planned.size() != 1) return false;
  if (planned[0].op != ColumnFilter::Op::kEqual || planned[0].shifted || planned[0].or_null) return false;
  filters.push_back(std::move(planned[0]));
  return true;
}

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
  const auto& query = is_prepared ? *plan.children[0] : plan;
  const auto chain = ViewChain::Read(query);
  if (!chain || query.type != duckdb::LogicalOperatorType::LOGICAL_PROJECTION) return std::nullopt;
  LookUp found{.view = chain->view(), .columns = {}, .filters = {}};
  for (const auto& item : query.expressions) {
    const auto column = chain->ColumnOf(*item);
    if (!column) return std::nullopt;
    found.columns.push_back(*column);
  }
  for (const auto* condition : chain->conditions()) {
    if (!AddFilters(*chain, *condition, found.filters)) return std::nullopt;
  }
  if (found.filters.empty()) return std::nullopt;
  return found;
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
