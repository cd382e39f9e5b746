// Values as the text of SQL literals, exactly.
//
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hyprstream::backend {

// `2013-01-02`, `0044-03-15 BC`, `10000-01-01`; days since 1970 in the proleptic Gregorian calendar.
std::string DateText(std::int64_t days);
// `2013-01-02 03:04:05.000006`, with ` BC` at its end where it is; microseconds since 1970.
std::string TimestampText(std::int64_t micros);
// `03:04:05.000006`; microseconds since midnight, up to and with 24:00:00.
std::string TimeText(std::int64_t micros);
// `550e8400-e29b-41d4-a716-446655440000` of 16 bytes.
std::string UuidText(std::string_view bytes);
// The shortest text that reads back as the same value; `NaN`, `Infinity`, `-Infinity`.
std::string FloatText(float value);
std::string DoubleText(double value);

}  // namespace hyprstream::backend
