#include "engine/window_call_internal.h"

#include <algorithm>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/qualified_name.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <duckdb/parser/tableref/table_function_ref.hpp>
#include <string>
#include <utility>

#include "core/table_ref.h"
#include "engine/error_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionClass;

std::optional<WindowKind> KindOf(const duckdb::FunctionExpression& function) {
  const auto& name = function.GetQualifiedName();
  if (!name.Schema().empty()) return std::nullopt;
  const auto folded = FoldIdentifier(name.Name().GetIdentifierName());
  for (const auto kind : {WindowKind::kTumbling, WindowKind::kHopping, WindowKind::kSession}) {
    if (folded == WindowFunction(kind)) return kind;
  }
  return std::nullopt;
}

const char* UsageOf(WindowKind kind) {
  switch (kind) {
    case WindowKind::kTumbling:
      return "tumble(table, time, size), as in tumble(sales, ts, INTERVAL '5 minutes')";
    case WindowKind::kHopping:
      return "hop(table, time, slide, size), as in hop(sales, ts, INTERVAL '5 minutes', INTERVAL '1 hour')";
    case WindowKind::kSession:
      return "session(table, time, gap, key, ...), as in session(visits, ts, INTERVAL '30 minutes', visitor)";
  }
  return "";
}

[[noreturn]] void Refuse(WindowKind kind, const duckdb::TableFunctionRef& call, const std::string& what) {
  throw duckdb::ParserException(call.query_location, "%s: it is called as %s", what, UsageOf(kind));
}

// The table that the first argument names: a column reference, as the parser sees it.
duckdb::unique_ptr<duckdb::BaseTableRef> TableOf(WindowKind kind, const duckdb::TableFunctionRef& call,
                                                 const duckdb::ParsedExpression& argument) {
  const std::string function = WindowFunction(kind);
  if (argument.GetExpressionClass() == ExpressionClass::SUBQUERY) {
    Refuse(kind, call, "The first argument of " + function + " is a name; give the query one with WITH");
  }
  if (argument.GetExpressionClass() != ExpressionClass::COLUMN_REF) {
    Refuse(kind, call,
           "The first argument of " + function + " names a table or view, without quotes or in double ones");
  }
  const auto& names = argument.Cast<duckdb::ColumnRefExpression>().ColumnNames();
  if (names.size() > 3) Refuse(kind, call, "A table's name has at most three parts");
  auto table = duckdb::make_uniq<duckdb::BaseTableRef>();
  const auto part = [&](std::size_t from_end) {
    return names.size() < from_end ? duckdb::Identifier() : names[names.size() - from_end];
  };
  table->SetQualifiedName(part(3), part(2), part(1));
  table->query_location = argument.GetQueryLocation();
  return table;
}

void CheckPlainCall(WindowKind kind, const duckdb::TableFunctionRef& call, const duckdb::FunctionExpression& function) {
  const std::string name = WindowFunction(kind);
  const auto count = function.GetArguments().size();
  const std::size_t least = kind == WindowKind::kHopping ? 4 : 3;
  if (count < least || (count > least && kind != WindowKind::kSession)) {
    Refuse(kind, call,
           name + " takes " + std::to_string(least) + " arguments" +
               (kind == WindowKind::kSession ? " and the session's keys" : "") + ", not " + std::to_string(count));
  }
  for (const auto& argument : function.GetArguments()) {
    if (argument.HasName()) Refuse(kind, call, "The arguments of " + name + " have no names");
    if (argument.GetExpression().GetExpressionClass() == ExpressionClass::STAR) {
      Refuse(kind, call, name + " takes no * as an argument");
    }
  }
  const bool decorated = function.Filter() || function.Distinct() || function.ExportState() ||
                         (function.OrderBy() && !function.OrderBy()->orders.empty());
  if (decorated) Refuse(kind, call, "DISTINCT, ORDER BY and FILTER do not go with " + name);
  if (call.with_ordinality != duckdb::OrdinalityType::WITHOUT_ORDINALITY) {
    Refuse(kind, call, "WITH ORDINALITY does not go with " + name);
  }
}

void CheckWidth(WindowKind kind, const duckdb::TableFunctionRef& call, const duckdb::ParsedExpression& width,
                const std::vector<duckdb::Identifier>& parameters) {
  if (width.GetExpressionClass() == ExpressionClass::COLUMN_REF) {
    const auto& names = width.Cast<duckdb::ColumnRefExpression>().ColumnNames();
    if (names.size() == 1 && std::ranges::find(parameters, names[0]) != parameters.end()) return;
    Refuse(kind, call,
           "The windows of " + std::string(WindowFunction(kind)) + " are the same for all rows and cannot depend on " +
               CutText(width.ToString(), 80));
  }
  for (const auto& child : width.Children()) CheckWidth(kind, call, child, parameters);
}

}  // namespace

const char* WindowFunction(WindowKind kind) {
  switch (kind) {
    case WindowKind::kTumbling:
      return "tumble";
    case WindowKind::kHopping:
      return "hop";
    case WindowKind::kSession:
      return "session";
  }
  return "";
}

std::optional<WindowCall> ReadWindowCall(const duckdb::TableFunctionRef& call,
                                         const std::vector<duckdb::Identifier>& parameters) {
  if (!call.function || call.function->GetExpressionClass() != ExpressionClass::FUNCTION) return std::nullopt;
  const auto& function = call.function->Cast<duckdb::FunctionExpression>();
  const auto kind = KindOf(function);
  if (!kind) return std::nullopt;
  CheckPlainCall(*kind, call, function);
  const auto argument = [&](std::size_t at) { return function.GetArguments()[at].GetExpression().Copy(); };
  WindowCall read{.kind = *kind,
                  .table = TableOf(*kind, call, function.GetArguments()[0].GetExpression()),
                  .time = argument(1),
                  .slide = nullptr,
                  .width = nullptr,
                  .keys = {}};
  const bool hops = *kind == WindowKind::kHopping;
  if (hops) read.slide = argument(2);
  read.width = argument(hops ? 3 : 2);
  if (read.slide) CheckWidth(*kind, call, *read.slide, parameters);
  CheckWidth(*kind, call, *read.width, parameters);
  for (std::size_t at = hops ? 4 : 3; at < function.GetArguments().size(); ++at) read.keys.push_back(argument(at));
  return read;
}

}  // namespace hyprstream::engine
