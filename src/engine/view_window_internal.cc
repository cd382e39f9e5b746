#include "engine/view_window_internal.h"

#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
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

std::string ColumnOf(const duckdb::ParsedExpression& time) {
  if (time.GetExpressionClass() != ExpressionClass::COLUMN_REF) return "";
  const auto& names = time.Cast<duckdb::ColumnRefExpression>().ColumnNames();
  return names.size() == 2 ? names[1].GetIdentifierName() : "";
}

// A constant text; empty when it is none.
std::string TextOf(const duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() != ExpressionClass::CONSTANT) return "";
  return expression.Cast<duckdb::ConstantExpression>().GetLiteral().text;
}

// Could it be an offset or an origin rather than a zone?
bool LooksLikeSpan(const std::string& text) { return text.find_first_of("0123456789:") != std::string::npos; }

bool IsTimeZoneCall(const duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() != ExpressionClass::FUNCTION) return false;
  const auto& function = expression.Cast<duckdb::FunctionExpression>();
  return FoldIdentifier(function.FunctionName().GetIdentifierName()) == "timezone" &&
         function.GetArguments().size() == 2;
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
  window.time_column = ColumnOf(time);
  window.width_sql = buckets ? "CAST((" + width.ToString() + ") AS INTERVAL)" : WidthOfPart(width);
  if (buckets && arguments.size() > 2) {
    const auto& zone = arguments[2].GetExpression();
    window.zone = TextOf(zone);
    window.zone_varies = arguments.size() == 3 && MentionsColumn(zone);
    window.shifted = arguments.size() > 3 || LooksLikeSpan(window.zone) || (window.zone.empty() && !window.zone_varies);
    if (window.shifted) window.zone.clear();
    return window;
  }
  // As in date_trunc('day', ts AT TIME ZONE 'Europe/Berlin').
  if (window.time_column.empty() && IsTimeZoneCall(time)) {
    const auto& call = time.Cast<duckdb::FunctionExpression>().GetArguments();
    window.zone = TextOf(call[0].GetExpression());
    window.zone_varies = window.zone.empty() && MentionsColumn(call[0].GetExpression());
    if (window.zone.empty() && !window.zone_varies) return window;
    window.time_column = ColumnOf(call[1].GetExpression());
    window.local = true;
  }
  return window;
}

BoundZone ZoneOf(const duckdb::Expression& key) {
  BoundZone zone;
  if (key.GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return zone;
  const auto is_zoned = [](const duckdb::Expression& of) {
    return of.GetReturnType().id() == duckdb::LogicalTypeId::TIMESTAMP_TZ;
  };
  const auto is_text = [](const duckdb::Expression& of) {
    return of.GetReturnType().id() == duckdb::LogicalTypeId::VARCHAR;
  };
  const auto& call = key.Cast<duckdb::BoundFunctionExpression>();
  const auto& arguments = call.GetChildren();
  if (arguments.size() < 2) return zone;
  const bool buckets = call.Function().GetName() == duckdb::Identifier("time_bucket");
  zone.is_utc = buckets && arguments.size() == 2 && is_zoned(key);
  const duckdb::Expression* time = arguments[1].get();
  if (buckets && arguments.size() > 2) {
    zone.is_text = is_text(*arguments[2]);
  } else if (time->GetExpressionClass() == ExpressionClass::BOUND_FUNCTION) {
    const auto& moved = time->Cast<duckdb::BoundFunctionExpression>().GetChildren();
    if (moved.size() != 2) return zone;
    zone.is_text = is_text(*moved[0]);
    time = moved[1].get();
  }
  zone.time_is_made = is_zoned(*time) && time->GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF;
  return zone;
}

}  // namespace hyprstream::engine
