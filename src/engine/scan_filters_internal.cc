#include "engine/scan_filters_internal.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/function/function_binder.hpp>
#include <duckdb/planner/expression/bound_between_expression.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_comparison_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_operator_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <utility>

#include "engine/arrow_out_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/order_keys_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionType;
using duckdb::LogicalTypeId;
using Op = ColumnFilter::Op;

// More than any time zone or cast moves a time.
constexpr std::int64_t kShiftUs = 2 * 86'400'000'000LL;

bool IsTime(const duckdb::LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
    case LogicalTypeId::TIMESTAMP_TZ:
      return true;
    default:
      return false;
  }
}

// Has it one value while the statement runs, which can be asked for beforehand?
bool IsGiven(const duckdb::Expression& expression) {
  if (expression.IsVolatile()) return false;
  switch (expression.GetExpressionClass()) {
    case duckdb::ExpressionClass::BOUND_CONSTANT:
    case duckdb::ExpressionClass::BOUND_PARAMETER:
      return true;
    case duckdb::ExpressionClass::BOUND_FUNCTION:
    case duckdb::ExpressionClass::BOUND_OPERATOR:
    case duckdb::ExpressionClass::BOUND_CASE:
    case duckdb::ExpressionClass::BOUND_CONJUNCTION:
      break;
    default:
      return false;
  }
  bool given = true;
  duckdb::ExpressionIterator::EnumerateChildren(
      expression, [&](const duckdb::Expression& child) { given = given && IsGiven(child); });
  return given;
}

std::optional<Op> OpOf(ExpressionType type) {
  switch (type) {
    case ExpressionType::COMPARE_EQUAL:
    case ExpressionType::COMPARE_NOT_DISTINCT_FROM:
      return Op::kEqual;
    case ExpressionType::COMPARE_LESSTHAN:
      return Op::kLess;
    case ExpressionType::COMPARE_LESSTHANOREQUALTO:
      return Op::kLessEqual;
    case ExpressionType::COMPARE_GREATERTHAN:
      return Op::kGreater;
    case ExpressionType::COMPARE_GREATERTHANOREQUALTO:
      return Op::kGreaterEqual;
    default:
      return std::nullopt;
  }
}

// The conditions of one scan.
class FilterReader {
 public:
  explicit FilterReader(const duckdb::LogicalGet& get) : get_(get) {}

  void Read(const duckdb::Expression& condition) {
    text_ = condition.ToString();
    if (condition.GetExpressionClass() == duckdb::ExpressionClass::BOUND_OPERATOR) {
      const auto& children = condition.Cast<duckdb::BoundOperatorExpression>().GetChildren();
      if (condition.GetExpressionType() == ExpressionType::OPERATOR_IS_NULL) Add(Op::kIsNull, *children[0], {});
      if (condition.GetExpressionType() != ExpressionType::COMPARE_IN) return;
      std::vector<const duckdb::Expression*> values;
      for (duckdb::idx_t i = 1; i < children.size(); ++i) values.push_back(children[i].get());
      Add(Op::kIn, *children[0], values);
    } else if (condition.GetExpressionType() == ExpressionType::COMPARE_BETWEEN) {
      using duckdb::BoundBetweenExpression;
      const auto& between = condition.Cast<duckdb::BoundFunctionExpression>();
      Add(*OpOf(BoundBetweenExpression::LowerComparisonType(between)), BoundBetweenExpression::Input(between),
          {&BoundBetweenExpression::LowerBound(between)});
      Add(*OpOf(BoundBetweenExpression::UpperComparisonType(between)), BoundBetweenExpression::Input(between),
          {&BoundBetweenExpression::UpperBound(between)});
    } else if (duckdb::BoundComparisonExpression::IsComparison(condition)) {
      ReadComparison(condition);
    }
  }

  std::vector<PlannedFilter> Take() { return std::move(planned_); }

 private:
  void ReadComparison(const duckdb::Expression& condition) {
    const auto& comparison = condition.Cast<duckdb::BoundFunctionExpression>();
    const auto* left = &duckdb::BoundComparisonExpression::Left(comparison);
    const auto* right = &duckdb::BoundComparisonExpression::Right(comparison);
    auto type = condition.GetExpressionType();
    if (!IsGiven(*right)) {
      std::swap(left, right);
      type = duckdb::FlipComparisonExpression(type);
    }
    const auto op = OpOf(type);
    if (!op) return;
    Add(*op, *left, {right}, type == ExpressionType::COMPARE_NOT_DISTINCT_FROM);
  }

  void Add(Op op, const duckdb::Expression& of, const std::vector<const duckdb::Expression*>& values,
           bool or_null = false) {
    const auto* column = &of;
    const bool shifted = duckdb::BoundCastExpression::IsCast(of);
    if (shifted) {
      column = &duckdb::BoundCastExpression::Child(of.Cast<duckdb::BoundFunctionExpression>());
      if (op == Op::kIsNull || or_null || !IsTime(of.GetReturnType()) || !IsTime(column->GetReturnType())) return;
    }
    const int index = ColumnOf(*column);
    const bool fits = std::ranges::all_of(
        values, [&](const auto* value) { return IsGiven(*value) && value->GetReturnType() == of.GetReturnType(); });
    if (index < 0 || !fits) return;
    PlannedFilter filter{
        .column = index, .op = op, .values = {}, .or_null = or_null, .shifted = shifted, .text = text_};
    for (const auto* value : values) filter.values.emplace_back(value->Copy().release());
    planned_.push_back(std::move(filter));
  }

  // -1: it is none of the scan's.
  int ColumnOf(const duckdb::Expression& expression) const {
    if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_COLUMN_REF) return -1;
    const auto& reference = expression.Cast<duckdb::BoundColumnRefExpression>();
    if (reference.Depth() != 0 || reference.Binding().table_index != get_.table_index) return -1;
    const auto& column = get_.GetColumnIndex(reference.Binding());
    if (!column.HasPrimaryIndex() || column.HasChildren()) return -1;
    const auto index = column.GetPrimaryIndex();
    return index < get_.returned_types.size() ? static_cast<int>(index) : -1;
  }

  const duckdb::LogicalGet& get_;
  std::string text_;
  std::vector<PlannedFilter> planned_;
};

// A value in the form of one column.
class ColumnValues {
 public:
  ColumnValues(duckdb::ClientContext& context, const DeclaredSchema& schema, int column)
      : context_(context),
        type_(schema.types()[static_cast<duckdb::idx_t>(column)]),
        schema_(arrow::schema({schema.field(column)})),
        carriage_(schema.carriage(static_cast<std::size_t>(column))) {}

  const duckdb::LogicalType& type() const { return type_; }
  // Only keys of groups are looked up, and these have order keys.
  bool CanBe(Op op) const {
    if (op == Op::kIsNull || carriage_ == Carriage::kArrow) return true;
    return carriage_ == Carriage::kOrderKey && (op == Op::kEqual || op == Op::kIn);
  }

  std::shared_ptr<arrow::Scalar> Carry(duckdb::Value value) const {
    const bool order_key = carriage_ == Carriage::kOrderKey;
    const auto type = order_key ? duckdb::LogicalType::BLOB : type_;
    if (order_key) value = OrderKeyOf(std::move(value));
    duckdb::DataChunk chunk;
    chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {type}, 1);
    chunk.data[0].SetValue(0, value);
    chunk.SetChildCardinality(1);
    BatchBuilder builder(context_, {type}, schema_, ArrowForm::kCommon);
    builder.Append(chunk);
    auto scalar = builder.Finish().at(0)->column(0)->GetScalar(0);
    if (!scalar.ok()) throw duckdb::InvalidInputException(scalar.status().message());
    return std::move(scalar).ValueUnsafe();
  }

 private:
  duckdb::Value OrderKeyOf(duckdb::Value value) const {
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> arguments;
    arguments.push_back(duckdb::make_uniq<duckdb::BoundConstantExpression>(std::move(value)));
    duckdb::FunctionBinder binder(context_);
    const auto call = binder.BindScalarFunction(DEFAULT_SCHEMA, duckdb::Identifier(kOrderKey), std::move(arguments));
    return duckdb::ExpressionExecutor::EvaluateScalar(context_, *call, true);
  }

  duckdb::ClientContext& context_;
  const duckdb::LogicalType type_;
  const std::shared_ptr<arrow::Schema> schema_;
  const Carriage carriage_;
};

std::optional<std::int64_t> MicrosOf(const duckdb::Value& value) {
  if (value.type().id() == LogicalTypeId::TIMESTAMP_TZ) {
    const duckdb::timestamp_t time(value.GetValue<duckdb::timestamp_tz_t>().value);
    return duckdb::Value::IsFinite(time) ? std::optional(time.value) : std::nullopt;
  }
  const auto time = value.DefaultCastAs(duckdb::LogicalType::TIMESTAMP).GetValue<duckdb::timestamp_t>();
  return duckdb::Value::IsFinite(time) ? std::optional(time.value) : std::nullopt;
}

// The least and the greatest value that a column has which is one of `values` as another kind of time.
std::optional<std::pair<duckdb::Value, duckdb::Value>> Spread(const std::vector<duckdb::Value>& values,
                                                              const duckdb::LogicalType& type) {
  std::vector<std::int64_t> micros;
  for (const auto& value : values) {
    const auto time = MicrosOf(value);
    if (!time) return std::nullopt;
    micros.push_back(*time);
  }
  if (micros.empty()) return std::nullopt;
  const auto [least, greatest] = std::ranges::minmax(micros);
  const auto as_column = [&](std::int64_t time) {
    if (type.id() == LogicalTypeId::TIMESTAMP_TZ) return duckdb::Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(time));
    return duckdb::Value::TIMESTAMP(duckdb::timestamp_t(time)).DefaultCastAs(type);
  };
  std::int64_t from = 0;
  std::int64_t to = 0;
  if (__builtin_sub_overflow(least, kShiftUs, &from) || __builtin_add_overflow(greatest, kShiftUs, &to)) {
    return std::nullopt;
  }
  return std::pair(as_column(from), as_column(to));
}

std::vector<ColumnFilter> EvaluateShifted(const PlannedFilter& filter, const std::vector<duckdb::Value>& values,
                                          const ColumnValues& column) {
  const auto bounds = Spread(values, column.type());
  if (!bounds) return {};
  std::vector<ColumnFilter> evaluated;
  if (filter.op != Op::kLess && filter.op != Op::kLessEqual) {
    evaluated.push_back({.column = filter.column, .op = Op::kGreaterEqual, .value = column.Carry(bounds->first)});
  }
  if (filter.op != Op::kGreater && filter.op != Op::kGreaterEqual) {
    evaluated.push_back({.column = filter.column, .op = Op::kLessEqual, .value = column.Carry(bounds->second)});
  }
  return evaluated;
}

std::vector<ColumnFilter> Evaluate(duckdb::ClientContext& context, const PlannedFilter& filter,
                                   const ColumnValues& column) {
  std::vector<duckdb::Value> values;
  for (const auto& expression : filter.values) {
    values.push_back(duckdb::ExpressionExecutor::EvaluateScalar(context, *expression, true));
  }
  if (!column.CanBe(filter.op)) return {};
  ColumnFilter evaluated{.column = filter.column, .op = filter.op};
  if (filter.op == Op::kIn) {
    std::erase_if(values, [](const auto& value) { return value.IsNull(); });
    if (filter.shifted) return EvaluateShifted(filter, values, column);
    for (const auto& value : values) evaluated.values.push_back(column.Carry(value));
  } else if (filter.op != Op::kIsNull) {
    const auto& value = values.at(0);
    if (value.IsNull() && filter.or_null) return {{.column = filter.column, .op = Op::kIsNull}};
    if (filter.shifted && !value.IsNull()) return EvaluateShifted(filter, values, column);
    evaluated.value = column.Carry(value.IsNull() ? duckdb::Value(column.type()) : value);
  }
  return {std::move(evaluated)};
}

}  // namespace

std::vector<PlannedFilter> PlanFilters(const duckdb::LogicalGet& get,
                                       const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& filters) {
  FilterReader reader(get);
  for (const auto& filter : filters) reader.Read(*filter);
  return reader.Take();
}

std::optional<std::vector<PlannedFilter>> PlanExactly(const duckdb::LogicalGet& get,
                                                      const duckdb::Expression& condition) {
  std::vector<PlannedFilter> planned;
  if (condition.GetExpressionType() == ExpressionType::CONJUNCTION_AND) {
    bool all = true;
    duckdb::ExpressionIterator::EnumerateChildren(condition, [&](const duckdb::Expression& child) {
      auto part = PlanExactly(get, child);
      all = all && part;
      if (all) std::ranges::move(*part, std::back_inserter(planned));
    });
    return all ? std::optional(std::move(planned)) : std::nullopt;
  }
  FilterReader reader(get);
  reader.Read(condition);
  planned = reader.Take();
  const std::size_t parts = condition.GetExpressionType() == ExpressionType::COMPARE_BETWEEN ? 2 : 1;
  if (planned.size() != parts || std::ranges::any_of(planned, &PlannedFilter::shifted)) return std::nullopt;
  return planned;
}

std::vector<ColumnFilter> EvaluateFilters(duckdb::ClientContext& context, const std::vector<PlannedFilter>& filters,
                                          const arrow::Schema& schema) {
  std::vector<ColumnFilter> evaluated;
  const auto* declared = AsDeclared(schema);
  if (declared == nullptr) return evaluated;
  for (const auto& filter : filters) {
    try {
      std::ranges::move(Evaluate(context, filter, ColumnValues(context, *declared, filter.column)),
                        std::back_inserter(evaluated));
    } catch (const duckdb::Exception&) {
      // The plan keeps the condition, and says what is wrong with it if a row comes to it.
    }
  }
  return evaluated;
}

}  // namespace hyprstream::engine
