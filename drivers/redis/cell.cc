#include "cell.h"

#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/utf8.h>
#include <arrow/util/value_parsing.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "cell_internal.h"
#include "failure.h"

namespace adbc_redis {
namespace {

using Kind = PlainValue::Kind;

constexpr Wide kNanosecondsPerDay = Wide{86'400'000'000'000};

Wide NanosecondsOf(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1'000'000'000;
    case arrow::TimeUnit::MILLI:
      return 1'000'000;
    case arrow::TimeUnit::MICRO:
      return 1'000;
    default:
      return 1;
  }
}

bool HasZone(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIMESTAMP && !static_cast<const arrow::TimestampType&>(type).timezone().empty();
}

template <class ArrayType>
PlainValue IntegerAt(const arrow::Array& array, int64_t row) {
  return {.kind = Kind::kInteger, .integer = static_cast<const ArrayType&>(array).Value(row)};
}

template <class ArrayType>
PlainValue TextAt(const arrow::Array& array, int64_t row, Kind kind) {
  return {.kind = kind, .text = static_cast<const ArrayType&>(array).GetView(row)};
}

std::string Describe(const PlainValue& value) {
  switch (value.kind) {
    case Kind::kBoolean:
      return value.integer != 0 ? "true" : "false";
    case Kind::kReal: {
      char buffer[32];
      return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value.real).ptr};
    }
    case Kind::kDecimal:
      return value.decimal.ToString(value.scale);
    case Kind::kText:
    case Kind::kBytes:
      return Printable(value.text);
    default:
      return arrow::Decimal128(static_cast<int64_t>(value.integer >> 64), static_cast<uint64_t>(value.integer))
          .ToIntegerString();
  }
}

arrow::Status DoesNotFit(const PlainValue& value, const arrow::DataType& target) {
  return Fail(ADBC_STATUS_INVALID_ARGUMENT, Describe(value) + " cannot be kept exactly as " + target.ToString());
}

arrow::Status OtherKind(const PlainValue& value, const arrow::DataType& target) {
  static constexpr const char* kNames[] = {
      "a boolean", "an integer", "a floating-point number", "a decimal", "text", "bytes", "a date", "a timestamp"};
  return Fail(ADBC_STATUS_INVALID_ARGUMENT, std::string(kNames[static_cast<int>(value.kind)]) + " is given for " +
                                                target.ToString() + ": cast it first");
}

template <class Number>
void Write(Number number, std::string& text) {
  char buffer[32];
  text.assign(buffer, std::to_chars(buffer, buffer + sizeof(buffer), number).ptr);
}

template <class Integer>
arrow::Status WriteInteger(const PlainValue& value, const arrow::DataType& target, std::string& text) {
  if (value.kind != Kind::kInteger) return OtherKind(value, target);
  if (value.integer < std::numeric_limits<Integer>::min() || value.integer > std::numeric_limits<Integer>::max()) {
    return DoesNotFit(value, target);
  }
  Write(static_cast<Integer>(value.integer), text);
  return arrow::Status::OK();
}

template <class Real>
arrow::Status WriteReal(const PlainValue& value, const arrow::DataType& target, std::string& text) {
  Real real = 0;
  if (value.kind == Kind::kInteger) {
    real = static_cast<Real>(value.integer);
    if (static_cast<Wide>(real) != value.integer) return DoesNotFit(value, target);
  } else if (value.kind == Kind::kReal) {
    real = static_cast<Real>(value.real);
    if (!std::isnan(value.real) && static_cast<double>(real) != value.real) return DoesNotFit(value, target);
  } else {
    return OtherKind(value, target);
  }
  if (std::isnan(real)) {
    text = "nan";
  } else {
    Write(real, text);
  }
  return arrow::Status::OK();
}

arrow::Status WriteDecimal(const PlainValue& value, const arrow::DataType& target, std::string& text) {
  if (value.kind != Kind::kDecimal && value.kind != Kind::kInteger) return OtherKind(value, target);
  const auto& type = static_cast<const arrow::Decimal128Type&>(target);
  const bool integer = value.kind == Kind::kInteger;
  const arrow::Decimal128 given =
      integer ? arrow::Decimal128(static_cast<int64_t>(value.integer >> 64), static_cast<uint64_t>(value.integer))
              : value.decimal;
  const arrow::Result<arrow::Decimal128> scaled = given.Rescale(integer ? 0 : value.scale, type.scale());
  if (!scaled.ok() || !scaled->FitsInPrecision(type.precision())) return DoesNotFit(value, target);
  text = scaled->ToIntegerString();
  const size_t sign = text.starts_with('-') ? 1 : 0;
  const auto places = static_cast<size_t>(std::max(type.scale(), 0));
  if (text.size() - sign <= places) text.insert(sign, places + 1 - (text.size() - sign), '0');
  if (places > 0) text.insert(text.size() - places, 1, '.');
  return arrow::Status::OK();
}

arrow::Status WriteTimestamp(const PlainValue& value, const arrow::DataType& target, std::string& text) {
  const bool date = value.kind == Kind::kDate;
  if (!date && (value.kind != Kind::kTimestamp || value.zone != HasZone(target))) return OtherKind(value, target);
  const Wide nanoseconds = value.integer * (date ? kNanosecondsPerDay : value.unit);
  const Wide unit = NanosecondsPerCount(target);
  const Wide count = nanoseconds / unit;
  if (count * unit != nanoseconds || count < std::numeric_limits<int64_t>::min() ||
      count > std::numeric_limits<int64_t>::max()) {
    return DoesNotFit(value, target);
  }
  Write(static_cast<int64_t>(count), text);
  return arrow::Status::OK();
}

arrow::Status WriteText(const PlainValue& value, const arrow::DataType& target, std::string& text) {
  if (value.kind != (target.id() == arrow::Type::STRING ? Kind::kText : Kind::kBytes)) return OtherKind(value, target);
  text = value.text;
  if (value.kind == Kind::kText && !arrow::util::ValidateUTF8(value.text)) return DoesNotFit(value, target);
  return arrow::Status::OK();
}

arrow::Result<PlainValue> NumberLiteral(const std::string& text, const arrow::DataType& target) {
  const char* const end = text.data() + text.size();
  arrow::Decimal128 decimal;
  int32_t precision = 0;
  int32_t scale = 0;
  const bool exact = arrow::Decimal128::FromString(text, &decimal, &precision, &scale).ok();
  if (target.id() == arrow::Type::DECIMAL128 && exact) {
    return PlainValue{.kind = Kind::kDecimal, .decimal = decimal, .scale = scale};
  }
  if (text.find_first_of(".eE") == std::string::npos && exact) {
    const Wide high = decimal.high_bits();
    return PlainValue{.kind = Kind::kInteger,
                      .integer = high * (Wide{1} << 64) + static_cast<Wide>(decimal.low_bits())};
  }
  double real = 0;
  if (target.id() == arrow::Type::FLOAT) {  // the nearest float, as SQL reads it
    float single = 0;
    if (std::from_chars(text.data(), end, single) == std::from_chars_result{end, std::errc()}) {
      return PlainValue{.kind = Kind::kReal, .real = single, .single = true};
    }
  } else if (std::from_chars(text.data(), end, real) == std::from_chars_result{end, std::errc()}) {
    return PlainValue{.kind = Kind::kReal, .real = real};
  }
  return Fail(ADBC_STATUS_INVALID_ARGUMENT, "Not a number for " + target.ToString() + ": " + Printable(text));
}

arrow::Result<PlainValue> StringLiteral(const std::string& text, const arrow::DataType& target) {
  int64_t count = 0;
  bool zone = false;
  const auto wrong = [&](std::string_view why) {
    return Fail(ADBC_STATUS_INVALID_ARGUMENT,
                "Not a value for " + target.ToString() + ": '" + Printable(text) + "'" + std::string(why));
  };
  if (target.id() == arrow::Type::DATE32) {
    if (!ReadIsoDate(text, count)) return wrong(" (write '2026-01-31')");
    return PlainValue{.kind = Kind::kDate, .integer = count};
  }
  if (target.id() == arrow::Type::TIMESTAMP) {
    if (ReadIsoDate(text, count)) return PlainValue{.kind = Kind::kDate, .integer = count};
    for (const auto unit : {static_cast<const arrow::TimestampType&>(target).unit(), arrow::TimeUnit::NANO}) {
      if (!ReadIsoTimestamp(text, unit, count, zone)) continue;
      if (zone && !HasZone(target)) return wrong(": it names a zone, the column has none");
      return PlainValue{
          .kind = Kind::kTimestamp, .integer = count, .unit = NanosecondsOf(unit), .zone = HasZone(target)};
    }
    return wrong(" (write '2026-01-31 12:00:00')");
  }
  return PlainValue{.kind = Kind::kText, .text = text};
}

arrow::Result<Wide> TimeOf(const PlainValue& value, const arrow::DataType& target) {
  if (value.kind == Kind::kDate) return value.integer * kNanosecondsPerDay;
  if (value.kind == Kind::kTimestamp && (value.zone == HasZone(target) || target.id() == arrow::Type::DATE32)) {
    return value.integer * value.unit;
  }
  return OtherKind(value, target);
}

}  // namespace

std::string Printable(std::string_view value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char letter : value.substr(0, 40)) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte >= 0x20 && byte < 0x7f) {
      text += letter;
    } else {
      text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return value.size() > 40 ? text + "…" : text;
}

bool ReadIsoTimestamp(std::string_view text, arrow::TimeUnit::type unit, int64_t& count, bool& zone) {
  return arrow::internal::ParseTimestampISO8601(text.data(), text.size(), unit, &count, &zone);
}

bool ReadIsoDate(std::string_view text, int64_t& days) {
  int32_t value = 0;
  static const arrow::Date32Type type;
  if (!arrow::internal::ParseValue(type, text.data(), text.size(), &value)) return false;
  days = value;
  return true;
}

arrow::Result<std::shared_ptr<arrow::DataType>> StoredType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL128:
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::DATE32:
    case arrow::Type::TIMESTAMP:
      return type.GetSharedPtr();
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return arrow::binary();
    case arrow::Type::DICTIONARY:
      return StoredType(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return Fail(ADBC_STATUS_NOT_IMPLEMENTED,
                  "Values of type " + type.ToString() + " cannot be kept: cast the column");
  }
}

arrow::Result<PlainValue> PlainOf(const arrow::Array& array, int64_t row) {
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return PlainValue{.kind = Kind::kBoolean, .integer = static_cast<const arrow::BooleanArray&>(array).Value(row)};
    case arrow::Type::INT8:
      return IntegerAt<arrow::Int8Array>(array, row);
    case arrow::Type::INT16:
      return IntegerAt<arrow::Int16Array>(array, row);
    case arrow::Type::INT32:
      return IntegerAt<arrow::Int32Array>(array, row);
    case arrow::Type::INT64:
      return IntegerAt<arrow::Int64Array>(array, row);
    case arrow::Type::UINT8:
      return IntegerAt<arrow::UInt8Array>(array, row);
    case arrow::Type::UINT16:
      return IntegerAt<arrow::UInt16Array>(array, row);
    case arrow::Type::UINT32:
      return IntegerAt<arrow::UInt32Array>(array, row);
    case arrow::Type::UINT64:
      return IntegerAt<arrow::UInt64Array>(array, row);
    case arrow::Type::FLOAT:
      return PlainValue{
          .kind = Kind::kReal, .real = static_cast<const arrow::FloatArray&>(array).Value(row), .single = true};
    case arrow::Type::DOUBLE:
      return PlainValue{.kind = Kind::kReal, .real = static_cast<const arrow::DoubleArray&>(array).Value(row)};
    case arrow::Type::DECIMAL128:
      return PlainValue{.kind = Kind::kDecimal,
                        .decimal = arrow::Decimal128(static_cast<const arrow::Decimal128Array&>(array).GetValue(row)),
                        .scale = static_cast<const arrow::Decimal128Type&>(*array.type()).scale()};
    case arrow::Type::STRING:
      return TextAt<arrow::StringArray>(array, row, Kind::kText);
    case arrow::Type::LARGE_STRING:
      return TextAt<arrow::LargeStringArray>(array, row, Kind::kText);
    case arrow::Type::STRING_VIEW:
      return TextAt<arrow::StringViewArray>(array, row, Kind::kText);
    case arrow::Type::BINARY:
      return TextAt<arrow::BinaryArray>(array, row, Kind::kBytes);
    case arrow::Type::LARGE_BINARY:
      return TextAt<arrow::LargeBinaryArray>(array, row, Kind::kBytes);
    case arrow::Type::BINARY_VIEW:
      return TextAt<arrow::BinaryViewArray>(array, row, Kind::kBytes);
    case arrow::Type::FIXED_SIZE_BINARY:
      return TextAt<arrow::FixedSizeBinaryArray>(array, row, Kind::kBytes);
    case arrow::Type::DATE32:
      return PlainValue{.kind = Kind::kDate, .integer = static_cast<const arrow::Date32Array&>(array).Value(row)};
    case arrow::Type::TIMESTAMP:
      return PlainValue{.kind = Kind::kTimestamp,
                        .integer = static_cast<const arrow::TimestampArray&>(array).Value(row),
                        .unit = NanosecondsPerCount(*array.type()),
                        .zone = HasZone(*array.type())};
    case arrow::Type::DICTIONARY: {
      const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
      return PlainOf(*coded.dictionary(), coded.GetValueIndex(row));
    }
    default:
      return Fail(ADBC_STATUS_NOT_IMPLEMENTED,
                  "Values of type " + array.type()->ToString() + " cannot be given: cast them");
  }
}

arrow::Result<PlainValue> PlainOf(const sql::Value& literal, const arrow::DataType& target) {
  switch (literal.kind) {
    case sql::Value::Kind::kBoolean:
      return PlainValue{.kind = Kind::kBoolean, .integer = literal.text == "true"};
    case sql::Value::Kind::kNumber:
      return NumberLiteral(literal.text, target);
    case sql::Value::Kind::kBytes:
      return PlainValue{.kind = Kind::kBytes, .text = literal.text};
    case sql::Value::Kind::kString:
      return StringLiteral(literal.text, target);
    default:
      return Fail(ADBC_STATUS_INTERNAL, "NULL and parameters have no text");
  }
}

arrow::Status WritePlain(const PlainValue& value, const arrow::DataType& target, std::string& text) {
  switch (target.id()) {
    case arrow::Type::BOOL:
      if (value.kind != Kind::kBoolean) return OtherKind(value, target);
      text = value.integer != 0 ? "true" : "false";
      return arrow::Status::OK();
    case arrow::Type::INT8:
      return WriteInteger<int8_t>(value, target, text);
    case arrow::Type::INT16:
      return WriteInteger<int16_t>(value, target, text);
    case arrow::Type::INT32:
      return WriteInteger<int32_t>(value, target, text);
    case arrow::Type::INT64:
      return WriteInteger<int64_t>(value, target, text);
    case arrow::Type::UINT8:
      return WriteInteger<uint8_t>(value, target, text);
    case arrow::Type::UINT16:
      return WriteInteger<uint16_t>(value, target, text);
    case arrow::Type::UINT32:
      return WriteInteger<uint32_t>(value, target, text);
    case arrow::Type::UINT64:
      return WriteInteger<uint64_t>(value, target, text);
    case arrow::Type::FLOAT:
      return WriteReal<float>(value, target, text);
    case arrow::Type::DOUBLE:
      return WriteReal<double>(value, target, text);
    case arrow::Type::DECIMAL128:
      return WriteDecimal(value, target, text);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return WriteText(value, target, text);
    case arrow::Type::DATE32:
      if (value.kind != Kind::kDate) return OtherKind(value, target);
      Write(static_cast<int64_t>(value.integer), text);
      return arrow::Status::OK();
    case arrow::Type::TIMESTAMP:
      return WriteTimestamp(value, target, text);
    default:
      return Fail(ADBC_STATUS_INTERNAL, "No column has the type " + target.ToString());
  }
}

arrow::Status WriteCell(const arrow::Array& array, int64_t row, const arrow::DataType& target, std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const PlainValue value, PlainOf(array, row));
  return WritePlain(value, target, text);
}

arrow::Status WriteCell(const sql::Value& literal, const arrow::DataType& target, std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const PlainValue value, PlainOf(literal, target));
  return WritePlain(value, target, text);
}

arrow::Result<Wide> ReadTime(const arrow::Array& array, int64_t row, const arrow::DataType& target) {
  ARROW_ASSIGN_OR_RAISE(const PlainValue value, PlainOf(array, row));
  return TimeOf(value, target);
}

arrow::Result<Wide> ReadTime(const sql::Value& literal, const arrow::DataType& target) {
  const bool day = target.id() == arrow::Type::DATE32;
  const std::string zone = day ? "" : static_cast<const arrow::TimestampType&>(target).timezone();
  for (const auto unit : {arrow::TimeUnit::MICRO, arrow::TimeUnit::NANO}) {  // years, then digits
    const arrow::Result<PlainValue> value = PlainOf(literal, *arrow::timestamp(unit, zone));
    if (value.ok()) return TimeOf(*value, target);
  }
  return PlainOf(literal, target).status();
}

Wide NanosecondsPerCount(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DATE32) return kNanosecondsPerDay;
  return NanosecondsOf(static_cast<const arrow::TimestampType&>(type).unit());
}

}  // namespace adbc_redis
