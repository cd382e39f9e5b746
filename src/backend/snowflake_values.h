// What Snowflake's columns hold, and their values as texts in its SQL.
//
// Rows go there as lists of texts, each of which an expression makes a value of its column's type: what a text means
// depends on no setting of the session or the account, and nothing has to be guessed from the first row of a list.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backend/value_writing.h"

namespace arrow {
class Array;
class Decimal128;
class Field;
}  // namespace arrow

namespace hyprstream::backend {

// Of a table's column as DESCRIBE TABLE says it; its `type` is null where it is only read.
WrittenColumn SnowflakeColumn(const std::string& name, const std::string& declared);

// The type of a new column; nullopt: there is none that holds all of its values.
std::optional<std::string> SnowflakeTypeName(const arrow::Field& column);

// A value as the driver would be given it (ValueWriting), as a literal: a text or NULL.
std::string SnowflakeText(const WrittenColumn& column, const arrow::Array& values, std::int64_t row);
// The value that such a text, `sql`, stands for.
std::string SnowflakeValue(const WrittenColumn& column, const std::string& sql);

// A backslash is an escape there.
std::string SnowflakeLiteral(std::string_view text);
// In plain digits: with an exponent it would be a float there.
std::string PlainDecimal(const arrow::Decimal128& value, std::int32_t scale);

// A new name: one that Snowflake would take without quotes is in capitals, as it would be then.
std::string SnowflakeName(const std::string& name);

}  // namespace hyprstream::backend
