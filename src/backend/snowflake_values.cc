#include "backend/snowflake_values.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_primitive.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <format>
#include <limits>
#include <memory>

#include "backend/literals.h"
#include "backend/writing_dialect.h"
#include "core/table_ref.h"

namespace hyprstream::backend {
namespace {

constexpr std::int64_t kFirstDay = -719'162;  // 0001-01-01
constexpr std::int64_t kLastDay = 2'932'896;  // 9999-12-31
constexpr std::int64_t kNanosADay = 86'400'000'000'000;
constexpr std::int64_t kNanosASecond = 1'000'000'000;
constexpr int kNanoDigits = 9;

// A type, and what stands in its brackets; -1: nothing.
struct Declared {
  std::string_view name;
  int first = -1;
  int second = -1;
};

int NumberIn(std::string_view text) {
  int number = -1;
  const auto begin = std::ranges::find_if(text, [](char c) { return c >= '0' && c <= '9'; });
  std::from_chars(std::to_address(begin), text.data() + text.size(), number);
  return number;
}

Declared Parsed(std::string_view declared) {
  Declared parsed{.name = declared.substr(0, declared.find_first_of("( "))};
  const auto open = declared.find('(');
  if (open == std::string_view::npos) return parsed;
  const auto inside = declared.substr(open + 1, declared.find(')', open) - open - 1);
  const auto comma = inside.find(',');
  parsed.first = NumberIn(inside.substr(0, comma));
  if (comma != std::string_view::npos) parsed.second = NumberIn(inside.substr(comma));
  return parsed;
}

std::int64_t NanosOfDigits(int digits) {
  std::int64_t nanos = 1;
  for (int i = digits < 0 ? kNanoDigits : digits; i < kNanoDigits; ++i) nanos *= 10;
  return nanos;
}

void SetTimeType(WrittenColumn& column, const Declared& declared) {
  column.bounds.multiple_of = NanosOfDigits(declared.first);
  // Beyond are the engine's infinite times.
  column.bounds.least = -std::numeric_limits<std::int64_t>::max() + 1;
  column.bounds.greatest = std::numeric_limits<std::int64_t>::max() - 1;
  if (declared.name == "TIME") {
    column.type = arrow::time64(arrow::TimeUnit::NANO);
    column.bounds.least = 0;
    column.bounds.greatest = kNanosADay - 1;
  } else if (declared.name == "TIMESTAMP_NTZ") {
    column.type = arrow::timestamp(arrow::TimeUnit::NANO);
  } else {
    column.type = arrow::timestamp(arrow::TimeUnit::NANO, "UTC");
  }
}

void SetType(WrittenColumn& column, const Declared& declared) {
  const auto is = [&](std::string_view name) { return declared.name == name; };
  if (is("NUMBER")) {
    const bool known =
        declared.first >= 1 && declared.first <= 38 && declared.second >= 0 && declared.second <= declared.first;
    if (known) column.type = arrow::decimal128(declared.first, declared.second);
  } else if (is("FLOAT")) {
    column.type = arrow::float64();
  } else if (is("VARCHAR")) {
    column.type = arrow::utf8();
    column.bounds.characters_max = declared.first;
  } else if (is("BINARY")) {
    column.type = arrow::binary();
    column.bounds.bytes_max = declared.first;
  } else if (is("BOOLEAN")) {
    column.type = arrow::boolean();
  } else if (is("DATE")) {
    column.type = arrow::date32();
    column.bounds.least = kFirstDay;
    column.bounds.greatest = kLastDay;
  } else if (is("TIME") || is("TIMESTAMP_NTZ") || is("TIMESTAMP_TZ") || is("TIMESTAMP_LTZ")) {
    SetTimeType(column, declared);
  }
}

// `03:04:05.000000006`
std::string NanosText(std::int64_t nanos) {
  const auto seconds = nanos / kNanosASecond;
  return std::format("{:02}:{:02}:{:02}.{:09}", seconds / 3600, seconds / 60 % 60, seconds % 60, nanos % kNanosASecond);
}

std::string InstantText(std::int64_t nanos) {
  auto days = nanos / kNanosADay;
  auto rest = nanos % kNanosADay;
  if (rest < 0) {
    rest += kNanosADay;
    --days;
  }
  return DateText(days) + " " + NanosText(rest);
}

std::string HexOf(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

std::string FloatingText(double value) {
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  return DoubleText(value);
}

std::optional<std::string> IntegerName(arrow::Type::type id) {
  switch (id) {
    case arrow::Type::INT8:
    case arrow::Type::UINT8:
      return "NUMBER(3,0)";
    case arrow::Type::INT16:
    case arrow::Type::UINT16:
      return "NUMBER(5,0)";
    case arrow::Type::INT32:
    case arrow::Type::UINT32:
      return "NUMBER(10,0)";
    case arrow::Type::INT64:
      return "NUMBER(19,0)";
    case arrow::Type::UINT64:
      return "NUMBER(20,0)";
    default:
      return std::nullopt;
  }
}

}  // namespace

WrittenColumn SnowflakeColumn(const std::string& name, const std::string& declared) {
  WrittenColumn column{.name = name, .declared = declared};
  SetType(column, Parsed(declared));
  return column;
}

std::optional<std::string> SnowflakeTypeName(const arrow::Field& column) {
  const auto& type = *column.type();
  if (auto integer = IntegerName(type.id())) return integer;
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "BOOLEAN";
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return "FLOAT";
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      if (decimal.scale() < 0 || decimal.scale() > decimal.precision()) return std::nullopt;
      return std::format("NUMBER({},{})", decimal.precision(), decimal.scale());
    }
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return "VARCHAR";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return "BINARY";
    case arrow::Type::FIXED_SIZE_BINARY:
      return IsExtension(column, "arrow.uuid") ? "VARCHAR" : "BINARY";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "DATE";
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return "TIME(9)";
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).timezone().empty() ? "TIMESTAMP_NTZ(9)" : "TIMESTAMP_TZ(9)";
    case arrow::Type::DICTIONARY: {
      const auto& values = static_cast<const arrow::DictionaryType&>(type).value_type();
      return SnowflakeTypeName(*arrow::field(column.name(), values));
    }
    default:
      return std::nullopt;
  }
}

std::string SnowflakeText(const WrittenColumn& column, const arrow::Array& values, std::int64_t row) {
  if (values.IsNull(row)) return "NULL";
  const auto quoted = [](const std::string& text) { return "'" + text + "'"; };
  switch (values.type_id()) {
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(values).Value(row) ? "'true'" : "'false'";
    case arrow::Type::DECIMAL128: {
      const arrow::Decimal128 value(static_cast<const arrow::Decimal128Array&>(values).GetValue(row));
      return quoted(PlainDecimal(value, static_cast<const arrow::Decimal128Type&>(*values.type()).scale()));
    }
    case arrow::Type::DOUBLE:
      return quoted(FloatingText(static_cast<const arrow::DoubleArray&>(values).Value(row)));
    case arrow::Type::STRING:
      return SnowflakeLiteral(static_cast<const arrow::StringArray&>(values).GetView(row));
    case arrow::Type::BINARY:
      return quoted(HexOf(static_cast<const arrow::BinaryArray&>(values).GetView(row)));
    case arrow::Type::DATE32:
      return quoted(DateText(static_cast<const arrow::Date32Array&>(values).Value(row)));
    case arrow::Type::TIME64:
      return quoted(NanosText(static_cast<const arrow::Time64Array&>(values).Value(row)));
    case arrow::Type::TIMESTAMP: {
      const auto text = InstantText(static_cast<const arrow::TimestampArray&>(values).Value(row));
      const bool zoned = !static_cast<const arrow::TimestampType&>(*column.type).timezone().empty();
      return quoted(zoned ? text + " +00:00" : text);
    }
    default:
      break;
  }
  return "NULL";  // SetType() knows no other
}

std::string SnowflakeValue(const WrittenColumn& column, const std::string& sql) {
  switch (column.type->id()) {
    case arrow::Type::BINARY:
      return "TO_BINARY(" + sql + ", 'HEX')";
    case arrow::Type::DATE32:
      return "TO_DATE(" + sql + ", 'YYYY-MM-DD')";
    case arrow::Type::TIME64:
      return "TO_TIME(" + sql + ", 'HH24:MI:SS.FF9')";
    case arrow::Type::TIMESTAMP: {
      if (static_cast<const arrow::TimestampType&>(*column.type).timezone().empty()) {
        return "TO_TIMESTAMP_NTZ(" + sql + ", 'YYYY-MM-DD HH24:MI:SS.FF9')";
      }
      const std::string function =
          column.declared.starts_with("TIMESTAMP_LTZ") ? "TO_TIMESTAMP_LTZ" : "TO_TIMESTAMP_TZ";
      return function + "(" + sql + ", 'YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM')";
    }
    case arrow::Type::BOOL:
      return "CAST(" + sql + " AS BOOLEAN)";
    case arrow::Type::DOUBLE:
      return "CAST(" + sql + " AS FLOAT)";
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(*column.type);
      return std::format("CAST({} AS NUMBER({},{}))", sql, decimal.precision(), decimal.scale());
    }
    default:
      return "CAST(" + sql + " AS VARCHAR)";
  }
}

std::string SnowflakeLiteral(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped.append(c == '\\' ? 2 : 1, c);
  return QuoteLiteral(escaped);
}

std::string PlainDecimal(const arrow::Decimal128& value, std::int32_t scale) {
  std::string digits = arrow::Decimal128(arrow::BasicDecimal128::Abs(value)).ToIntegerString();
  const auto fraction = static_cast<std::size_t>(scale);
  if (digits.size() <= fraction) digits.insert(0, fraction + 1 - digits.size(), '0');
  if (fraction > 0) digits.insert(digits.size() - fraction, ".");
  return value < arrow::Decimal128(0) ? "-" + digits : digits;
}

std::string SnowflakeName(const std::string& name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_plain = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '$'; };
  if (name.empty() || !is_letter(name[0]) || !std::ranges::all_of(name, is_plain)) return name;
  std::string capitals = name;
  for (char& c : capitals) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return capitals;
}

}  // namespace hyprstream::backend
