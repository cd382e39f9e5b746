#include "engine/windowed_from_internal.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <duckdb.hpp>
#include <duckdb/common/types/interval.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/parser/expression/cast_expression.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <duckdb/parser/tableref/subqueryref.hpp>
#include <duckdb/parser/tableref/table_function_ref.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression_binder/constant_binder.hpp>
#include <duckdb/planner/planner.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/row_plan_internal.h"
#include "engine/view_shape_internal.h"
#include "engine/window_functions_internal.h"
#include "engine/window_query_internal.h"

namespace hyprstream::engine {

namespace {

WindowArgument Call(const char* function, WindowArgument first, WindowArgument second = nullptr) {
  duckdb::vector<WindowArgument> arguments;
  arguments.push_back(std::move(first));
  if (second) arguments.push_back(std::move(second));
  return duckdb::make_uniq<duckdb::FunctionExpression>(duckdb::Identifier(function), std::move(arguments));
}

WindowArgument Constant(const duckdb::Value& value) { return duckdb::ConstantExpression::FromValue(value); }

// An interval as a text that the whole of it can be read from again.
WindowArgument IntervalOf(std::int64_t count, const char* unit) {
  return duckdb::make_uniq<duckdb::CastExpression>(duckdb::LogicalType::INTERVAL,
                                                   Constant(duckdb::Value(std::to_string(count) + " " + unit)));
}

arrow::Result<duckdb::interval_t> WidthOf(duckdb::ClientContext& context, WindowKind kind, const char* argument,
                                          const WindowArgument& width) {
  ARROW_RETURN_NOT_OK(CheckExpression(*width));
  ARROW_RETURN_NOT_OK(CheckStable(context, *width));
  duckdb::vector<WindowArgument> arguments;
  arguments.push_back(Constant(duckdb::Value(WindowFunction(kind))));
  arguments.push_back(Constant(duckdb::Value(argument)));
  arguments.push_back(width->Copy());
  WindowArgument call =
      duckdb::make_uniq<duckdb::FunctionExpression>(duckdb::Identifier(kWindowWidth), std::move(arguments));
  const auto binder = duckdb::Binder::CreateBinder(context);
  duckdb::ConstantBinder constants(*binder, context, WindowFunction(kind));
  const auto bound = constants.Bind(call);
  return duckdb::ExpressionExecutor::EvaluateScalar(context, *bound).GetValue<duckdb::interval_t>();
}

duckdb::LogicalType TypeOf(duckdb::ClientContext& context, const WindowArgument& time,
                           const duckdb::BaseTableRef& table) {
  auto node = duckdb::make_uniq<duckdb::SelectNode>();
  node->select_list.push_back(time->Copy());
  auto& base = const_cast<duckdb::BaseTableRef&>(table);
  node->from_table = base.Copy();
  auto select = duckdb::make_uniq<duckdb::SelectStatement>();
  select->node = std::move(node);
  duckdb::Planner planner(context);
  planner.CreatePlan(std::move(select));
  return planner.types.at(0);
}

}  // namespace

std::optional<WindowColumn> WindowColumnOf(const duckdb::ParsedExpression& expression,
                                           const duckdb::Identifier& alias) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::COLUMN_REF) return std::nullopt;
  const auto& names = expression.Cast<duckdb::ColumnRefExpression>().ColumnNames();
  if (names.size() > 2 || (names.size() == 2 && names[0] != alias)) return std::nullopt;
  if (names.back() == duckdb::Identifier("window_start")) return WindowColumn::kStart;
  if (names.back() == duckdb::Identifier("window_end")) return WindowColumn::kEnd;
  return std::nullopt;
}

arrow::Result<std::optional<WindowCall>> TakeWindowCall(duckdb::SelectNode& select) {
  if (!select.from_table || select.from_table->type != duckdb::TableReferenceType::TABLE_FUNCTION) return std::nullopt;
  auto call = ReadWindowCall(select.from_table->Cast<duckdb::TableFunctionRef>());
  if (!call) return std::nullopt;
  auto table = call->table->Copy();
  select.from_table->CopyProperties(*table);
  table->column_name_alias = select.from_table->column_name_alias;
  if (table->alias.empty()) table->alias = duckdb::Identifier(WindowFunction(call->kind));
  select.from_table = std::move(table);
  return call;
}

arrow::Result<WindowedFrom> WindowedFrom::Make(duckdb::ClientContext& context, WindowCall call) {
  WindowedFrom from(std::move(call));
  ARROW_RETURN_NOT_OK(CheckExpression(*from.call_.time));
  ARROW_RETURN_NOT_OK(CheckStable(context, *from.call_.time));
  const bool is_session = from.kind() == WindowKind::kSession;
  for (const auto& key : from.call_.keys) {
    ARROW_RETURN_NOT_OK(CheckExpression(*key));
    ARROW_RETURN_NOT_OK(CheckStable(context, *key));
  }
  ARROW_ASSIGN_OR_RAISE(from.size_, WidthOf(context, from.kind(), is_session ? "gap" : "size", from.call_.width));
  if (from.call_.slide) {
    ARROW_ASSIGN_OR_RAISE(from.slide_, WidthOf(context, from.kind(), "slide", from.call_.slide));
  }
  from.time_type_ = TypeOf(context, from.call_.time, *from.call_.table);
  return from;
}

std::int64_t WindowedFrom::size_us() const { return duckdb::Interval::GetMicro(size_); }

std::optional<std::int64_t> WindowedFrom::session_gap() const {
  return kind() == WindowKind::kSession ? std::optional(size_us()) : std::nullopt;
}

std::string WindowedFrom::TimeColumn() const {
  if (call_.time->GetExpressionClass() != duckdb::ExpressionClass::COLUMN_REF) return "";
  return call_.time->Cast<duckdb::ColumnRefExpression>().ColumnNames().back().GetIdentifierName();
}

std::optional<WindowSpec> WindowedFrom::hopping() const {
  if (kind() != WindowKind::kHopping) return std::nullopt;
  return WindowSpec{.kind = WindowKind::kHopping,
                    .size = size_us(),
                    .slide = duckdb::Interval::GetMicro(slide_),
                    .origin = kWindowOriginUs};
}

WindowArgument WindowedFrom::Time() const {
  using duckdb::LogicalTypeId;
  switch (time_type_.id()) {
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_TZ:
      return call_.time->Copy();
    case LogicalTypeId::TIMESTAMP_NS: {
      duckdb::vector<WindowArgument> arguments;
      arguments.push_back(Constant(duckdb::Value(WindowFunction(kind()))));
      arguments.push_back(call_.time->Copy());
      arguments.push_back(Constant(duckdb::Value()));
      return duckdb::make_uniq<duckdb::FunctionExpression>(duckdb::Identifier(kEventTime), std::move(arguments));
    }
    default:
      return duckdb::make_uniq<duckdb::CastExpression>(duckdb::LogicalType::TIMESTAMP, call_.time->Copy());
  }
}

WindowArgument WindowedFrom::Start() const {
  if (kind() == WindowKind::kSession) return Time();
  if (!is_fixed()) return Call("time_bucket", IntervalOf(size_.months, "months"), Time());
  const auto spec = hopping();
  auto width = IntervalOf(spec ? spec->slice() : size_us(), "microseconds");
  if (!spec || time_type_.id() != duckdb::LogicalTypeId::TIMESTAMP_TZ) {
    return Call("time_bucket", std::move(width), Time());
  }
  // With a zone time_bucket fails near the ends of time, where hop does not.
  const auto utc = [] { return Constant(duckdb::Value("UTC")); };
  return Call("timezone", utc(), Call("time_bucket", std::move(width), Call("timezone", utc(), Time())));
}

WindowArgument WindowedFrom::End() const {
  return Call(kWindowEnd, Start(),
              is_fixed() ? IntervalOf(size_us(), "microseconds") : IntervalOf(size_.months, "months"));
}

WindowArgument WindowedFrom::Condition() const { return Call("isfinite", Time()); }

duckdb::unique_ptr<duckdb::TableRef> WindowedFrom::Query(const duckdb::Identifier& alias) const {
  return duckdb::make_uniq<duckdb::SubqueryRef>(WindowQuery(call_), alias);
}

}  // namespace hyprstream::engine
