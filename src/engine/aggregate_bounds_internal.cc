#include "engine/aggregate_bounds_internal.h"

#include <arrow/status.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/function/scalar_function.hpp>
#include <string>

#include "core/table_ref.h"
#include "engine/error_internal.h"
#include "engine/function_lists_internal.h"

namespace hyprstream::engine {

namespace {

struct Bound {
  std::string_view function;
  std::size_t argument;
  std::string_view what;
  double max;
};
constexpr std::array<Bound, 4> kBounds = {{{"approx_top_k", 1, "number of values", 100},
                                           {"histogram", 1, "list of bins", 1000},
                                           {"histogram_exact", 1, "list of bins", 1000},
                                           {"reservoir_quantile", 2, "sample size", 10'000}}};

// Elements of a list, else the number.
double SizeOf(const duckdb::Value& value) {
  if (value.IsNull()) return 0;
  if (value.type().id() == duckdb::LogicalTypeId::LIST) {
    return static_cast<double>(duckdb::ListValue::GetChildren(value).size());
  }
  return value.DefaultCastAs(duckdb::LogicalType::DOUBLE).GetValue<double>();
}

struct InnerBind : duckdb::ScalarFunctionInfo {
  explicit InnerBind(duckdb::bind_scalar_function_t callback) : bind(callback) {}
  duckdb::bind_scalar_function_t bind;
};

duckdb::unique_ptr<duckdb::FunctionData> BindChecked(duckdb::BindScalarFunctionInput& input) {
  const auto name = FoldIdentifier(input.GetConstant(1).ToString());
  if (OnFunction(name) != Verdict::kAllowed) {
    throw duckdb::BinderException("Function %s is not allowed here", CutText(name, 80));
  }
  const auto status = CheckStateSize(input.GetClientContext(), duckdb::Identifier(name), input.GetArguments(), 1);
  if (!status.ok()) throw duckdb::BinderException(status.message());
  return input.GetBoundFunction().GetExtraFunctionInfo().Cast<InnerBind>().bind(input);
}

}  // namespace

arrow::Status CheckStateSize(duckdb::ClientContext& context, const duckdb::Identifier& aggregate,
                             const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& children,
                             std::size_t first) {
  const auto name = FoldIdentifier(aggregate.GetIdentifierName());
  const auto* const bound = std::ranges::find(kBounds, name, &Bound::function);
  if (bound == kBounds.end() || children.size() <= bound->argument + first) return arrow::Status::OK();
  const auto& argument = *children[bound->argument + first];
  if (argument.IsFoldable() && SizeOf(duckdb::ExpressionExecutor::EvaluateScalar(context, argument)) <= bound->max) {
    return arrow::Status::OK();
  }
  return arrow::Status::Invalid("The ", bound->what, " of ", name, " must be a constant, at most ", bound->max,
                                " here");
}

void BoundListAggregate(duckdb::ScalarFunction& function) {
  if (!function.HasBindCallback()) return;
  function.SetExtraFunctionInfo<InnerBind>(function.GetBindCallback());
  function.SetBindCallback(BindChecked);
}

}  // namespace hyprstream::engine
