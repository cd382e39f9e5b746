#include "engine/join_filters_internal.h"

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/main/client_config.hpp>
#include <duckdb/main/settings.hpp>
#include <duckdb/optimizer/join_filter_pushdown_optimizer.hpp>
#include <duckdb/optimizer/optimizer.hpp>
#include <duckdb/planner/expression/bound_comparison_expression.hpp>
#include <duckdb/planner/expression/bound_conjunction_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_operator_expression.hpp>
#include <duckdb/planner/filter/expression_filter.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/table_filter_set.hpp>
#include <utility>

#include "engine/arrow_in_internal.h"
#include "engine/backend_scan_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionFilter;
using duckdb::ExpressionType;
using Op = ColumnFilter::Op;

using Scans = std::vector<std::reference_wrapper<duckdb::LogicalGet>>;

void Collect(duckdb::LogicalOperator& plan, Scans& scans) {
  if (plan.type == duckdb::LogicalOperatorType::LOGICAL_GET) {
    auto& get = plan.Cast<duckdb::LogicalGet>();
    if (BackendRowsOf(get) != nullptr) scans.emplace_back(get);
  }
  for (const auto& child : plan.children) Collect(*child, scans);
}

// The conditions on one column that a source can use; the others, filters that grow while rows come among them, are
// left out.
class KeyReader {
 public:
  KeyReader(int column, duckdb::LogicalType type) : column_(column), type_(std::move(type)) {}

  void Read(const duckdb::Expression& condition) {
    if (const auto child = ExpressionFilter::GetOptionalFilterChild(condition)) return Read(*child);
    if (condition.GetExpressionType() == ExpressionType::CONJUNCTION_AND) {
      for (const auto& child : condition.Cast<duckdb::BoundConjunctionExpression>().GetChildren()) Read(*child);
    } else if (condition.GetExpressionType() == ExpressionType::COMPARE_IN) {
      const auto& children = condition.Cast<duckdb::BoundOperatorExpression>().GetChildren();
      std::vector<const duckdb::Expression*> values;
      for (duckdb::idx_t i = 1; i < children.size(); ++i) values.push_back(children[i].get());
      if (ExpressionFilter::IsSimpleFilterColumnRef(*children[0])) Add(Op::kIn, values);
    } else if (duckdb::BoundComparisonExpression::IsComparison(condition)) {
      auto type = ExpressionType::INVALID;
      const auto constant =
          ExpressionFilter::TryGetColumnConstantComparison(condition.Cast<duckdb::BoundFunctionExpression>(), type);
      if (!constant) return;
      if (type == ExpressionType::COMPARE_EQUAL) Add(Op::kEqual, {constant.get()});
      if (type == ExpressionType::COMPARE_GREATERTHANOREQUALTO) Add(Op::kGreaterEqual, {constant.get()});
      if (type == ExpressionType::COMPARE_LESSTHANOREQUALTO) Add(Op::kLessEqual, {constant.get()});
    }
  }

  // A list of all keys says more than their range.
  std::vector<PlannedFilter> Take() {
    const auto is_list = [](const PlannedFilter& filter) { return filter.op == Op::kIn || filter.op == Op::kEqual; };
    if (std::ranges::any_of(planned_, is_list)) std::erase_if(planned_, std::not_fn(is_list));
    return std::move(planned_);
  }

 private:
  void Add(Op op, const std::vector<const duckdb::Expression*>& values) {
    PlannedFilter filter{.column = column_, .op = op, .values = {}, .text = {}};
    for (const auto* value : values) {
      const bool fits =
          value->GetExpressionClass() == duckdb::ExpressionClass::BOUND_CONSTANT && value->GetReturnType() == type_;
      if (!fits) return;
      filter.values.emplace_back(value->Copy().release());
    }
    planned_.push_back(std::move(filter));
  }

  const int column_;
  const duckdb::LogicalType type_;
  std::vector<PlannedFilter> planned_;
};

}  // namespace

void LinkJoins(duckdb::Optimizer& optimizer, duckdb::LogicalOperator& plan) {
  auto& settings = duckdb::ClientConfig::GetConfig(optimizer.context).user_settings;
  settings.ClearSetting(duckdb::DynamicOrFilterThresholdSetting::SettingIndex);
  Scans scans;
  Collect(plan, scans);
  if (scans.empty()) return;
  for (duckdb::LogicalGet& scan : scans) scan.function.filter_pushdown = true;
  duckdb::JoinFilterPushdownOptimizer linker(optimizer);
  linker.VisitOperator(plan);
  for (duckdb::LogicalGet& scan : scans) {
    scan.function.filter_pushdown = scan.dynamic_filters != nullptr;
    scan.bind_data->Cast<StreamScanData>().joined = scan.dynamic_filters != nullptr;
  }
  // For a scan of DuckDB's own so many would cost more than they spare.
  settings.SetUserSetting(duckdb::DynamicOrFilterThresholdSetting::SettingIndex, duckdb::Value::UBIGINT(kJoinKeysMax));
}

std::vector<PlannedFilter> FiltersOfJoins(const duckdb::TableFunctionInitInput& input) {
  std::vector<PlannedFilter> planned;
  if (!input.filters) return planned;
  const auto& types = input.bind_data->Cast<StreamScanData>().all_types;
  for (const auto& entry : std::as_const(*input.filters)) {
    const auto& filter = entry.Filter();
    const auto column = input.column_ids.at(entry.GetIndex().GetIndex());
    if (column >= types.size() || filter.filter_type != duckdb::TableFilterType::EXPRESSION_FILTER) continue;
    KeyReader reader(static_cast<int>(column), types[column]);
    reader.Read(*filter.Cast<ExpressionFilter>().expr);
    std::ranges::move(reader.Take(), std::back_inserter(planned));
  }
  return planned;
}

}  // namespace hyprstream::engine
