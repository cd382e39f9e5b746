// Dates and times as SQL writes them, however far away: `290000-12-31 23:59:59.5`, `0044-03-15 (BC)`. std::chrono
// formats the years of an int16 only, and others wrongly. Thread safety: all functions, from any thread.
#pragma once

#include <cstdint>
#include <string>

namespace hyprstream {

// Of a day since 1970 in the proleptic Gregorian calendar. The ends of an int32 are `infinity` and `-infinity`.
std::string DateText(std::int64_t day);

// Of ticks since 1970, `per_second` of them; the fraction without zeros at its end. The ends of an int64 are `infinity`
// and `-infinity`.
std::string TimestampText(std::int64_t ticks, std::int64_t per_second);

// Of ticks since midnight; the end of the day is `24:00:00`.
std::string TimeOfDayText(std::int64_t ticks, std::int64_t per_second);

}  // namespace hyprstream
