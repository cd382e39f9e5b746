#include "engine/parameter_values_internal.h"

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_parameter_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <utility>

namespace hyprstream::engine {

namespace {

using ExpressionPtr = duckdb::unique_ptr<duckdb::Expression>;

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

}  // namespace

std::optional<std::vector<PlannedFilter>> WithValues(std::vector<PlannedFilter> filters,
                                                     const BoundParameters& parameters) {
  for (auto& filter : filters) {
    for (auto& value : filter.values) {
      ExpressionPtr given = value->Copy();
      if (!PutParameters(parameters, given)) return std::nullopt;
      value = std::shared_ptr<const duckdb::Expression>(given.release());
    }
  }
  return filters;
}

}  // namespace hyprstream::engine
