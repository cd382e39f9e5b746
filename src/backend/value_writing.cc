#include "backend/value_writing.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/extension_type.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "backend/literals.h"
#include "backend/value_reading.h"
#include "core/table_ref.h"

namespace hyprstream::backend {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;
using arrow::Type;

constexpr std::size_t kValueBytesShown = 100;

std::string Shown(const arrow::Array& array, std::int64_t row) {
  const auto scalar = array.GetScalar(row);
  std::string text = scalar.ok() ? (*scalar)->ToString() : "?";
  if (text.size() <= kValueBytesShown) return text;
  auto end = kValueBytesShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return text.substr(0, end) + "...";
}

// A value of a column, in the words of the whole write.
struct Place {
  const WrittenColumn& column;
  std::int64_t first_row;

  arrow::Status Refuse(const arrow::Array& array, std::int64_t row, std::string_view why) const {
    return arrow::Status::Invalid("Column ", column.name, ", row ", first_row + row, ": ", Shown(array, row), " ", why,
                                  " (nothing was written; a CAST in SQL says what it is to become)");
  }
  arrow::Status DoesNotFit(const arrow::Array& array, std::int64_t row) const {
    return Refuse(array, row, "cannot be held exactly by " + column.declared);
  }
};

// Which casts of Arrow's are exact or fail.
bool CastIsChecked(const arrow::DataType& from, const arrow::DataType& to) {
  const auto f = from.id();
  const bool from_text = arrow::is_string(f) || f == Type::STRING_VIEW;
  switch (to.id()) {
    case Type::BOOL:
      return from_text;
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64:
      return arrow::is_integer(f) || f == Type::BOOL || arrow::is_floating(f) || arrow::is_decimal(f) || from_text;
    case Type::FLOAT:
      return arrow::is_integer(f) || f == Type::HALF_FLOAT || from_text;
    case Type::DOUBLE:
      return arrow::is_integer(f) || f == Type::HALF_FLOAT || f == Type::FLOAT || from_text;
    case Type::STRING:
      return from_text || arrow::is_integer(f) || f == Type::BOOL || arrow::is_decimal(f) || f == Type::DATE32;
    case Type::BINARY:
      return arrow::is_binary(f) || f == Type::BINARY_VIEW || f == Type::FIXED_SIZE_BINARY;
    case Type::DATE32:
      return f == Type::DATE64 || from_text;
    case Type::TIME64:
      return f == Type::TIME32 || f == Type::TIME64;
    case Type::TIMESTAMP: {
      const bool zoned = !static_cast<const arrow::TimestampType&>(to).timezone().empty();
      if (f == Type::TIMESTAMP) {
        return zoned == !static_cast<const arrow::TimestampType&>(from).timezone().empty();
      }
      return !zoned && (from_text || f == Type::DATE32);
    }
    default:
      return false;
  }
}

arrow::Result<ArrayPtr> SafeCast(const ArrayPtr& array, const TypePtr& type) {
  return arrow::compute::Cast(*array, type, arrow::compute::CastOptions::Safe());
}

// Arrow's error names no row: the first that fails is found by halves.
arrow::Status FindMisfit(const Place& place, const ArrayPtr& array, const TypePtr& type) {
  std::int64_t begin = 0;
  std::int64_t count = array->length();
  while (count > 1) {
    const std::int64_t half = count / 2;
    if (SafeCast(array->Slice(begin, half), type).ok()) {
      begin += half;
      count -= half;
    } else {
      count = half;
    }
  }
  return place.DoesNotFit(*array, begin);
}

// A date64 of milliseconds that is no midnight is cut by Arrow.
arrow::Status CheckMidnights(const Place& place, const arrow::Array& array) {
  const auto& dates = static_cast<const arrow::Date64Array&>(array);
  for (std::int64_t row = 0; row < dates.length(); ++row) {
    if (dates.IsValid(row) && dates.Value(row) % 86'400'000 != 0) return place.DoesNotFit(array, row);
  }
  return arrow::Status::OK();
}

// Digits that a floating number keeps whatever they are.
int DigitsKept(Type::type to) { return to == Type::FLOAT ? 6 : 15; }

int SignificantDigits(const arrow::Decimal128& value) {
  std::string digits = value.ToIntegerString();
  std::erase(digits, '-');
  const auto last = digits.find_last_not_of('0');
  return last == std::string::npos ? 0 : static_cast<int>(last) + 1;
}

template <class ArrowType>
arrow::Result<ArrayPtr> DecimalsToFloats(const Place& place, const ArrayPtr& array, const TypePtr& type) {
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(*array);
  const int scale = static_cast<const arrow::Decimal128Type&>(*array->type()).scale();
  arrow::NumericBuilder<ArrowType> builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(array->length()));
  for (std::int64_t row = 0; row < array->length(); ++row) {
    if (array->IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const arrow::Decimal128 value(decimals.GetValue(row));
    if (SignificantDigits(value) > DigitsKept(type->id())) return place.DoesNotFit(*array, row);
    // Of the text: the number nearest to it, which reads back as the same digits.
    const std::string text = value.ToString(scale);
    typename ArrowType::c_type number{};
    std::from_chars(text.data(), text.data() + text.size(), number);
    builder.UnsafeAppend(number);
  }
  return builder.Finish();
}

arrow::Result<ArrayPtr> DoublesToFloats(const Place& place, const ArrayPtr& array) {
  const auto& doubles = static_cast<const arrow::DoubleArray&>(*array);
  arrow::FloatBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(array->length()));
  for (std::int64_t row = 0; row < array->length(); ++row) {
    if (array->IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const double value = doubles.Value(row);
    const auto narrow = static_cast<float>(value);
    if (static_cast<double>(narrow) != value && !std::isnan(value)) return place.DoesNotFit(*array, row);
    builder.UnsafeAppend(narrow);
  }
  return builder.Finish();
}

using DecimalAt = std::function<arrow::Result<arrow::Decimal128>(std::int64_t)>;

arrow::Result<ArrayPtr> BuildDecimals(const Place& place, const ArrayPtr& array, const TypePtr& type,
                                      const DecimalAt& at) {
  const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
  arrow::Decimal128Builder builder(type);
  ARROW_RETURN_NOT_OK(builder.Reserve(array->length()));
  for (std::int64_t row = 0; row < array->length(); ++row) {
    if (array->IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const auto value = at(row);
    if (!value.ok() || !value->FitsInPrecision(decimal.precision())) return place.DoesNotFit(*array, row);
    builder.UnsafeAppend(*value);
  }
  return builder.Finish();
}

// Null: decimals are not made of such values.
arrow::Result<ArrayPtr> ToDecimals(const Place& place, ArrayPtr array, const TypePtr& type) {
  const int scale = static_cast<const arrow::Decimal128Type&>(*type).scale();
  const auto id = array->type_id();
  if (arrow::is_integer(id)) {
    ARROW_ASSIGN_OR_RAISE(const auto wide, id == Type::UINT64 ? array : SafeCast(array, arrow::int64()));
    return BuildDecimals(place, array, type, [&](std::int64_t row) -> arrow::Result<arrow::Decimal128> {
      const auto whole = id == Type::UINT64
                             ? arrow::Decimal128(0, static_cast<const arrow::UInt64Array&>(*wide).Value(row))
                             : arrow::Decimal128(static_cast<const arrow::Int64Array&>(*wide).Value(row));
      return whole.Rescale(0, scale);
    });
  }
  if (arrow::is_decimal(id)) {
    const int from = static_cast<const arrow::DecimalType&>(*array->type()).scale();
    auto wide = id == Type::DECIMAL128 ? array : SafeCast(array, arrow::decimal128(38, from));
    if (!wide.ok()) return FindMisfit(place, array, arrow::decimal128(38, from));
    return BuildDecimals(place, array, type, [&](std::int64_t row) -> arrow::Result<arrow::Decimal128> {
      const arrow::Decimal128 value(static_cast<const arrow::Decimal128Array&>(**wide).GetValue(row));
      return value.Rescale(from, scale);
    });
  }
  if (id == Type::STRING) {
    return BuildDecimals(place, array, type, [&](std::int64_t row) -> arrow::Result<arrow::Decimal128> {
      arrow::Decimal128 value;
      int digits = 0;
      int behind = 0;
      const auto text = static_cast<const arrow::StringArray&>(*array).GetView(row);
      ARROW_RETURN_NOT_OK(arrow::Decimal128::FromString(text, &value, &digits, &behind));
      return value.Rescale(behind, scale);
    });
  }
  return ArrayPtr();
}

using TextAt = std::function<std::string(std::int64_t)>;

arrow::Result<ArrayPtr> BuildTexts(const arrow::Array& array, const TextAt& at) {
  arrow::StringBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(array.length()));
  for (std::int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) {
      builder.UnsafeAppendNull();
    } else {
      ARROW_RETURN_NOT_OK(builder.Append(at(row)));
    }
  }
  return builder.Finish();
}

ArrayPtr UuidTexts(const ArrayPtr& array) {
  const auto& bytes = static_cast<const arrow::FixedSizeBinaryArray&>(*array);
  return BuildTexts(*array, [&](std::int64_t row) { return UuidText(bytes.GetView(row)); }).ValueOr(nullptr);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// 32 digits with four hyphens at their places.
std::optional<std::string> ParseUuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  std::string bytes;
  int high = -1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int digit = HexDigit(text[i]);
    if (digit < 0) return std::nullopt;
    if (high >= 0) bytes += static_cast<char>(high * 16 + digit);
    high = high >= 0 ? -1 : digit;
  }
  return bytes;
}

arrow::Result<ArrayPtr> ToUuids(const Place& place, const ArrayPtr& array) {
  const auto& texts = static_cast<const arrow::StringArray&>(*array);
  arrow::FixedSizeBinaryBuilder builder(arrow::fixed_size_binary(16));
  for (std::int64_t row = 0; row < array->length(); ++row) {
    if (array->IsNull(row)) {
      ARROW_RETURN_NOT_OK(builder.AppendNull());
      continue;
    }
    const auto bytes = ParseUuid(texts.GetView(row));
    if (!bytes) return place.DoesNotFit(*array, row);
    ARROW_RETURN_NOT_OK(builder.Append(*bytes));
  }
  return builder.Finish();
}

bool IsUuid(const arrow::DataType& type) {
  return type.id() == Type::FIXED_SIZE_BINARY &&
         static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width() == 16;
}

// May any value of the first type be one of the second? Otherwise the whole write is refused before it begins.
bool TakesType(const arrow::DataType& from, const arrow::DataType& to) {
  const auto f = from.id();
  if (from.Equals(to) || f == Type::NA) return true;
  switch (to.id()) {
    case Type::FLOAT:
    case Type::DOUBLE:
      return CastIsChecked(from, to) || f == Type::DOUBLE || arrow::is_decimal(f);
    case Type::DECIMAL128:
      return arrow::is_integer(f) || arrow::is_decimal(f) || arrow::is_string(f) || f == Type::STRING_VIEW;
    case Type::STRING:
      return CastIsChecked(from, to) || IsUuid(from);
    case Type::FIXED_SIZE_BINARY:
      return arrow::is_string(f) || f == Type::STRING_VIEW || IsUuid(from);
    case Type::LIST: {
      if (f != Type::LIST && f != Type::LARGE_LIST && f != Type::FIXED_SIZE_LIST) return false;
      const auto& element = *static_cast<const arrow::BaseListType&>(from).value_type();
      const auto& wanted = *static_cast<const arrow::ListType&>(to).value_type();
      if (arrow::is_string(wanted.id())) return arrow::is_string(element.id()) || element.id() == Type::NA;
      return element.Equals(wanted) || element.id() == Type::NA || CastIsChecked(element, wanted);
    }
    default:
      return CastIsChecked(from, to);
  }
}

// What stands behind an extension type or a dictionary.
TypePtr PlainType(const TypePtr& given) {
  auto type = StorageType(given);
  if (type->id() == Type::DICTIONARY) type = static_cast<const arrow::DictionaryType&>(*type).value_type();
  return type;
}

arrow::Result<ArrayPtr> Plain(ArrayPtr array) {
  if (array->type_id() == Type::EXTENSION) array = static_cast<const arrow::ExtensionArray&>(*array).storage();
  const auto plain = PlainType(array->type());
  if (!array->type()->Equals(plain)) {
    ARROW_ASSIGN_OR_RAISE(array, SafeCast(array, plain));
  }
  if (array->type_id() == Type::LARGE_STRING || array->type_id() == Type::STRING_VIEW) {
    return SafeCast(array, arrow::utf8());
  }
  return array;
}

arrow::Result<ArrayPtr> Bring(const Place& place, ArrayPtr array, const TypePtr& type) {
  const auto& from = *array->type();
  if (from.Equals(*type)) return array;
  if (from.id() == Type::NA) return arrow::MakeArrayOfNull(type, array->length());
  if (type->id() == Type::DECIMAL128) return ToDecimals(place, std::move(array), type);
  if (type->id() == Type::FIXED_SIZE_BINARY) return ToUuids(place, array);
  if (type->id() == Type::STRING && IsUuid(from)) return UuidTexts(array);
  if (type->id() == Type::FLOAT && from.id() == Type::DOUBLE) return DoublesToFloats(place, array);
  if (arrow::is_floating(type->id()) && arrow::is_decimal(from.id())) {
    const int scale = static_cast<const arrow::DecimalType&>(from).scale();
    auto wide = from.id() == Type::DECIMAL128 ? array : SafeCast(array, arrow::decimal128(38, scale));
    if (!wide.ok()) return FindMisfit(place, array, arrow::decimal128(38, scale));
    return type->id() == Type::FLOAT ? DecimalsToFloats<arrow::FloatType>(place, *wide, type)
                                     : DecimalsToFloats<arrow::DoubleType>(place, *wide, type);
  }
  if (from.id() == Type::DATE64) ARROW_RETURN_NOT_OK(CheckMidnights(place, *array));
  auto cast = SafeCast(array, type);
  return cast.ok() ? cast : FindMisfit(place, array, type);
}

// ---- bounds

template <class T>
std::int64_t FirstOutside(const arrow::Array& array, const ValueBounds& bounds) {
  const T* values = array.data()->GetValues<T>(1);
  for (std::int64_t row = 0; row < array.length(); ++row) {
    const auto value = static_cast<std::int64_t>(values[row]);
    const bool inside = value >= bounds.least && value <= bounds.greatest && value % bounds.multiple_of == 0;
    if (!inside && array.IsValid(row)) return row;
  }
  return -1;
}

std::int64_t FirstOfIntervals(const arrow::Array& array, const ValueBounds& bounds) {
  const auto& intervals = static_cast<const arrow::MonthDayNanoIntervalArray&>(array);
  for (std::int64_t row = 0; row < array.length(); ++row) {
    if (array.IsValid(row) && intervals.GetValue(row).nanoseconds % bounds.multiple_of != 0) return row;
  }
  return -1;
}

template <class T>
std::int64_t FirstNan(const arrow::Array& array) {
  const T* values = array.data()->GetValues<T>(1);
  for (std::int64_t row = 0; row < array.length(); ++row) {
    if (std::isnan(values[row]) && array.IsValid(row)) return row;
  }
  return -1;
}

std::int64_t FirstOfBytes(const arrow::Array& array, const ValueBounds& bounds) {
  const auto& values = static_cast<const arrow::BinaryArray&>(array);
  for (std::int64_t row = 0; bounds.bytes_max >= 0 && row < array.length(); ++row) {
    if (array.IsValid(row) && values.value_length(row) > bounds.bytes_max) return row;
  }
  return -1;
}

// Would SQLite make a number of it?
bool IsNumber(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\n\v\f\r");
  if (begin == std::string_view::npos) return false;
  const auto end = text.find_last_not_of(" \t\n\v\f\r");
  const std::string number(text.substr(begin, end + 1 - begin));
  if (!std::isdigit(static_cast<unsigned char>(number.back())) && number.back() != '.') return false;
  char* rest = nullptr;
  std::strtod(number.c_str(), &rest);
  return *rest == '\0';
}

std::int64_t Characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

const char* TextFault(std::string_view text, const ValueBounds& bounds) {
  if (!bounds.takes_nul && text.find('\0') != std::string_view::npos)
    return "has a character NUL, which no text there can hold";
  if (!arrow::util::ValidateUTF8(text)) return "is no valid UTF-8";
  if (bounds.bytes_max >= 0 && static_cast<std::int64_t>(text.size()) > bounds.bytes_max) return "is too long";
  if (bounds.characters_max >= 0 && Characters(text) > bounds.characters_max) return "is too long";
  if (!bounds.takes_number_texts && IsNumber(text)) return "is a text that the database would make a number of";
  return nullptr;
}

arrow::Status CheckTexts(const Place& place, const arrow::Array& array) {
  arrow::util::InitializeUTF8();
  const auto& texts = static_cast<const arrow::StringArray&>(array);
  const auto& bounds = place.column.bounds;
  if (bounds.bytes_max < 0 && bounds.characters_max < 0 && bounds.takes_number_texts && texts.null_count() == 0 &&
      texts.length() > 0) {  // all at once, as nearly always
    const auto* data = reinterpret_cast<const char*>(texts.raw_data());
    const std::string_view all(data + texts.value_offset(0),
                               static_cast<std::size_t>(texts.value_offset(texts.length()) - texts.value_offset(0)));
    if (TextFault(all, bounds) == nullptr) return arrow::Status::OK();
  }
  for (std::int64_t row = 0; row < texts.length(); ++row) {
    if (texts.IsNull(row)) continue;
    const char* fault = TextFault(texts.GetView(row), bounds);
    if (fault != nullptr) return place.Refuse(array, row, std::string(fault) + " (" + place.column.declared + ")");
  }
  return arrow::Status::OK();
}

std::int64_t FirstOfTextLists(const arrow::ListArray& lists) {
  const auto& texts = static_cast<const arrow::StringArray&>(*lists.values());
  for (std::int64_t row = 0; row < lists.length(); ++row) {
    if (lists.IsNull(row)) continue;
    for (auto at = lists.value_offset(row); at < lists.value_offset(row + 1); ++at) {
      if (texts.IsValid(at) && TextFault(texts.GetView(at), {}) != nullptr) return row;
    }
  }
  return -1;
}

arrow::Status CheckBounds(const Place& place, const arrow::Array& array) {
  const auto& bounds = place.column.bounds;
  const auto fits = [&](std::int64_t row) { return row < 0 ? arrow::Status::OK() : place.DoesNotFit(array, row); };
  const bool bounded = bounds.least != std::numeric_limits<std::int64_t>::min() ||
                       bounds.greatest != std::numeric_limits<std::int64_t>::max() || bounds.multiple_of != 1;
  switch (array.type_id()) {
    case Type::STRING:
      return CheckTexts(place, array);
    case Type::BINARY:
      return fits(FirstOfBytes(array, bounds));
    case Type::INT16:
      return bounded ? fits(FirstOutside<std::int16_t>(array, bounds)) : arrow::Status::OK();
    case Type::INT32:
    case Type::DATE32:
      return bounded ? fits(FirstOutside<std::int32_t>(array, bounds)) : arrow::Status::OK();
    case Type::INT64:
    case Type::TIME64:
    case Type::TIMESTAMP:
      return bounded ? fits(FirstOutside<std::int64_t>(array, bounds)) : arrow::Status::OK();
    case Type::INTERVAL_MONTH_DAY_NANO:
      return fits(FirstOfIntervals(array, bounds));
    case Type::FLOAT:
      return bounds.takes_nan ? arrow::Status::OK() : fits(FirstNan<float>(array));
    case Type::DOUBLE:
      return bounds.takes_nan ? arrow::Status::OK() : fits(FirstNan<double>(array));
    case Type::LIST: {
      const auto& lists = static_cast<const arrow::ListArray&>(array);
      return lists.value_type()->id() == Type::STRING ? fits(FirstOfTextLists(lists)) : arrow::Status::OK();
    }
    default:
      return arrow::Status::OK();
  }
}

arrow::Status CheckNulls(const Place& place, const arrow::Array& array) {
  if (place.column.nullable || array.null_count() == 0) return arrow::Status::OK();
  std::int64_t row = 0;
  while (array.IsValid(row)) ++row;
  return place.Refuse(array, row, "is not allowed there: the column is NOT NULL");
}

// ---- what the driver is given

TypePtr EncodedType(const WrittenColumn& column) {
  switch (column.encoding) {
    case Encoding::kNone:
      return column.type;
    case Encoding::kDateText:
    case Encoding::kTimestampText:
    case Encoding::kUuidText:
      return arrow::utf8();
    case Encoding::kInteger:
      return arrow::int64();
  }
  return column.type;
}

arrow::Result<ArrayPtr> Encode(const WrittenColumn& column, ArrayPtr array) {
  switch (column.encoding) {
    case Encoding::kNone:
      return array;
    case Encoding::kDateText: {
      const auto& dates = static_cast<const arrow::Date32Array&>(*array);
      return BuildTexts(*array, [&](std::int64_t row) { return DateText(dates.Value(row)); });
    }
    case Encoding::kTimestampText: {
      const auto& times = static_cast<const arrow::TimestampArray&>(*array);
      return BuildTexts(*array, [&](std::int64_t row) { return TimestampText(times.Value(row)); });
    }
    case Encoding::kInteger:
      return SafeCast(array, arrow::int64());
    case Encoding::kUuidText:
      return UuidTexts(array);
  }
  return array;
}

// As it is spelled, or else the only one that differs in case alone; -1: none.
int FindColumn(const std::vector<WrittenColumn>& columns, const std::string& name) {
  const auto exact = std::ranges::find(columns, name, &WrittenColumn::name);
  if (exact != columns.end()) return static_cast<int>(exact - columns.begin());
  int found = -1;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (FoldIdentifier(columns[i].name) != FoldIdentifier(name)) continue;
    if (found >= 0) return -1;
    found = static_cast<int>(i);
  }
  return found;
}

arrow::Status CheckColumn(const std::string& table, const WrittenColumn& column, const arrow::Field& given) {
  if (column.computed) {
    return arrow::Status::Invalid("Column ", column.name, " of ", table, " is computed by the database; leave it out");
  }
  if (column.type == nullptr) {
    return arrow::Status::NotImplemented("Column ", column.name, " of ", table, " is ", column.declared,
                                         ", which cannot be written");
  }
  const auto plain = PlainType(given.type());
  if (TakesType(*plain, *column.type)) return arrow::Status::OK();
  return arrow::Status::Invalid("Column ", column.name, " of ", table, " is ", column.declared,
                                " and does not take values of type ", given.type()->ToString(),
                                " as they are; cast them");
}

}  // namespace

arrow::Result<ValueWriting> ValueWriting::Make(const std::string& table, const std::vector<WrittenColumn>& columns,
                                               const arrow::Schema& given) {
  ValueWriting writing;
  arrow::FieldVector fields;
  std::vector<bool> named(columns.size());
  for (const auto& field : given.fields()) {
    const int found = FindColumn(columns, field->name());
    if (found < 0) return arrow::Status::Invalid("Table ", table, " has no column ", field->name());
    const auto& column = columns[static_cast<std::size_t>(found)];
    if (named[static_cast<std::size_t>(found)]) {
      return arrow::Status::Invalid("Column ", column.name, " of ", table, " is given twice");
    }
    named[static_cast<std::size_t>(found)] = true;
    ARROW_RETURN_NOT_OK(CheckColumn(table, column, *field));
    fields.push_back(arrow::field(column.name, EncodedType(column)));
    writing.columns_.push_back(column);
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (named[i] || columns[i].nullable || columns[i].has_default || columns[i].computed) continue;
    return arrow::Status::Invalid("Column ", columns[i].name, " of ", table,
                                  " is NOT NULL and has no default; give it values");
  }
  if (fields.empty()) return arrow::Status::Invalid("No column of ", table, " is given");
  writing.schema_ = arrow::schema(std::move(fields));
  return writing;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> ValueWriting::Write(const arrow::RecordBatch& batch,
                                                                       std::int64_t first_row) const {
  arrow::ArrayVector arrays;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const auto& column = columns_[i];
    const Place place{.column = column, .first_row = first_row};
    ARROW_ASSIGN_OR_RAISE(auto array, Plain(batch.column(static_cast<int>(i))));
    ARROW_ASSIGN_OR_RAISE(array, Bring(place, std::move(array), column.type));
    ARROW_RETURN_NOT_OK(CheckNulls(place, *array));
    ARROW_RETURN_NOT_OK(CheckBounds(place, *array));
    ARROW_ASSIGN_OR_RAISE(array, Encode(column, std::move(array)));
    arrays.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(arrays));
}

}  // namespace hyprstream::backend
