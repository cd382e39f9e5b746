#include "engine/expression_shape_internal.h"

#include <duckdb.hpp>
#include <duckdb/common/type_visitor.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/planner/expression/bound_between_expression.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_window_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_aggregate.hpp>
#include <duckdb/planner/operator/logical_filter.hpp>
#include <set>
#include <utility>

#include "core/table_ref.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionClass;
using duckdb::LogicalOperatorType;

void SplitConjunction(const duckdb::Expression& condition, std::vector<const duckdb::Expression*>& parts) {
  if (condition.GetExpressionType() != duckdb::ExpressionType::CONJUNCTION_AND) {
    parts.push_back(&condition);
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(condition,
                                                [&](const duckdb::Expression& part) { SplitConjunction(part, parts); });
}

bool HasZone(const duckdb::LogicalType& type) {
  return duckdb::TypeVisitor::Contains(type, [](const duckdb::LogicalType& part) {
    return part.id() == duckdb::LogicalTypeId::TIMESTAMP_TZ || part.id() == duckdb::LogicalTypeId::TIME_TZ;
  });
}

// Functions whose bind data says nothing that their arguments and result do not say.
bool IsToldByArguments(const std::string& name) {
  static const std::set<std::string> kKnown = {"+",           "-",
                                               "*",           "/",
                                               "//",          "%",
                                               "date_trunc",  "datetrunc",
                                               "time_bucket", "strftime",
                                               "round",       "list_value",
                                               "struct_pack", "timezone",
                                               "concat",      "concat_ws",
                                               "||",          "row",
                                               "coalesce",    "greatest",
                                               "least",       "regexp_matches"};
  return kKnown.contains(name);
}

// Aggregates that are told by their name and arguments: of others DuckDB keeps constants in the bind data.
bool IsToldByArguments(const duckdb::BoundAggregateExpression& call) {
  static const std::set<std::string> kKnown = {"count",
                                               "count_star",
                                               "sum",
                                               "avg",
                                               "mean",
                                               "min",
                                               "max",
                                               "bool_and",
                                               "bool_or",
                                               "bit_and",
                                               "bit_or",
                                               "bit_xor",
                                               "var_pop",
                                               "var_samp",
                                               "variance",
                                               "stddev",
                                               "stddev_pop",
                                               "stddev_samp",
                                               "skewness",
                                               "kurtosis",
                                               "kurtosis_pop",
                                               "sem",
                                               "covar_pop",
                                               "covar_samp",
                                               "corr",
                                               "regr_slope",
                                               "regr_intercept",
                                               "regr_r2",
                                               "regr_count",
                                               "regr_avgx",
                                               "regr_avgy",
                                               "regr_sxx",
                                               "regr_syy",
                                               "regr_sxy",
                                               "product",
                                               "geomean",
                                               "geometric_mean",
                                               "arg_min",
                                               "arg_max",
                                               "argmin",
                                               "argmax",
                                               "min_by",
                                               "max_by",
                                               "fsum",
                                               "sumkahan",
                                               "kahan_sum",
                                               "favg",
                                               "count_if",
                                               "countif"};
  const auto name = FoldIdentifier(call.Function().GetName().GetIdentifierName());
  const bool has_count =
      (name == "min" || name == "max") ? call.GetChildren().size() > 1 : call.GetChildren().size() > 2;
  return kKnown.contains(name) && !has_count;
}

class Shaper {
 public:
  Shaper(const AggregationInput& input, const std::string& time_zone,
         std::size_t size_max = std::numeric_limits<std::size_t>::max())
      : input_(input), time_zone_(time_zone), size_max_(size_max) {}

  bool Add(const duckdb::Expression& expression) {
    if (text_.size() > size_max_) return false;
    switch (expression.GetExpressionClass()) {
      case ExpressionClass::BOUND_COLUMN_REF:
        return AddColumn(expression.Cast<duckdb::BoundColumnRefExpression>());
      case ExpressionClass::BOUND_CONSTANT: {
        const auto& value = expression.Cast<duckdb::BoundConstantExpression>().GetValue();
        // Its text does not tell 1 from '1'.
        if (duckdb::TypeVisitor::Contains(value.type(), duckdb::LogicalTypeId::VARIANT)) return false;
        text_ += QuoteLiteral(value.ToString()) + (value.IsNull() ? "?" : "") + "::" + value.type().ToString();
        return true;
      }
      case ExpressionClass::BOUND_FUNCTION:
        return AddFunction(expression.Cast<duckdb::BoundFunctionExpression>());
      case ExpressionClass::BOUND_DEFAULT:  // what lag and lead give where there is no such row
        text_ += "default";
        return true;
      case ExpressionClass::BOUND_WINDOW:
        return AddWindow(expression.Cast<duckdb::BoundWindowExpression>());
      case ExpressionClass::BOUND_OPERATOR:
      case ExpressionClass::BOUND_CONJUNCTION:
      case ExpressionClass::BOUND_CASE:
        return AddNode(duckdb::ExpressionTypeToString(expression.GetExpressionType()), expression);
      default:
        return false;
    }
  }

  bool AddAggregate(const duckdb::BoundAggregateExpression& call, bool with_filter) {
    if (call.GetOrderBys() || call.StateExportMode() != duckdb::AggregateStateExportMode::NONE) return false;
    if (!IsToldByArguments(call)) return false;
    text_ += call.IsDistinct() ? "distinct " : "";
    text_ += FoldIdentifier(call.Function().GetName().GetIdentifierName()) + "(";
    for (const auto& child : call.GetChildren()) {
      if (!Add(*child)) return false;
      text_ += ", ";
    }
    text_ += ")->" + call.GetReturnType().ToString();
    if (!with_filter || !call.GetFilter()) return true;
    text_ += " filter ";
    return Add(*call.GetFilter());
  }

  std::optional<std::string> Take() {
    if (zoned_) text_ += " @" + time_zone_;
    return std::move(text_);
  }

 private:
  bool AddColumn(const duckdb::BoundColumnRefExpression& column) {
    if (column.Depth() > 0) return false;
    if (const auto* behind = input_.Behind(column.Binding())) return Add(*behind);
    const auto name = input_.ColumnOf(column.Binding());
    if (name.empty()) return false;
    text_ += QuoteIdentifier(name) + ":" + column.GetReturnType().ToString();
    return true;
  }

  bool AddFunction(const duckdb::BoundFunctionExpression& call) {
    // Of this call alone: its arguments are looked at in turn.
    if (call.Function().GetStability() != duckdb::FunctionStability::CONSISTENT) return false;
    auto name = FoldIdentifier(call.Function().GetName().GetIdentifierName());
    if (duckdb::BoundCastExpression::IsCast(call)) {
      if (duckdb::BoundCastExpression::IsTryCast(call)) name = "try" + name;
    } else if (name == "__between") {
      name += duckdb::BoundBetweenExpression::LowerInclusive(call) ? "[" : "(";
      name += duckdb::BoundBetweenExpression::UpperInclusive(call) ? "]" : ")";
    } else if (call.GetExpressionType() != duckdb::ExpressionType::BOUND_FUNCTION) {
      name += duckdb::ExpressionTypeToString(call.GetExpressionType());  // a comparison
    } else if (call.BindInfo() && !IsToldByArguments(name)) {
      return false;
    }
    zoned_ = zoned_ || HasZone(call.GetReturnType());
    for (const auto& child : call.GetChildren()) zoned_ = zoned_ || HasZone(child->GetReturnType());
    return AddNode(name, call);
  }

  // Those that give the same whatever the order of rows that are equal in theirs.
  bool AddWindow(const duckdb::BoundWindowExpression& call) {
    static const std::set<std::string> kKnown = {"lag", "lead", "min", "max"};
    const auto name = FoldIdentifier(
        (call.AggregateFunction() ? call.AggregateFunction()->GetName() : call.WindowFunction()->GetName())
            .GetIdentifierName());
    const bool is_plain = kKnown.contains(name) && !call.Filter() && !call.IgnoreNulls() && !call.Distinct() &&
                          call.ArgOrders().empty() && !call.StartExpr() && !call.EndExpr() &&
                          call.WindowExclude() == duckdb::WindowExcludeMode::NO_OTHER;
    if (!is_plain) return false;
    text_ += name + "[" + duckdb::EnumUtil::ToString(call.WindowStart()) + " " +
             duckdb::EnumUtil::ToString(call.WindowEnd()) + "](";
    for (const auto& child : call.GetChildren()) {
      if (!Add(*child)) return false;
      text_ += ", ";
    }
    for (const auto& order : call.OrderBy()) {
      text_ += "; by " + duckdb::EnumUtil::ToString(order.type) + " " + duckdb::EnumUtil::ToString(order.null_order);
      if (!Add(*order.expression)) return false;
    }
    std::set<std::string> partitions;  // in whatever order they were written
    for (const auto& partition : call.Partitions()) {
      const auto before = text_.size();
      if (!Add(*partition)) return false;
      partitions.insert(text_.substr(before));
      text_.resize(before);
    }
    for (const auto& partition : partitions) text_ += "; of " + partition;
    text_ += ")->" + call.GetReturnType().ToString();
    return true;
  }

  bool AddNode(const std::string& name, const duckdb::Expression& expression) {
    text_ += name + "(";
    bool told = true;
    duckdb::ExpressionIterator::EnumerateChildren(expression, [&](const duckdb::Expression& child) {
      told = told && Add(child);
      text_ += ", ";
    });
    text_ += ")->" + expression.GetReturnType().ToString();
    return told;
  }

  const AggregationInput& input_;
  const std::string& time_zone_;
  const std::size_t size_max_;
  std::string text_;
  bool zoned_ = false;
};

}  // namespace

std::optional<AggregationInput> AggregationInput::Of(duckdb::LogicalOperator& input) {
  AggregationInput found;
  auto* below = &input;
  for (;; below = below->children[0].get()) {
    if (below->type == LogicalOperatorType::LOGICAL_PROJECTION) {
      const auto& projection = below->Cast<duckdb::LogicalProjection>();
      found.projections_[projection.table_index.index] = &projection;
    } else if (below->type == LogicalOperatorType::LOGICAL_WINDOW) {
      const auto& window = below->Cast<duckdb::LogicalWindow>();
      found.windows_[window.window_index.index] = &window;
    } else if (below->type == LogicalOperatorType::LOGICAL_FILTER) {
      std::vector<const duckdb::Expression*> conditions;
      for (const auto& condition : below->expressions) SplitConjunction(*condition, conditions);
      for (const auto* condition : conditions) {
        if (!found.has_windows()) found.conditions_.push_back(condition);
        if (found.has_windows())
          found.conditions_below_.push_back({static_cast<int>(found.windows_.size()), condition});
      }
    } else {
      break;
    }
  }
  if (below->type != LogicalOperatorType::LOGICAL_GET) return std::nullopt;
  found.scan_ = &below->Cast<duckdb::LogicalGet>();
  if (!found.scan_->GetTable() || !found.scan_->children.empty()) return std::nullopt;
  return found;
}

const duckdb::Expression* AggregationInput::Behind(const duckdb::ColumnBinding& binding) const {
  if (const auto projection = projections_.find(binding.table_index.index); projection != projections_.end()) {
    return &projection->second->GetExpression(binding);
  }
  const auto window = windows_.find(binding.table_index.index);
  if (window == windows_.end()) return nullptr;
  return window->second->expressions.at(binding.column_index.GetIndexUnsafe()).get();
}

std::string AggregationInput::ColumnOf(const duckdb::ColumnBinding& binding) const {
  if (binding.table_index != scan_->table_index) return "";
  const auto& column = scan_->GetColumnIndex(binding);
  if (column.IsVirtualColumn() || column.HasChildren()) return "";
  return scan_->GetColumnName(column).GetIdentifierName();
}

std::optional<std::string> ShapeOf(const AggregationInput& input, const duckdb::Expression& expression,
                                   const std::string& time_zone, std::size_t size_max) {
  Shaper shaper(input, time_zone, size_max);
  return shaper.Add(expression) ? shaper.Take() : std::nullopt;
}

std::optional<std::string> ShapeOfRows(const AggregationInput& input, const std::string& time_zone) {
  if (!input.has_windows()) return "";
  std::set<std::string> conditions;
  for (const auto& below : input.conditions_below()) {
    const auto shape = ShapeOf(input, *below.condition, time_zone);
    if (!shape) return std::nullopt;
    conditions.insert(std::to_string(below.windows) + " " + *shape);
  }
  std::string text = "windows";
  for (const auto& condition : conditions) text += "; " + condition;
  return text;
}

std::optional<std::string> ShapeOfAggregate(const AggregationInput& input, const duckdb::Expression& expression,
                                            const std::string& time_zone, bool with_filter) {
  if (expression.GetExpressionClass() != ExpressionClass::BOUND_AGGREGATE) return std::nullopt;
  Shaper shaper(input, time_zone);
  const bool told = shaper.AddAggregate(expression.Cast<duckdb::BoundAggregateExpression>(), with_filter);
  return told ? shaper.Take() : std::nullopt;
}

bool SelectsAsItIs(const duckdb::LogicalOperator& plan) {
  return std::ranges::all_of(plan.expressions, [](const auto& item) {
    return item->GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF;
  });
}

SelectShapes ShapesOf(duckdb::LogicalOperator& plan, const std::string& time_zone) {
  if (plan.type != LogicalOperatorType::LOGICAL_PROJECTION) return {};
  if (plan.children[0]->type != LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) return {};
  const auto& aggregation = plan.children[0]->Cast<duckdb::LogicalAggregate>();
  const auto input = AggregationInput::Of(*aggregation.children[0]);
  if (!input || aggregation.grouping_sets.size() > 1) return {};
  SelectShapes shapes;
  const auto rows = ShapeOfRows(*input, time_zone);
  if (!rows) return {};
  shapes.rows = *rows;
  for (const auto& item : plan.expressions) {
    if (item->GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) {  // a macro's, as geomean() is
      shapes.output.emplace_back();
      continue;
    }
    const auto& binding = item->Cast<duckdb::BoundColumnRefExpression>().Binding();
    const auto& behind = aggregation.GetExpression(binding);
    shapes.output.push_back((binding.table_index == aggregation.group_index
                                 ? ShapeOf(*input, behind, time_zone)
                                 : ShapeOfAggregate(*input, behind, time_zone))
                                .value_or(""));
  }
  for (const auto* condition : input->conditions()) {
    auto shape = ShapeOf(*input, *condition, time_zone);
    if (!shape) return {};
    shapes.conditions.push_back(*std::move(shape));
  }
  return shapes;
}

}  // namespace hyprstream::engine
