#include "engine/view_window_internal.h"

#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <map>

#include "core/table_ref.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionClass;

bool MentionsColumn(const duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() == ExpressionClass::COLUMN_REF) return true;
  for (const auto& child : expression.Children()) {
    if (MentionsColumn(child)) return true;
  }
  return false;
}

// How long date_trunc's parts are, as DuckDB names them. Not those of no one length: isoyear.
std::string WidthOfPart(const duckdb::ParsedExpression& part) {
  if (part.GetExpressionClass() != ExpressionClass::CONSTANT) return "";
  static const std::map<std::string, std::string> kWidths = [] {
    std::map<std::string, std::string> widths;
    const auto add = [&](const char* width, std::initializer_list<const char*> names) {
      for (const auto* name : names) widths.emplace(name, std::string("INTERVAL '") + width + "'");
    };
    add("1000 years", {"millennium", "millennia", "millenniums", "mil", "mils"});
    add("100 years", {"century", "centuries", "cent", "c"});
    add("10 years", {"decade", "decades", "dec", "decs"});
    add("1 year", {"year", "years", "yr", "yrs", "y"});
    add("3 months", {"quarter", "quarters"});
    add("1 month", {"month", "months", "mon", "mons"});
    add("7 days", {"week", "weeks", "w", "yearweek"});
    add("1 day", {"day", "days", "d"});
    add("1 hour", {"hour", "hours", "hr", "hrs", "h"});
    add("1 minute", {"minute", "minutes", "min", "mins", "m"});
    add("1 second", {"second", "seconds", "sec", "secs", "s"});
    add("1 millisecond", {"millisecond", "milliseconds", "ms", "msec", "msecs"});
    add("1 microsecond", {"microsecond", "microseconds", "us", "usec", "usecs"});
    return widths;
  }();
  const auto found = kWidths.find(FoldIdentifier(part.Cast<duckdb::ConstantExpression>().GetLiteral().text));
  return found == kWidths.end() ? "" : found->second;
}

}  // namespace

std::optional<WindowExpression> WindowOf(const duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() != ExpressionClass::FUNCTION) return std::nullopt;
  const auto& function = expression.Cast<duckdb::FunctionExpression>();
  const auto name = FoldIdentifier(function.FunctionName().GetIdentifierName());
  const auto& arguments = function.GetArguments();
  const bool buckets = name == "time_bucket";
  if ((!buckets && name != "date_trunc" && name != "datetrunc") || arguments.size() < 2) return std::nullopt;
  const auto& width = arguments[0].GetExpression();
  const auto& time = arguments[1].GetExpression();
  if (MentionsColumn(width) || !MentionsColumn(time)) return std::nullopt;
  WindowExpression window;
  if (time.GetExpressionClass() == ExpressionClass::COLUMN_REF) {
    const auto& names = time.Cast<duckdb::ColumnRefExpression>().ColumnNames();
    if (names.size() == 2) window.time_column = names[1].GetIdentifierName();
  }
  window.width_sql = buckets ? "CAST((" + width.ToString() + ") AS INTERVAL)" : WidthOfPart(width);
  window.shifted = buckets && arguments.size() > 2;
  return window;
}

}  // namespace hyprstream::engine
