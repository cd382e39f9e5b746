#include "engine/fixed_window_internal.h"

#include <duckdb.hpp>
#include <duckdb/common/enums/date_part_specifier.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <limits>
#include <numeric>
#include <string>

namespace hyprstream::engine {

namespace {

using duckdb::LogicalTypeId;

constexpr std::int64_t kDayUs = 86'400'000'000;
constexpr std::int64_t kSampleUs = 946'857'600'000'000;  // 2000-01-03, a Monday

std::optional<duckdb::Value> ConstantOf(duckdb::ClientContext& context, const duckdb::Expression& expression) {
  duckdb::Value value;
  if (!expression.IsFoldable() || !duckdb::ExpressionExecutor::TryEvaluateScalar(context, expression, value)) {
    return std::nullopt;
  }
  return value.IsNull() ? std::nullopt : std::optional(value);
}

std::int64_t BucketSize(const duckdb::Value& width, bool has_zone) {
  if (width.type().id() != LogicalTypeId::INTERVAL) return 0;
  const auto interval = width.GetValue<duckdb::interval_t>();
  if (interval.months != 0 || (has_zone && interval.days != 0)) return 0;
  std::int64_t size = 0;
  if (__builtin_mul_overflow(std::int64_t{interval.days}, kDayUs, &size)) return 0;
  if (__builtin_add_overflow(size, interval.micros, &size)) return 0;
  return size;
}

std::int64_t TruncatedSize(const duckdb::Value& part) {
  using enum duckdb::DatePartSpecifier;
  auto specifier = INVALID;
  if (part.type().id() != LogicalTypeId::VARCHAR) return 0;
  if (!duckdb::TryGetDatePartSpecifier(part.GetValue<std::string>(), specifier)) return 0;
  switch (specifier) {
    case MICROSECONDS:
      return 1;
    case MILLISECONDS:
      return 1'000;
    case SECOND:
      return 1'000'000;
    case MINUTE:
      return 60'000'000;
    case HOUR:
      return 3'600'000'000;
    case DAY:
      return kDayUs;
    case WEEK:
      return 7 * kDayUs;
    default:
      return 0;
  }
}

// Where the window of a time begins; nullopt when the expression fails with it.
std::optional<std::int64_t> StartOf(duckdb::ClientContext& context, const duckdb::Expression& key, std::int64_t time) {
  const auto value = duckdb::timestamp_t(time);
  auto call = key.Copy();
  call->Cast<duckdb::BoundFunctionExpression>().GetChildrenMutable()[1] =
      duckdb::make_uniq<duckdb::BoundConstantExpression>(key.GetReturnType().id() == LogicalTypeId::TIMESTAMP_TZ
                                                             ? duckdb::Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(value))
                                                             : duckdb::Value::TIMESTAMP(value));
  const auto start = ConstantOf(context, *call);
  return start ? std::optional(start->GetValueUnsafe<std::int64_t>()) : std::nullopt;
}

// The time nearest to `end` that has a window; the sample has one, and so have all between.
std::int64_t LastThatHasOne(duckdb::ClientContext& context, const duckdb::Expression& key, std::int64_t end) {
  if (StartOf(context, key, end)) return end;
  std::int64_t has = kSampleUs;
  std::int64_t has_not = end;
  for (;;) {
    const auto middle = std::midpoint(has, has_not);
    if (middle == has || middle == has_not) return has;
    (StartOf(context, key, middle) ? has : has_not) = middle;
  }
}

}  // namespace

bool IsMovedByMonths(duckdb::ClientContext& context, const duckdb::Expression& key) {
  if (key.GetExpressionClass() != duckdb::ExpressionClass::BOUND_FUNCTION) return false;
  const auto& arguments = key.Cast<duckdb::BoundFunctionExpression>().GetChildren();
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    if (arguments[i]->GetReturnType().id() != LogicalTypeId::INTERVAL) continue;
    const auto offset = ConstantOf(context, *arguments[i]);
    if (!offset || offset->GetValue<duckdb::interval_t>().months != 0) return true;
  }
  return false;
}

std::optional<FixedWindow> FixedWindowOf(duckdb::ClientContext& context, const duckdb::Expression& key) {
  if (key.GetExpressionClass() != duckdb::ExpressionClass::BOUND_FUNCTION) return std::nullopt;
  const auto& call = key.Cast<duckdb::BoundFunctionExpression>();
  const auto& name = call.Function().GetName().GetIdentifierName();
  const auto& arguments = call.GetChildren();
  const bool truncates = name == "date_trunc" || name == "datetrunc";
  if ((name != "time_bucket" && !truncates) || arguments.size() < 2) return std::nullopt;
  const auto type = key.GetReturnType();
  const bool has_zone = type.id() == LogicalTypeId::TIMESTAMP_TZ;
  if (type.id() != LogicalTypeId::TIMESTAMP && (!has_zone || truncates)) return std::nullopt;
  if (arguments[1]->GetReturnType() != type || IsMovedByMonths(context, key)) return std::nullopt;
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    if (!ConstantOf(context, *arguments[i])) return std::nullopt;
  }
  const auto width = ConstantOf(context, *arguments[0]);
  if (!width) return std::nullopt;
  const auto size = truncates ? TruncatedSize(*width) : BucketSize(*width, has_zone);
  if (size <= 0) return std::nullopt;
  // Where one window begins tells where all do.
  const auto sample = StartOf(context, key, kSampleUs);
  if (!sample) return std::nullopt;
  return FixedWindow{.size = size,
                     .origin = *sample,
                     .least = LastThatHasOne(context, key, std::numeric_limits<std::int64_t>::min()),
                     .greatest = LastThatHasOne(context, key, std::numeric_limits<std::int64_t>::max())};
}

}  // namespace hyprstream::engine
