#include "base/time_text.h"

#include <chrono>
#include <format>
#include <limits>

namespace hyprstream {

namespace {

constexpr std::int64_t kDaysOf400Years = 146'097;  // after which the calendar is the same again
constexpr std::int64_t kSecondsOfDay = 86'400;

std::int64_t FloorOf(std::int64_t value, std::int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

std::string CalendarText(std::int64_t day) {
  const auto cycle = FloorOf(day, kDaysOf400Years);
  const std::chrono::days in_cycle(static_cast<int>(day - cycle * kDaysOf400Years));
  const std::chrono::year_month_day date{std::chrono::sys_days(in_cycle)};
  const auto year = static_cast<int>(date.year()) + cycle * 400;
  return std::format("{:04}-{:02}-{:02}{}", year > 0 ? year : 1 - year, static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), year > 0 ? "" : " (BC)");
}

// As DuckDB has them: the greatest number and its negative.
template <class Number>
const char* InfinityText(std::int64_t value) {
  constexpr std::int64_t kInfinity = std::numeric_limits<Number>::max();
  return value == kInfinity ? "infinity" : value == -kInfinity ? "-infinity" : nullptr;
}

}  // namespace

std::string DateText(std::int64_t day) {
  const auto* infinity = InfinityText<std::int32_t>(day);
  return infinity != nullptr ? infinity : CalendarText(day);
}

std::string TimestampText(std::int64_t ticks, std::int64_t per_second) {
  if (const auto* infinity = InfinityText<std::int64_t>(ticks)) return infinity;
  const auto per_day = kSecondsOfDay * per_second;
  const auto of_day = (ticks % per_day + per_day) % per_day;
  return CalendarText(FloorOf(ticks, per_day)) + " " + TimeOfDayText(of_day, per_second);
}

std::string TimeOfDayText(std::int64_t ticks, std::int64_t per_second) {
  const auto seconds = ticks / per_second;
  auto text = std::format("{:02}:{:02}:{:02}", seconds / 3'600, seconds / 60 % 60, seconds % 60);
  if (const auto fraction = ticks % per_second; fraction != 0) {
    auto digits = std::to_string(per_second + fraction).substr(1);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += "." + digits;
  }
  return text;
}

}  // namespace hyprstream
