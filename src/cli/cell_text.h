// One value of an Arrow array as text, for people and for JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace arrow {
class Array;
}

namespace hyprstream::cli {

// Appends the value as a person reads it: text as it is, floats in their shortest exact form, decimals in plain digits,
// times in ISO 8601 with a blank, nested values as JSON, of a union the member that it has. Where the type has a zone,
// times are that zone's with the distance from UTC behind them (`+02`); a zone that this machine does not know, and a
// distance with seconds, are shown in UTC. The value must not be null.
void AppendText(const arrow::Array& array, std::int64_t row, std::string& out);

// Appends the value as JSON: numbers (decimals and 64-bit integers too) and truths bare, anything else as a string or,
// nested, as array or object; null as null.
void AppendJson(const arrow::Array& array, std::int64_t row, std::string& out);

void AppendJsonString(std::string_view text, std::string& out);

}  // namespace hyprstream::cli
