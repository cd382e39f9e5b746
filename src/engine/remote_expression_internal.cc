#include "engine/remote_expression_internal.h"

#include <arrow/buffer.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <array>
#include <duckdb.hpp>
#include <duckdb/common/types/uuid.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/planner/expression/bound_between_expression.hpp>
#include <duckdb/planner/expression/bound_case_expression.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_comparison_expression.hpp>
#include <duckdb/planner/expression/bound_conjunction_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_operator_expression.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "core/table_ref.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionClass;
using duckdb::ExpressionType;
using duckdb::LogicalTypeId;

const char* ComparisonName(ExpressionType type) {
  switch (type) {
    case ExpressionType::COMPARE_EQUAL:
      return "=";
    case ExpressionType::COMPARE_NOTEQUAL:
      return "<>";
    case ExpressionType::COMPARE_LESSTHAN:
      return "<";
    case ExpressionType::COMPARE_LESSTHANOREQUALTO:
      return "<=";
    case ExpressionType::COMPARE_GREATERTHAN:
      return ">";
    case ExpressionType::COMPARE_GREATERTHANOREQUALTO:
      return ">=";
    case ExpressionType::COMPARE_DISTINCT_FROM:
      return "is distinct from";
    case ExpressionType::COMPARE_NOT_DISTINCT_FROM:
      return "is not distinct from";
    default:
      return nullptr;
  }
}

// Null: there is no such scalar here.
std::shared_ptr<arrow::Scalar> ScalarOf(const duckdb::Value& value, const std::shared_ptr<arrow::DataType>& type) {
  if (value.IsNull()) return arrow::MakeNullScalar(type);
  switch (value.type().id()) {
    case LogicalTypeId::BOOLEAN:
      return std::make_shared<arrow::BooleanScalar>(value.GetValue<bool>());
    case LogicalTypeId::TINYINT:
      return std::make_shared<arrow::Int8Scalar>(value.GetValue<std::int8_t>());
    case LogicalTypeId::SMALLINT:
      return std::make_shared<arrow::Int16Scalar>(value.GetValue<std::int16_t>());
    case LogicalTypeId::INTEGER:
      return std::make_shared<arrow::Int32Scalar>(value.GetValue<std::int32_t>());
    case LogicalTypeId::BIGINT:
      return std::make_shared<arrow::Int64Scalar>(value.GetValue<std::int64_t>());
    case LogicalTypeId::UTINYINT:
      return std::make_shared<arrow::UInt8Scalar>(value.GetValue<std::uint8_t>());
    case LogicalTypeId::USMALLINT:
      return std::make_shared<arrow::UInt16Scalar>(value.GetValue<std::uint16_t>());
    case LogicalTypeId::UINTEGER:
      return std::make_shared<arrow::UInt32Scalar>(value.GetValue<std::uint32_t>());
    case LogicalTypeId::UBIGINT:
      return std::make_shared<arrow::UInt64Scalar>(value.GetValue<std::uint64_t>());
    case LogicalTypeId::FLOAT:
      return std::make_shared<arrow::FloatScalar>(value.GetValue<float>());
    case LogicalTypeId::DOUBLE:
      return std::make_shared<arrow::DoubleScalar>(value.GetValue<double>());
    case LogicalTypeId::VARCHAR:
      return std::make_shared<arrow::StringScalar>(duckdb::StringValue::Get(value));
    case LogicalTypeId::DATE:
      return std::make_shared<arrow::Date32Scalar>(value.GetValue<duckdb::date_t>().days);
    case LogicalTypeId::TIME:
      return std::make_shared<arrow::Time64Scalar>(value.GetValue<duckdb::dtime_t>().value, type);
    case LogicalTypeId::TIMESTAMP:
      return std::make_shared<arrow::TimestampScalar>(value.GetValue<duckdb::timestamp_t>().value, type);
    case LogicalTypeId::TIMESTAMP_TZ:
      return std::make_shared<arrow::TimestampScalar>(value.GetValue<duckdb::timestamp_tz_t>().value, type);
    case LogicalTypeId::UUID: {
      std::string bytes(16, '\0');
      duckdb::BaseUUID::ToBlob(value.GetValueUnsafe<duckdb::hugeint_t>(),
                               reinterpret_cast<duckdb::data_ptr_t>(bytes.data()));
      return std::make_shared<arrow::FixedSizeBinaryScalar>(arrow::Buffer::FromString(std::move(bytes)), type);
    }
    case LogicalTypeId::HUGEINT:
    case LogicalTypeId::DECIMAL: {
      duckdb::hugeint_t digits;
      if (value.type().id() == LogicalTypeId::HUGEINT) {
        digits = value.GetValue<duckdb::hugeint_t>();
      } else if (value.type().InternalType() == duckdb::PhysicalType::INT128) {
        digits = value.GetValueUnsafe<duckdb::hugeint_t>();
      } else if (value.type().InternalType() == duckdb::PhysicalType::INT64) {
        digits = duckdb::hugeint_t(value.GetValueUnsafe<std::int64_t>());
      } else if (value.type().InternalType() == duckdb::PhysicalType::INT32) {
        digits = duckdb::hugeint_t(value.GetValueUnsafe<std::int32_t>());
      } else {
        digits = duckdb::hugeint_t(value.GetValueUnsafe<std::int16_t>());
      }
      const arrow::Decimal128 decimal(digits.upper, digits.lower);
      if (!decimal.FitsInPrecision(static_cast<const arrow::Decimal128Type&>(*type).precision())) return nullptr;
      return std::make_shared<arrow::Decimal128Scalar>(decimal, type);
    }
    default:
      return nullptr;
  }
}

std::string Shown(const duckdb::Expression& expression) {
  auto text = expression.ToString();
  if (text.size() > 80) text = text.substr(0, 80) + "...";
  return text;
}

// year(t), extract(year FROM t) and date_part('year', t) are one.
bool IsTimePart(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kParts = {"year", "month", "day", "hour", "minute"};
  return std::ranges::find(kParts, name) != kParts.end();
}

}  // namespace

std::shared_ptr<arrow::DataType> RemoteType(const duckdb::LogicalType& type) {
  if (type.HasAlias()) return nullptr;
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
      return arrow::boolean();
    case LogicalTypeId::TINYINT:
      return arrow::int8();
    case LogicalTypeId::SMALLINT:
      return arrow::int16();
    case LogicalTypeId::INTEGER:
      return arrow::int32();
    case LogicalTypeId::BIGINT:
      return arrow::int64();
    case LogicalTypeId::UTINYINT:
      return arrow::uint8();
    case LogicalTypeId::USMALLINT:
      return arrow::uint16();
    case LogicalTypeId::UINTEGER:
      return arrow::uint32();
    case LogicalTypeId::UBIGINT:
      return arrow::uint64();
    case LogicalTypeId::HUGEINT:
      return arrow::decimal128(38, 0);
    case LogicalTypeId::FLOAT:
      return arrow::float32();
    case LogicalTypeId::DOUBLE:
      return arrow::float64();
    case LogicalTypeId::DECIMAL:
      return arrow::decimal128(duckdb::DecimalType::GetWidth(type), duckdb::DecimalType::GetScale(type));
    case LogicalTypeId::VARCHAR:
      return duckdb::StringType::GetCollation(type).empty() ? arrow::utf8() : nullptr;
    case LogicalTypeId::DATE:
      return arrow::date32();
    case LogicalTypeId::TIME:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case LogicalTypeId::TIMESTAMP:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case LogicalTypeId::TIMESTAMP_TZ:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case LogicalTypeId::UUID:
      return arrow::fixed_size_binary(16);
    default:
      return nullptr;
  }
}

std::optional<RemoteExpression> ExpressionReader::Refuse(const std::string& what) {
  if (refusal_.empty()) refusal_ = what;
  return std::nullopt;
}

std::optional<RemoteExpression> ExpressionReader::Read(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
    const auto& reference = expression.Cast<duckdb::BoundColumnRefExpression>();
    const auto column = reference.Depth() == 0 ? column_at_(reference.Binding()) : std::nullopt;
    if (!column) return Refuse(Shown(expression) + " is computed here");
    return RemoteExpression{
        .kind = RemoteExpression::Kind::kColumn, .type = RemoteType(expression.GetReturnType()), .column = *column};
  }
  if (expression.HasParameter()) return Refuse("a parameter's value is not known when the query is planned");
  if (expression.IsVolatile()) return Refuse(Shown(expression) + " is evaluated for each row");
  if (expression.IsFoldable()) return ReadConstant(expression);
  switch (expression.GetExpressionClass()) {
    case ExpressionClass::BOUND_FUNCTION:
      return ReadFunction(expression);
    case ExpressionClass::BOUND_OPERATOR:
      return ReadOperator(expression);
    case ExpressionClass::BOUND_CASE:
      return ReadCase(expression);
    case ExpressionClass::BOUND_CONJUNCTION:
      return Call(expression.GetExpressionType() == ExpressionType::CONJUNCTION_AND ? "and" : "or",
                  expression.GetReturnType(), expression.Cast<duckdb::BoundConjunctionExpression>().GetChildren());
    default:
      return Refuse(Shown(expression) + " has no place in a backend's query");
  }
}

// Its value holds for the transaction, as the plan of a statement that reads a backend does.
std::optional<RemoteExpression> ExpressionReader::ReadConstant(const duckdb::Expression& expression) {
  RemoteExpression literal{.kind = RemoteExpression::Kind::kLiteral, .type = RemoteType(expression.GetReturnType())};
  duckdb::Value value;
  if (!literal.type || !duckdb::ExpressionExecutor::TryEvaluateScalar(context_, expression, value)) {
    return Refuse(Shown(expression) + " is no constant that a backend can be told");
  }
  literal.value = ScalarOf(value, literal.type);
  if (!literal.value) return Refuse(Shown(expression) + " is no constant that a backend can be told");
  return literal;
}

template <class Children>
std::optional<RemoteExpression> ExpressionReader::Call(std::string function, const duckdb::LogicalType& type,
                                                       const Children& children) {
  RemoteExpression call{
      .kind = RemoteExpression::Kind::kCall, .type = RemoteType(type), .function = std::move(function)};
  for (const auto& child : children) {
    auto argument = Read(*child);
    if (!argument) return std::nullopt;
    call.arguments.push_back(*std::move(argument));
  }
  return call;
}

std::optional<RemoteExpression> ExpressionReader::ReadComparison(ExpressionType type, const duckdb::Expression& left,
                                                                 const duckdb::Expression& right) {
  const auto* name = ComparisonName(type);
  if (name == nullptr) return Refuse("a comparison that no backend knows");
  const std::array<const duckdb::Expression*, 2> sides = {&left, &right};
  return Call(name, duckdb::LogicalType::BOOLEAN, sides);
}

std::optional<RemoteExpression> ExpressionReader::ReadFunction(const duckdb::Expression& expression) {
  const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
  const auto name = FoldIdentifier(call.Function().GetName().GetIdentifierName());
  if (duckdb::BoundCastExpression::IsCast(expression)) {
    if (duckdb::BoundCastExpression::IsTryCast(call)) return Refuse("TRY_CAST");
    const std::array<const duckdb::Expression*, 1> child = {&duckdb::BoundCastExpression::Child(call)};
    return Call("cast", expression.GetReturnType(), child);
  }
  if (expression.GetExpressionType() == ExpressionType::COMPARE_BETWEEN) {
    using Between = duckdb::BoundBetweenExpression;
    auto lower = ReadComparison(Between::LowerComparisonType(call), Between::Input(call), Between::LowerBound(call));
    auto upper = ReadComparison(Between::UpperComparisonType(call), Between::Input(call), Between::UpperBound(call));
    if (!lower || !upper) return std::nullopt;
    RemoteExpression both{.kind = RemoteExpression::Kind::kCall, .type = arrow::boolean(), .function = "and"};
    both.arguments.push_back(*std::move(lower));
    both.arguments.push_back(*std::move(upper));
    return both;
  }
  if (duckdb::BoundComparisonExpression::IsComparison(expression)) {
    return ReadComparison(expression.GetExpressionType(), duckdb::BoundComparisonExpression::Left(call),
                          duckdb::BoundComparisonExpression::Right(call));
  }
  if (expression.GetExpressionType() != ExpressionType::BOUND_FUNCTION) return Refuse(Shown(expression));
  if (IsTimePart(name) && call.GetChildren().size() == 1) {
    auto part = Call("date_part", expression.GetReturnType(), call.GetChildren());
    if (!part) return std::nullopt;
    RemoteExpression which{.kind = RemoteExpression::Kind::kLiteral,
                           .type = arrow::utf8(),
                           .value = std::make_shared<arrow::StringScalar>(name)};
    part->arguments.insert(part->arguments.begin(), std::move(which));
    return part;
  }
  return Call(name == "datetrunc"  ? "date_trunc"
              : name == "datepart" ? "date_part"
                                   : name,
              expression.GetReturnType(), call.GetChildren());
}

std::optional<RemoteExpression> ExpressionReader::ReadOperator(const duckdb::Expression& expression) {
  const auto& children = expression.Cast<duckdb::BoundOperatorExpression>().GetChildren();
  switch (expression.GetExpressionType()) {
    case ExpressionType::OPERATOR_NOT:
      return Call("not", expression.GetReturnType(), children);
    case ExpressionType::OPERATOR_IS_NULL:
      return Call("is null", expression.GetReturnType(), children);
    case ExpressionType::OPERATOR_IS_NOT_NULL:
      return Call("is not null", expression.GetReturnType(), children);
    case ExpressionType::OPERATOR_COALESCE:
      return Call("coalesce", expression.GetReturnType(), children);
    case ExpressionType::COMPARE_IN:
      return Call("in", expression.GetReturnType(), children);
    case ExpressionType::COMPARE_NOT_IN: {
      auto among = Call("in", expression.GetReturnType(), children);
      if (!among) return std::nullopt;
      RemoteExpression negated{.kind = RemoteExpression::Kind::kCall, .type = arrow::boolean(), .function = "not"};
      negated.arguments.push_back(*std::move(among));
      return negated;
    }
    default:
      return Refuse(Shown(expression));
  }
}

std::optional<RemoteExpression> ExpressionReader::ReadCase(const duckdb::Expression& expression) {
  const auto& choice = expression.Cast<duckdb::BoundCaseExpression>();
  std::vector<const duckdb::Expression*> children;
  for (const auto& check : choice.CaseChecks()) {
    children.push_back(check.when_expr.get());
    children.push_back(check.then_expr.get());
  }
  children.push_back(&choice.Else());
  return Call("case", expression.GetReturnType(), children);
}

bool ExpressionReader::ReadConditions(const duckdb::Expression& condition, std::vector<RemoteExpression>& conditions) {
  if (condition.GetExpressionType() == ExpressionType::CONJUNCTION_AND) {
    for (const auto& child : condition.Cast<duckdb::BoundConjunctionExpression>().GetChildren()) {
      if (!ReadConditions(*child, conditions)) return false;
    }
    return true;
  }
  auto read = Read(condition);
  if (!read) return false;
  conditions.push_back(*std::move(read));
  return true;
}

}  // namespace hyprstream::engine
