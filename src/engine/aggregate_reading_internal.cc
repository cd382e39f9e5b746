#include "engine/aggregate_reading_internal.h"

#include <arrow/result.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/entry_lookup_info.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression_binder/constant_binder.hpp>
#include <utility>

#include "core/table_ref.h"
#include "engine/declared_schema_internal.h"
#include "engine/error_internal.h"
#include "engine/order_keys_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionClass;
using duckdb::LogicalTypeId;

std::string Show(const duckdb::ParsedExpression& expression) { return CutText(expression.ToString(), 120); }

std::string NameOf(const duckdb::FunctionExpression& function) {
  return FoldIdentifier(function.FunctionName().GetIdentifierName());
}

arrow::Result<const AggregateFunction*> FindFunction(const duckdb::FunctionExpression& function) {
  const auto name = NameOf(function);
  const auto count = IsCountStar(function) ? 0 : function.GetArguments().size();
  if (const auto* found = FindAggregateFunction(name, count, function.Distinct())) return found;
  if (function.Distinct() && FindAggregateFunction(name, count, false) != nullptr) {
    return arrow::Status::NotImplemented("A materialized view cannot maintain DISTINCT in ", Show(function),
                                         ": make it a key, and count in the query that reads the view");
  }
  return arrow::Status::NotImplemented("A materialized view cannot maintain ", Show(function),
                                       "; docs/aggregates.md lists the aggregates that it can");
}

// DuckDB has bound the call: what depends on columns was refused.
arrow::Result<duckdb::Value> ConstantOf(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression) {
  auto copy = expression.Copy();
  auto binder = duckdb::Binder::CreateBinder(context);
  duckdb::ConstantBinder constant_binder(*binder, context, "A constant of an aggregate");
  const auto bound = constant_binder.Bind(copy);
  auto value = duckdb::ExpressionExecutor::EvaluateScalar(context, *bound);
  if (value.IsNull()) return arrow::Status::Invalid(Show(expression), " is NULL, where a constant is needed");
  return value;
}

arrow::Status ReadConstants(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression,
                            std::vector<double>& constants) {
  ARROW_ASSIGN_OR_RAISE(const auto value, ConstantOf(context, expression));
  const bool is_list = value.type().id() == LogicalTypeId::LIST;
  for (const auto& one : is_list ? duckdb::ListValue::GetChildren(value) : duckdb::vector<duckdb::Value>{value}) {
    if (one.IsNull()) return arrow::Status::Invalid(Show(expression), " holds NULL, where a number is needed");
    constants.push_back(one.DefaultCastAs(duckdb::LogicalType::DOUBLE).GetValue<double>());
  }
  return arrow::Status::OK();
}

arrow::Status ReadHalfLife(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression,
                           std::vector<double>& constants) {
  ARROW_ASSIGN_OR_RAISE(const auto value, ConstantOf(context, expression));
  const auto interval = value.DefaultCastAs(duckdb::LogicalType::INTERVAL).GetValue<duckdb::interval_t>();
  constants.push_back(static_cast<double>(duckdb::Interval::GetMicro(interval)));
  return arrow::Status::OK();
}

// DuckDB has no sum of UHUGEINT and sums it as DOUBLE.
bool IsSummedAsIs(const duckdb::LogicalType& type) {
  return (type.IsNumeric() && type.id() != LogicalTypeId::UHUGEINT) || type.id() == LogicalTypeId::BOOLEAN;
}

arrow::Status CannotBe(const AggregateCall& call, const std::string& sql, const duckdb::LogicalType& type,
                       const char* instead) {
  return arrow::Status::NotImplemented("A materialized view cannot maintain ", call.function->name(), " of ",
                                       CutText(sql, 120), ", which is of type ", type.ToString(), ": ", instead);
}

// As DuckDB's overloads of approx_quantile take numbers. Of times one hundredth of their distance from 1970 is years.
arrow::Result<std::string> CarryMeasured(const AggregateCall& call, const std::string& sql,
                                         const duckdb::LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::BIGINT:
    case LogicalTypeId::HUGEINT:
    case LogicalTypeId::DOUBLE:
    case LogicalTypeId::DECIMAL:
      return sql;
    case LogicalTypeId::UTINYINT:
    case LogicalTypeId::USMALLINT:
    case LogicalTypeId::UINTEGER:
    case LogicalTypeId::UBIGINT:
    case LogicalTypeId::FLOAT:
      return "CAST((" + sql + ") AS " + call.type.ToString() + ")";
    default:
      return CannotBe(call, sql, type,
                      "its error is relative to the value, so give it a number that begins at zero, as a difference of "
                      "epoch()s, or use quantile_disc");
  }
}

arrow::Result<std::string> CarryBetween(const AggregateCall& call, const std::string& sql,
                                        const duckdb::LogicalType& type) {
  const bool wide_decimal = type.id() == LogicalTypeId::DECIMAL && duckdb::DecimalType::GetWidth(type) > 18;
  const bool has_between = type.IsNumeric() || type.IsTemporal();
  if (IsPlain(type) && has_between && !wide_decimal) return sql;
  return CannotBe(call, sql, type, "use quantile_disc, or cast it to DOUBLE");
}

arrow::Result<std::string> CarryKey(const AggregateCall& call, std::size_t argument, const duckdb::LogicalType& type,
                                    bool has_key) {
  const auto& sql = call.arguments[argument];
  const auto carriage = CarriageOf(*call.function, argument, type);
  if (carriage == Carriage::kArrow) return sql;
  if (call.function->kind == AggregateKind::kQuantileDisc && !call.of_argument_type) {
    return CannotBe(call, sql, type, "ask for one quantile at a time, as in quantile_disc(x, 0.5), not for a list");
  }
  if (!has_key) return CannotBe(call, sql, type, "use an expression of another type, as epoch() or a cast");
  return std::string(carriage == Carriage::kValueKey ? kValueKey : kOrderKey) + "(" + sql + ")";
}

arrow::Status NeedsEventTime(const AggregateFunction& function, const duckdb::FunctionExpression& call) {
  const char* instead = function.name() == "last" ? "use arg_max(x, y)" : "use arg_min(x, y)";
  if (function.family == StateFamily::kDecay) instead = "give it a time as its second argument";
  return arrow::Status::NotImplemented("A materialized view cannot maintain ", Show(call),
                                       ": it goes by event time, and the table has no time column; create it WITH "
                                       "(time = '…'), or ",
                                       instead);
}

// What is written, and the event time in its place.
arrow::Status ReadArguments(duckdb::ClientContext& context, const duckdb::FunctionExpression& function,
                            const std::string& time_column, AggregateCall& call) {
  std::size_t written = 0;
  for (const ArgumentRule rule : call.function->arguments) {
    if (rule == ArgumentRule::kNone) break;
    if (AggregateFunction::IsEventTime(rule)) {
      if (time_column.empty()) return NeedsEventTime(*call.function, function);
      call.arguments.push_back(time_column);
      continue;
    }
    const auto& argument = function.GetArguments()[written++].GetExpression();
    if (rule == ArgumentRule::kConstant) {
      ARROW_RETURN_NOT_OK(ReadConstants(context, argument, call.parameters));
    } else if (rule == ArgumentRule::kHalfLife) {
      ARROW_RETURN_NOT_OK(ReadHalfLife(context, argument, call.parameters));
    } else {
      call.arguments.push_back(argument.ToString());
    }
  }
  return arrow::Status::OK();
}

// Infinite times are in no distance from others.
arrow::Result<std::string> CarryInstant(const AggregateCall& call, const std::string& sql,
                                        const duckdb::LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
    case LogicalTypeId::TIMESTAMP_TZ:
      return "CASE WHEN isfinite(" + sql + ") THEN epoch_us(" + sql + ") END";
    default:
      return CannotBe(call, sql, type, "what decays goes by a DATE or a TIMESTAMP");
  }
}

}  // namespace

bool IsCountStar(const duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() != ExpressionClass::FUNCTION) return false;
  const auto& function = expression.Cast<duckdb::FunctionExpression>();
  const auto name = NameOf(function);
  if (name == "count_star") return true;
  if (name != "count") return false;
  const auto& arguments = function.GetArguments();
  if (arguments.empty()) return true;
  const auto& argument = arguments[0].GetExpression();
  return arguments.size() == 1 && argument.GetExpressionClass() == ExpressionClass::STAR && argument.ToString() == "*";
}

bool IsAggregate(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() != ExpressionClass::FUNCTION) return false;
  const auto& function = expression.Cast<duckdb::FunctionExpression>();
  const auto entry = duckdb::Catalog::GetEntry(
      context, duckdb::EntryLookupInfo(duckdb::CatalogType::SCALAR_FUNCTION_ENTRY, function.GetQualifiedName()),
      duckdb::OnEntryNotFound::RETURN_NULL);
  if (!entry) return false;
  if (entry->type == duckdb::CatalogType::AGGREGATE_FUNCTION_ENTRY) return true;
  // DuckDB has some aggregates as macros of its own.
  return entry->internal && entry->type == duckdb::CatalogType::MACRO_ENTRY &&
         FindAggregateFunction(NameOf(function), function.GetArguments().size(), false) != nullptr;
}

bool ContainsAggregate(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression) {
  if (IsAggregate(context, expression)) return true;
  for (const auto& child : expression.Children()) {
    if (ContainsAggregate(context, child)) return true;
  }
  return false;
}

arrow::Result<AggregateCall> ReadAggregate(duckdb::ClientContext& context, const duckdb::FunctionExpression& function,
                                           const duckdb::LogicalType& type, const std::string& time_column) {
  ARROW_ASSIGN_OR_RAISE(const auto* found, FindFunction(function));
  const auto& element = type.id() == LogicalTypeId::LIST ? duckdb::ListType::GetChildType(type) : type;
  if (function.OrderBy() && !function.OrderBy()->orders.empty()) {
    return arrow::Status::NotImplemented("A materialized view cannot have ORDER BY in an aggregate: leave it out; ",
                                         found->family == StateFamily::kPick
                                             ? "first and last go by the table's time column, arg_min(x, y) and "
                                               "arg_max(x, y) by any other"
                                             : "the result does not depend on it");
  }
  if (function.ExportState()) return arrow::Status::NotImplemented("A materialized view cannot have EXPORT_STATE");
  if (found->arguments[0] == ArgumentRule::kNumber && !type.IsNumeric()) {
    return arrow::Status::NotImplemented("A materialized view cannot maintain ", Show(function), " of type ",
                                         type.ToString(), " yet: sum and avg take numbers");
  }
  AggregateCall call{.function = found, .type = element};
  ARROW_RETURN_NOT_OK(ReadArguments(context, function, time_column, call));
  if (found->kind == AggregateKind::kMedian) call.parameters = {0.5};
  const bool gives_value = found->kind == AggregateKind::kQuantileDisc || found->kind == AggregateKind::kApproxQuantile;
  call.of_argument_type = found->of_argument_type || (gives_value && type.id() != LogicalTypeId::LIST);
  // As in DuckDB the arguments are evaluated for rows that the condition leaves out, too: what fails there fails here.
  if (function.Filter()) call.filter = "CAST((" + function.Filter()->ToString() + ") AS BOOLEAN)";
  return call;
}

Carriage CarriageOf(const AggregateFunction& function, std::size_t argument, const duckdb::LogicalType& type) {
  if (IsPlain(type)) return Carriage::kArrow;
  const bool ordered = function.arguments[argument] == ArgumentRule::kOrdered;
  const bool extreme = function.family == StateFamily::kSummary;
  switch (type.id()) {
    case LogicalTypeId::INTERVAL: {  // in any other place equal ones are one
      const bool picked = function.family == StateFamily::kPick && argument == 0;
      return extreme || picked ? Carriage::kValueKey : Carriage::kOrderKey;
    }
    case LogicalTypeId::TIME_TZ:
      return ordered ? Carriage::kValueKey : Carriage::kOrderKey;
    case LogicalTypeId::BIT:  // DuckDB's quantiles go by the order of its sort
      return ordered && function.family != StateFamily::kBag ? Carriage::kValueKey : Carriage::kOrderKey;
    default:
      return Carriage::kOrderKey;
  }
}

arrow::Result<std::string> CarryArgument(const AggregateCall& call, std::size_t argument,
                                         const duckdb::LogicalType& type) {
  const auto& sql = call.arguments[argument];
  switch (call.function->arguments[argument]) {
    case ArgumentRule::kAny:
      return IsPlain(type) ? sql : std::string(kPresent) + "(" + sql + ")";
    case ArgumentRule::kNumber:
      return IsSummedAsIs(type) ? sql : "CAST((" + sql + ") AS DOUBLE)";
    case ArgumentRule::kDouble:
      return type.id() == LogicalTypeId::DOUBLE ? sql : "CAST((" + sql + ") AS DOUBLE)";
    case ArgumentRule::kLogarithm:
      return "ln(CAST((" + sql + ") AS DOUBLE))";
    case ArgumentRule::kTruth:
      return type.id() == LogicalTypeId::BOOLEAN ? sql : "CAST((" + sql + ") AS BOOLEAN)";
    case ArgumentRule::kMeasured:
      return CarryMeasured(call, sql, type);
    case ArgumentRule::kBetween:
      return CarryBetween(call, sql, type);
    case ArgumentRule::kInstant:
    case ArgumentRule::kEventInstant:
      return CarryInstant(call, sql, type);
    case ArgumentRule::kVector:
      return "CAST((" + sql + ") AS DOUBLE[])";
    case ArgumentRule::kListed:
      if (IsPlain(type)) return sql;
      return CannotBe(call, sql, type, "cast it to a number or to VARCHAR");
    case ArgumentRule::kInteger:
      if (type.IsIntegral() && IsPlain(type)) return sql;
      return CannotBe(call, sql, type, "cast it to an integer of at most 128 bits");
    case ArgumentRule::kValue:
      return CarryKey(call, argument, type, HasOrderKey(type));
    default:
      return CarryKey(call, argument, type, HasValueKey(type) || IsOrderedByOrderKey(type));
  }
}

}  // namespace hyprstream::engine
