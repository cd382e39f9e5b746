#include "engine/window_functions_internal.h"

#include <algorithm>
#include <cstdint>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/common/types/interval.hpp>
#include <duckdb/common/types/timestamp.hpp>
#include <duckdb/common/vector/flat_vector.hpp>
#include <duckdb/common/vector/list_vector.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/function/scalar_function.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <limits>
#include <string>
#include <vector>

#include "core/table_ref.h"
#include "core/window_spec.h"
#include "engine/error_internal.h"
#include "engine/window_call_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;

// DuckDB's infinite timestamps are the ends of the range; the very first value is none.
bool IsFinite(std::int64_t time) {
  constexpr auto kInfinity = std::numeric_limits<std::int64_t>::max();
  return time < kInfinity && time > -kInfinity;
}

// ---- event times

// Infinite ones lie in no window: it would not be half open.
void EventTime(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  duckdb::UnifiedVectorFormat times;
  arguments.data[1].ToUnifiedFormat(times);
  const bool nanoseconds = arguments.data[1].GetType().id() == LogicalTypeId::TIMESTAMP_NS;
  const auto* from = times.GetData<std::int64_t>();
  auto* to = duckdb::FlatVector::GetDataMutable<std::int64_t>(result);
  for (duckdb::idx_t row = 0; row < arguments.size(); ++row) {
    const auto at = times.sel->get_index(row);
    if (!times.validity.RowIsValid(at) || !IsFinite(from[at])) {
      duckdb::FlatVector::SetNull(result, row, true);
      continue;
    }
    // Down, not towards 1970: a cast would put the last nanoseconds of 1969 into 1970's first window.
    to[row] = nanoseconds ? from[at] / 1000 - (from[at] % 1000 < 0 ? 1 : 0) : from[at];
  }
}

// The names that a window function adds must be free.
void CheckNames(const std::string& function, const LogicalType& row) {
  if (row.id() != LogicalTypeId::STRUCT) return;
  for (const auto& [name, type] : duckdb::StructType::GetChildTypes(row)) {
    const auto folded = FoldIdentifier(name.GetIdentifierName());
    if (folded != "window_start" && folded != "window_end") continue;
    throw duckdb::BinderException(
        "%s adds a column %s, and the table has one already; rename it in a WITH query, as in "
        "WITH renamed AS (SELECT * RENAME (%s AS earlier) FROM ...), and call %s on that",
        function, folded, folded, function);
  }
}

using Expressions = duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>;

// The text of one that the rewriting has written out.
std::string ConstantOf(const Expressions& arguments, std::size_t at, duckdb::ClientContext& context) {
  if (!arguments[at]->IsFoldable()) throw duckdb::BinderException("The names of a window's parts are constants");
  return duckdb::ExpressionExecutor::EvaluateScalar(context, *arguments[at]).ToString();
}

std::string FunctionOf(const Expressions& arguments, duckdb::ClientContext& context) {
  return ConstantOf(arguments, 0, context);
}

void ResolveEventTime(duckdb::ResolveScalarFunctionTypesInput& input) {
  auto& function = input.GetBoundFunction();
  const auto name = FunctionOf(input.GetArguments(), input.GetClientContext());
  const auto& type = input.GetArgumentType(1);
  switch (type.id()) {
    case LogicalTypeId::TIMESTAMP_TZ:
      function.GetArguments()[1] = type;
      return function.SetReturnType(type);
    case LogicalTypeId::TIMESTAMP_NS:
      function.GetArguments()[1] = type;
      return function.SetReturnType(LogicalType::TIMESTAMP);
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
      function.GetArguments()[1] = LogicalType::TIMESTAMP;
      return function.SetReturnType(LogicalType::TIMESTAMP);
    default:
      throw duckdb::BinderException("%s takes its time from a DATE, TIMESTAMP or TIMESTAMPTZ; %s is %s", name,
                                    CutText(input.GetArgument(1).GetName().GetIdentifierName(), 80), type.ToString());
  }
}

duckdb::unique_ptr<duckdb::FunctionData> BindEventTime(duckdb::BindScalarFunctionInput& input) {
  auto& row = input.GetArguments()[2];
  CheckNames(FunctionOf(input.GetArguments(), input.GetClientContext()), row->GetReturnType());
  // Only its type was asked for: nothing of it is to be read.
  row = duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value());
  return nullptr;
}

// ---- widths

bool IsPositive(const duckdb::interval_t& width) {
  std::int64_t micros = 0;
  if (width.months != 0) return width.months > 0 && width.days >= 0 && width.micros >= 0;
  return duckdb::Interval::TryGetMicro(width, micros) && micros > 0;
}

duckdb::interval_t CheckedWidth(const std::string& function, const std::string& argument, const duckdb::Value& value) {
  const auto called = "The " + argument + " of " + function;
  if (value.IsNull()) {
    throw duckdb::InvalidInputException("%s is NULL; give an interval such as INTERVAL '5 minutes'", called);
  }
  const auto width = value.GetValue<duckdb::interval_t>();
  const auto shown = duckdb::Interval::ToString(width);
  if (!IsPositive(width)) {
    throw duckdb::InvalidInputException("%s is %s; it must be longer than nothing", called, shown);
  }
  if (width.months == 0) return width;
  if (function != WindowFunction(WindowKind::kTumbling)) {
    throw duckdb::InvalidInputException("%s is %s, and months differ in length; give it in days or less", called,
                                        shown);
  }
  if (width.days != 0 || width.micros != 0) {
    throw duckdb::InvalidInputException("%s is %s; give whole months, or none", called, shown);
  }
  return width;
}

void WindowWidth(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  auto* to = duckdb::FlatVector::GetDataMutable<duckdb::interval_t>(result);
  for (duckdb::idx_t row = 0; row < arguments.size(); ++row) {
    const bool same = row > 0 && arguments.GetValue(2, row) == arguments.GetValue(2, row - 1);
    to[row] = same ? to[row - 1]
                   : CheckedWidth(arguments.GetValue(0, row).ToString(), arguments.GetValue(1, row).ToString(),
                                  arguments.GetValue(2, row));
  }
}

void ResolveWindowWidth(duckdb::ResolveScalarFunctionTypesInput& input) {
  const auto& type = input.GetArgumentType(2);
  switch (type.id()) {
    case LogicalTypeId::INTERVAL:
    case LogicalTypeId::VARCHAR:
    case LogicalTypeId::STRING_LITERAL:
    case LogicalTypeId::SQLNULL:
    case LogicalTypeId::UNKNOWN:
      input.GetBoundFunction().GetArguments()[2] = LogicalType::INTERVAL;
      return;
    default:
      throw duckdb::BinderException("The %s of %s is an interval, such as INTERVAL '5 minutes'; %s is %s",
                                    ConstantOf(input.GetArguments(), 1, input.GetClientContext()),
                                    FunctionOf(input.GetArguments(), input.GetClientContext()),
                                    CutText(input.GetArgument(2).ToString(), 80), type.ToString());
  }
}

// Constants are checked here, so that a table without rows does not hide a wrong one.
duckdb::unique_ptr<duckdb::FunctionData> BindWindowWidth(duckdb::BindScalarFunctionInput& input) {
  const auto& arguments = input.GetArguments();
  auto& context = input.GetClientContext();
  const auto function = FunctionOf(arguments, context);
  const auto argument = ConstantOf(arguments, 1, context);
  if (arguments[2]->IsFoldable()) {
    CheckedWidth(function, argument, duckdb::ExpressionExecutor::EvaluateScalar(context, *arguments[2]));
  }
  return nullptr;
}

// ---- windows

duckdb::timestamp_t EndOf(duckdb::timestamp_t start, const duckdb::interval_t& width) {
  if (width.months != 0) return duckdb::Interval::Add(start, width);
  std::int64_t end = 0;
  if (__builtin_add_overflow(start.value, duckdb::Interval::GetMicro(width), &end) || !IsFinite(end)) {
    throw duckdb::OutOfRangeException("The window that begins at %s ends beyond the last timestamp",
                                      duckdb::Timestamp::ToString(start));
  }
  return duckdb::timestamp_t(end);
}

void WindowEnd(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  duckdb::BinaryExecutor::Execute<duckdb::timestamp_t, duckdb::interval_t, duckdb::timestamp_t>(
      arguments.data[0], arguments.data[1], result, arguments.size(), EndOf);
}

// What one row may become: a chunk of 2,048 rows is computed at once.
constexpr std::int64_t kWindowsMax = 10'000;

struct Hop {
  std::int64_t slide;
  std::int64_t size;
};

Hop CheckedHop(const duckdb::interval_t& slide, const duckdb::interval_t& size) {
  const Hop hop{.slide = duckdb::Interval::GetMicro(slide), .size = duckdb::Interval::GetMicro(size)};
  if (hop.slide <= 0 || hop.size <= 0) {
    throw duckdb::InvalidInputException("The slide of hop, %s, and its size, %s, must be longer than nothing",
                                        duckdb::Interval::ToString(slide), duckdb::Interval::ToString(size));
  }
  if (hop.slide > hop.size) {
    throw duckdb::InvalidInputException(
        "The slide of hop, %s, is longer than its size, %s: rows between two windows would be in none",
        duckdb::Interval::ToString(slide), duckdb::Interval::ToString(size));
  }
  if (hop.size / hop.slide >= kWindowsMax) {
    throw duckdb::InvalidInputException("The size of hop, %s, is more than %d times its slide, %s; take a longer slide",
                                        duckdb::Interval::ToString(size), kWindowsMax,
                                        duckdb::Interval::ToString(slide));
  }
  return hop;
}

// The start of the last window that the time is in.
std::int64_t LastStart(std::int64_t time, std::int64_t slide) {
  auto past = static_cast<std::int64_t>((static_cast<__int128>(time) - kWindowOriginUs) % slide);
  if (past < 0) past += slide;
  std::int64_t start = 0;
  if (__builtin_sub_overflow(time, past, &start)) {
    throw duckdb::OutOfRangeException("A window of %s begins before the first timestamp",
                                      duckdb::Timestamp::ToString(duckdb::timestamp_t(time)));
  }
  return start;
}

void AppendStarts(std::int64_t time, const Hop& hop, std::vector<std::int64_t>& starts) {
  const auto last = LastStart(time, hop.slide);
  const auto before = (hop.size - (time - last) - 1) / hop.slide;
  std::int64_t first = 0;
  if (__builtin_sub_overflow(last, before * hop.slide, &first) || !IsFinite(first)) {
    throw duckdb::OutOfRangeException("A window of %s begins before the first timestamp",
                                      duckdb::Timestamp::ToString(duckdb::timestamp_t(time)));
  }
  for (std::int64_t step = 0; step <= before; ++step) starts.push_back(first + step * hop.slide);
}

// NULL is no width, and so refused as one of nothing.
duckdb::interval_t WidthAt(const duckdb::UnifiedVectorFormat& widths, duckdb::idx_t row) {
  const auto at = widths.sel->get_index(row);
  return widths.validity.RowIsValid(at) ? widths.GetData<duckdb::interval_t>()[at] : duckdb::interval_t{};
}

void HopStarts(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  duckdb::UnifiedVectorFormat times;
  duckdb::UnifiedVectorFormat slides;
  duckdb::UnifiedVectorFormat sizes;
  arguments.data[0].ToUnifiedFormat(times);
  arguments.data[1].ToUnifiedFormat(slides);
  arguments.data[2].ToUnifiedFormat(sizes);
  auto* lists = duckdb::FlatVector::GetDataMutable<duckdb::list_entry_t>(result);
  std::vector<std::int64_t> starts;
  for (duckdb::idx_t row = 0; row < arguments.size(); ++row) {
    const auto at = times.sel->get_index(row);
    lists[row] = {starts.size(), 0};
    if (!times.validity.RowIsValid(at)) {
      duckdb::FlatVector::SetNull(result, row, true);
      continue;
    }
    const auto hop = CheckedHop(WidthAt(slides, row), WidthAt(sizes, row));
    AppendStarts(times.GetData<std::int64_t>()[at], hop, starts);
    lists[row].length = starts.size() - lists[row].offset;
  }
  duckdb::ListVector::Reserve(result, starts.size());
  std::ranges::copy(starts,
                    duckdb::FlatVector::GetDataMutable<std::int64_t>(duckdb::ListVector::GetChildMutable(result)));
  duckdb::ListVector::SetListSize(result, starts.size());
}

duckdb::unique_ptr<duckdb::FunctionData> BindHopStarts(duckdb::BindScalarFunctionInput& input) {
  const auto& arguments = input.GetArguments();
  if (!arguments[1]->IsFoldable() || !arguments[2]->IsFoldable()) return nullptr;
  const auto width = [&](std::size_t at) {
    const auto value = duckdb::ExpressionExecutor::EvaluateScalar(input.GetClientContext(), *arguments[at]);
    return value.IsNull() ? duckdb::interval_t{} : value.GetValue<duckdb::interval_t>();
  };
  CheckedHop(width(1), width(2));
  return nullptr;
}

duckdb::ScalarFunction Function(const char* name, duckdb::vector<LogicalType> arguments, const LogicalType& result,
                                duckdb::scalar_function_t function) {
  duckdb::ScalarFunction scalar(duckdb::Identifier(name), std::move(arguments), result, std::move(function));
  scalar.SetFallible();  // what a function throws that is not would end the engine
  scalar.SetStability(duckdb::FunctionStability::CONSISTENT);
  return scalar;
}

}  // namespace

void RegisterWindowFunctions(duckdb::Connection& connection) {
  auto& context = *connection.context;
  auto& catalog = duckdb::Catalog::GetSystemCatalog(context);
  auto time = Function(kEventTime, {LogicalType::VARCHAR, LogicalType::ANY, LogicalType::ANY}, LogicalType::TIMESTAMP,
                       EventTime);
  time.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  time.SetResolveTypesCallback(ResolveEventTime);
  time.SetBindCallback(BindEventTime);
  duckdb::CreateScalarFunctionInfo time_info(time);
  catalog.CreateFunction(context, time_info);

  auto width = Function(kWindowWidth, {LogicalType::VARCHAR, LogicalType::VARCHAR, LogicalType::ANY},
                        LogicalType::INTERVAL, WindowWidth);
  width.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  width.SetResolveTypesCallback(ResolveWindowWidth);
  width.SetBindCallback(BindWindowWidth);
  duckdb::CreateScalarFunctionInfo width_info(width);
  catalog.CreateFunction(context, width_info);

  duckdb::ScalarFunctionSet ends{duckdb::Identifier(kWindowEnd)};
  duckdb::ScalarFunctionSet starts{duckdb::Identifier(kHopStarts)};
  for (const auto& type : {LogicalType(LogicalType::TIMESTAMP), LogicalType(LogicalType::TIMESTAMP_TZ)}) {
    ends.AddFunction(Function(kWindowEnd, {type, LogicalType::INTERVAL}, type, WindowEnd));
    auto start =
        Function(kHopStarts, {type, LogicalType::INTERVAL, LogicalType::INTERVAL}, LogicalType::LIST(type), HopStarts);
    start.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    start.SetBindCallback(BindHopStarts);
    starts.AddFunction(start);
  }
  duckdb::CreateScalarFunctionInfo ends_info(ends);
  catalog.CreateFunction(context, ends_info);
  duckdb::CreateScalarFunctionInfo starts_info(starts);
  catalog.CreateFunction(context, starts_info);
}

}  // namespace hyprstream::engine
