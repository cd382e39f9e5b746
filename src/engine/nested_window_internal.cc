#include "engine/nested_window_internal.h"

#include <arrow/type.h>

#include <duckdb.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/parser/expression/cast_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression_binder/constant_binder.hpp>
#include <utility>

#include "core/table_ref.h"
#include "engine/time_grain_internal.h"
#include "engine/view_window_internal.h"

namespace hyprstream::engine {

namespace {

using Expression = duckdb::unique_ptr<duckdb::ParsedExpression>;

// A call of time_bucket with a width and a time alone; null for all else.
duckdb::FunctionExpression* AsPlainBucket(duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::FUNCTION || !WindowOf(expression)) return nullptr;
  auto& function = expression.Cast<duckdb::FunctionExpression>();
  const auto name = FoldIdentifier(function.FunctionName().GetIdentifierName());
  return name == "time_bucket" && function.GetArguments().size() == 2 ? &function : nullptr;
}

duckdb::Value Evaluate(duckdb::ClientContext& context, const duckdb::ParsedExpression& width) {
  Expression cast = duckdb::make_uniq<duckdb::CastExpression>(duckdb::LogicalType::INTERVAL, width.Copy());
  const auto binder = duckdb::Binder::CreateBinder(context);
  duckdb::ConstantBinder constants(*binder, context, "time_bucket");
  const auto bound = constants.Bind(cast);
  return duckdb::ExpressionExecutor::EvaluateScalar(context, *bound);
}

bool HasZone(const arrow::DataType& key) {
  return key.id() == arrow::Type::TIMESTAMP && !static_cast<const arrow::TimestampType&>(key).timezone().empty();
}

}  // namespace

void UnnestWindow(duckdb::ClientContext& context, const AggregateQuery& inner, const duckdb::ParsedExpression& window,
                  Expression& expression) {
  auto* coarse = AsPlainBucket(*expression);
  if (coarse == nullptr || !inner.fixed_window) return;
  auto& time = coarse->GetArgumentsMutable()[1].GetExpressionMutable();
  if (!time->Equals(window)) return;
  auto* fine = AsPlainBucket(*time);
  if (fine == nullptr) return;
  const bool has_zone = HasZone(*inner.evaluated_schema->field(inner.window_key)->type());
  const auto width = Evaluate(context, coarse->GetArguments()[0].GetExpression());
  if (!BucketsHoldWhole(width, has_zone, *inner.fixed_window)) return;
  auto inner_time = std::move(fine->GetArgumentsMutable()[1].GetExpressionMutable());
  time = std::move(inner_time);
}

}  // namespace hyprstream::engine
