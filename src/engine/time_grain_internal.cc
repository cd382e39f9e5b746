#include "engine/time_grain_internal.h"

#include <array>
#include <duckdb.hpp>
#include <duckdb/common/enums/date_part_specifier.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <map>
#include <string_view>

#include "core/table_ref.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalTypeId;

constexpr std::int64_t kMinuteUs = 60'000'000;
constexpr std::int64_t kHourUs = 60 * kMinuteUs;
constexpr std::int64_t kDayUs = 24 * kHourUs;
constexpr std::int64_t kMondayUs = 946'857'600'000'000;  // 2000-01-03, where time_bucket begins

// Edges at origin + n * step.
struct Grain {
  std::int64_t step;
  std::int64_t origin = 0;
};

// Is every edge of `grain` one of the windows'?
bool HoldsWhole(const Grain& grain, const FixedWindow& windows) {
  return grain.step > 0 && grain.step % windows.size == 0 && (grain.origin - windows.origin) % windows.size == 0;
}

std::optional<Grain> BucketGrain(const duckdb::Value& width, bool has_zone) {
  if (width.IsNull() || width.type().id() != LogicalTypeId::INTERVAL) return std::nullopt;
  const auto interval = width.GetValue<duckdb::interval_t>();
  if (has_zone && (interval.days != 0 || interval.months != 0)) return std::nullopt;
  if (interval.months != 0) {
    if (interval.days != 0 || interval.micros != 0) return std::nullopt;
    return Grain{.step = kDayUs};  // months begin at midnights
  }
  std::int64_t step = 0;
  if (__builtin_mul_overflow(std::int64_t{interval.days}, kDayUs, &step)) return std::nullopt;
  if (__builtin_add_overflow(step, interval.micros, &step)) return std::nullopt;
  return Grain{.step = step, .origin = kMondayUs};
}

std::optional<Grain> PartGrain(const std::string& part, bool truncates) {
  using enum duckdb::DatePartSpecifier;
  auto specifier = INVALID;
  if (!duckdb::TryGetDatePartSpecifier(part, specifier)) return std::nullopt;
  switch (specifier) {
    case SECOND:
      return truncates ? std::optional(Grain{.step = 1'000'000}) : std::nullopt;  // the part has a fraction in some
    case MINUTE:
      return Grain{.step = kMinuteUs};
    case HOUR:
      return Grain{.step = kHourUs};
    case WEEK:
      return truncates ? Grain{.step = 7 * kDayUs, .origin = kMondayUs} : Grain{.step = kDayUs};
    case DAY:
    case MONTH:
    case QUARTER:
    case YEAR:
    case DECADE:
    case CENTURY:
    case MILLENNIUM:
    case DOW:
    case ISODOW:
    case DOY:
    case ISOYEAR:
    case YEARWEEK:
    case ERA:
      return Grain{.step = kDayUs};
    default:
      return std::nullopt;
  }
}

// Of functions of a time alone.
std::optional<Grain> GrainOfFunction(const std::string& name) {
  if (name == "minute") return Grain{.step = kMinuteUs};
  if (name == "hour") return Grain{.step = kHourUs};
  static constexpr std::array<std::string_view, 19> kOfDays = {
      "year",      "month",      "day",    "dayofmonth", "quarter",  "week",     "weekofyear",
      "dayofweek", "weekday",    "isodow", "dayofyear",  "isoyear",  "yearweek", "decade",
      "century",   "millennium", "era",    "dayname",    "monthname"};
  for (const auto known : kOfDays) {
    if (name == known) return Grain{.step = kDayUs};
  }
  return std::nullopt;
}

bool IsUtc(const std::string& zone) { return zone == "UTC" || zone == "Etc/UTC" || zone == "Z" || zone == "GMT"; }

}  // namespace

bool BucketsHoldWhole(const duckdb::Value& width, bool has_zone, const FixedWindow& windows) {
  const auto grain = BucketGrain(width, has_zone);
  return grain && HoldsWhole(*grain, windows);
}

std::optional<std::size_t> CoarseTimeArgument(duckdb::ClientContext& context, const FixedWindow& windows,
                                              const std::string& time_zone,
                                              const duckdb::BoundFunctionExpression& call) {
  const auto& arguments = call.GetChildren();
  if (arguments.empty() || arguments.size() > 2) return std::nullopt;
  const auto at = arguments.size() - 1;
  const bool has_zone = arguments[at]->GetReturnType().id() == LogicalTypeId::TIMESTAMP_TZ;
  const auto name = FoldIdentifier(call.Function().GetName().GetIdentifierName());
  std::optional<Grain> grain;
  if (arguments.size() == 1) {
    const bool to_date = duckdb::BoundCastExpression::IsCast(call) && call.GetReturnType().id() == LogicalTypeId::DATE;
    grain = to_date ? std::optional(Grain{.step = kDayUs}) : GrainOfFunction(name);
  } else {
    duckdb::Value first;
    if (!arguments[0]->IsFoldable()) return std::nullopt;
    if (!duckdb::ExpressionExecutor::TryEvaluateScalar(context, *arguments[0], first)) return std::nullopt;
    if (name == "time_bucket") {
      grain = BucketGrain(first, has_zone);
    } else if (!first.IsNull() && first.type().id() == LogicalTypeId::VARCHAR) {
      const bool truncates = name == "date_trunc" || name == "datetrunc";
      if (truncates || name == "date_part" || name == "datepart") grain = PartGrain(first.ToString(), truncates);
    }
  }
  if (has_zone && name != "time_bucket" && !IsUtc(time_zone)) return std::nullopt;
  return grain && HoldsWhole(*grain, windows) ? std::optional(at) : std::nullopt;
}

std::optional<std::int64_t> ConstantTime(duckdb::ClientContext& context, const duckdb::Expression& expression) {
  const auto type = expression.GetReturnType().id();
  if (type != LogicalTypeId::TIMESTAMP && type != LogicalTypeId::TIMESTAMP_TZ) return std::nullopt;
  duckdb::Value value;
  if (!expression.IsFoldable() || !duckdb::ExpressionExecutor::TryEvaluateScalar(context, expression, value)) {
    return std::nullopt;
  }
  return value.IsNull() ? std::nullopt : std::optional(value.GetValueUnsafe<std::int64_t>());
}

}  // namespace hyprstream::engine
