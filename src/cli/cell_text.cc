#include "cli/cell_text.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>
#include <arrow/util/decimal.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <format>
#include <limits>
#include <stdexcept>

#include "base/time_text.h"

namespace hyprstream::cli {
namespace {

using arrow::internal::checked_cast;

template <class Float>
void AppendFloat(Float value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "Infinity" : "-Infinity";
  } else {
    char digits[64];
    const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), value);
    out.append(digits, end);
  }
}

// Of a second; nothing when it is 0.
void AppendFraction(std::int64_t nanos, std::string& out) {
  if (nanos == 0) return;
  const std::string digits = std::format(".{:09}", nanos);
  out += digits.substr(0, digits.find_last_not_of('0') + 1);
}

// How far a zone's clocks are from UTC at a time; 0 for a zone that this machine does not know.
std::chrono::seconds OffsetAt(std::int64_t seconds, const std::string& zone) {
  constexpr std::int64_t kSecondsMax = 900'000'000'000;  // std::chrono knows the years of an int16
  const std::chrono::sys_seconds time{std::chrono::seconds(std::clamp(seconds, -kSecondsMax, kSecondsMax))};
  try {
    return std::chrono::locate_zone(zone)->get_info(time).offset;
  } catch (const std::runtime_error&) {
    return std::chrono::seconds(0);
  }
}

// As in `+01`, `-03:30`.
void AppendOffset(std::chrono::seconds offset, std::string& out) {
  const std::chrono::hh_mm_ss size(std::chrono::abs(offset));
  out += std::format("{}{:02}", offset.count() < 0 ? '-' : '+', size.hours().count());
  if (size.minutes().count() != 0) out += std::format(":{:02}", size.minutes().count());
}

std::int64_t TicksOfSecond(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    case arrow::TimeUnit::MICRO:
      return 1'000'000;
    case arrow::TimeUnit::NANO:
      return 1'000'000'000;
  }
  return 1;
}

template <class TimeArray>
void AppendTimeOfDay(const TimeArray& array, std::int64_t row, std::string& out) {
  const auto& type = checked_cast<const arrow::TimeType&>(*array.type());
  out += TimeOfDayText(array.Value(row), TicksOfSecond(type.unit()));
}

void AppendTimestamp(const arrow::TimestampArray& array, std::int64_t row, std::string& out) {
  const auto& type = checked_cast<const arrow::TimestampType&>(*array.type());
  const auto per_second = TicksOfSecond(type.unit());
  const auto ticks = array.Value(row);
  constexpr auto kInfinity = std::numeric_limits<std::int64_t>::max();
  std::int64_t local = ticks;
  if (type.timezone().empty() || ticks == kInfinity || ticks == -kInfinity) {
    out += TimestampText(ticks, per_second);
    return;
  }
  const auto seconds = ticks / per_second - (ticks % per_second < 0 ? 1 : 0);
  auto offset = OffsetAt(seconds, type.timezone());
  // In UTC at the ends, and where the distance has seconds (before standard times), which few can read.
  if (offset % std::chrono::minutes(1) != std::chrono::seconds(0) ||
      __builtin_add_overflow(ticks, offset.count() * per_second, &local)) {
    offset = {};
    local = ticks;
  }
  out += TimestampText(local, per_second);
  AppendOffset(offset, out);
}

// Arrow writes small ones as `1E-10`.
template <class DecimalArray, class Decimal>
void AppendDecimal(const arrow::Array& array, std::int64_t row, std::string& out) {
  const auto& type = checked_cast<const arrow::DecimalType&>(*array.type());
  std::string digits = Decimal(checked_cast<const DecimalArray&>(array).GetValue(row)).ToIntegerString();
  if (digits.starts_with('-')) {
    out += '-';
    digits.erase(0, 1);
  }
  const auto fraction = static_cast<std::size_t>(std::max(type.scale(), 0));
  if (digits.size() <= fraction) digits.insert(0, fraction + 1 - digits.size(), '0');
  out.append(digits, 0, digits.size() - fraction);
  if (fraction > 0) out.append(".").append(digits, digits.size() - fraction);
}

void AppendBytes(std::string_view bytes, std::string& out) {
  out += "\\x";
  for (const char byte : bytes) out += std::format("{:02x}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
}

// As SQL writes it: `1 year 2 months 3 days 04:05:06.5`.
void AppendInterval(const arrow::MonthDayNanoIntervalType::MonthDayNanos& interval, std::string& out) {
  const std::size_t begin = out.size();
  const auto append = [&](std::int64_t count, const char* unit) {
    if (count == 0) return;
    out += std::format("{}{} {}{}", out.size() == begin ? "" : " ", count, unit, count == 1 || count == -1 ? "" : "s");
  };
  append(interval.months / 12, "year");
  append(interval.months % 12, "month");
  append(interval.days, "day");
  if (interval.nanoseconds == 0 && out.size() > begin) return;
  const std::chrono::nanoseconds size(interval.nanoseconds < 0 ? -interval.nanoseconds : interval.nanoseconds);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(size);
  out += std::format("{}{}{:%T}", out.size() == begin ? "" : " ", interval.nanoseconds < 0 ? "-" : "", seconds);
  AppendFraction((size - seconds).count(), out);
}

void AppendScalar(const arrow::Array& array, std::int64_t row, std::string& out) {
  const auto scalar = array.GetScalar(row);
  out += scalar.ok() ? (*scalar)->ToString() : "?";
}

bool IsNested(arrow::Type::type id) { return arrow::is_nested(id) && id != arrow::Type::DICTIONARY; }

bool IsBareInJson(const arrow::Array& array, std::int64_t row) {
  switch (array.type_id()) {
    case arrow::Type::FLOAT:
      return std::isfinite(checked_cast<const arrow::FloatArray&>(array).Value(row));
    case arrow::Type::DOUBLE:
      return std::isfinite(checked_cast<const arrow::DoubleArray&>(array).Value(row));
    case arrow::Type::BOOL:
      return true;
    default:
      return arrow::is_integer(array.type_id()) || arrow::is_decimal(array.type_id());
  }
}

void AppendJsonList(const arrow::Array& values, std::int64_t begin, std::int64_t end, std::string& out) {
  out += '[';
  for (std::int64_t i = begin; i < end; ++i) {
    if (i > begin) out += ',';
    AppendJson(values, i, out);
  }
  out += ']';
}

void AppendJsonStruct(const arrow::StructArray& array, std::int64_t row, std::string& out) {
  out += '{';
  for (int i = 0; i < array.num_fields(); ++i) {
    if (i > 0) out += ',';
    AppendJsonString(array.struct_type()->field(i)->name(), out);
    out += ':';
    AppendJson(*array.field(i), row, out);
  }
  out += '}';
}

// The value that a union has in a row: that of one of its members.
struct Member {
  std::shared_ptr<arrow::Array> values;
  std::int64_t row;
};

Member MemberOf(const arrow::Array& array, std::int64_t row) {
  const auto& all = checked_cast<const arrow::UnionArray&>(array);
  const bool dense = all.mode() == arrow::UnionMode::DENSE;
  return {.values = all.field(all.child_id(row)),
          .row = dense ? checked_cast<const arrow::DenseUnionArray&>(all).value_offset(row) : row};
}

bool IsUnion(arrow::Type::type id) { return id == arrow::Type::DENSE_UNION || id == arrow::Type::SPARSE_UNION; }

void AppendJsonNested(const arrow::Array& array, std::int64_t row, std::string& out) {
  switch (array.type_id()) {
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto& list = checked_cast<const arrow::ListArray&>(array);
      return AppendJsonList(*list.values(), list.value_offset(row), list.value_offset(row + 1), out);
    }
    case arrow::Type::LARGE_LIST: {
      const auto& list = checked_cast<const arrow::LargeListArray&>(array);
      return AppendJsonList(*list.values(), list.value_offset(row), list.value_offset(row + 1), out);
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& list = checked_cast<const arrow::FixedSizeListArray&>(array);
      return AppendJsonList(*list.values(), list.value_offset(row), list.value_offset(row + 1), out);
    }
    case arrow::Type::STRUCT:
      return AppendJsonStruct(checked_cast<const arrow::StructArray&>(array), row, out);
    default: {
      std::string text;
      AppendScalar(array, row, text);
      AppendJsonString(text, out);
    }
  }
}

}  // namespace

void AppendText(const arrow::Array& array, std::int64_t row, std::string& out) {
  switch (array.type_id()) {
    case arrow::Type::STRING:
      out += checked_cast<const arrow::StringArray&>(array).GetView(row);
      return;
    case arrow::Type::LARGE_STRING:
      out += checked_cast<const arrow::LargeStringArray&>(array).GetView(row);
      return;
    case arrow::Type::BINARY:
      return AppendBytes(checked_cast<const arrow::BinaryArray&>(array).GetView(row), out);
    case arrow::Type::FIXED_SIZE_BINARY:
      return AppendBytes(checked_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row), out);
    case arrow::Type::INT32:
      out += std::to_string(checked_cast<const arrow::Int32Array&>(array).Value(row));
      return;
    case arrow::Type::INT64:
      out += std::to_string(checked_cast<const arrow::Int64Array&>(array).Value(row));
      return;
    case arrow::Type::FLOAT:
      return AppendFloat(checked_cast<const arrow::FloatArray&>(array).Value(row), out);
    case arrow::Type::DOUBLE:
      return AppendFloat(checked_cast<const arrow::DoubleArray&>(array).Value(row), out);
    case arrow::Type::DECIMAL32:
      return AppendDecimal<arrow::Decimal32Array, arrow::Decimal32>(array, row, out);
    case arrow::Type::DECIMAL64:
      return AppendDecimal<arrow::Decimal64Array, arrow::Decimal64>(array, row, out);
    case arrow::Type::DECIMAL128:
      return AppendDecimal<arrow::Decimal128Array, arrow::Decimal128>(array, row, out);
    case arrow::Type::DECIMAL256:
      return AppendDecimal<arrow::Decimal256Array, arrow::Decimal256>(array, row, out);
    case arrow::Type::DATE32:
      out += DateText(checked_cast<const arrow::Date32Array&>(array).Value(row));
      return;
    case arrow::Type::TIME32:
      return AppendTimeOfDay(checked_cast<const arrow::Time32Array&>(array), row, out);
    case arrow::Type::TIME64:
      return AppendTimeOfDay(checked_cast<const arrow::Time64Array&>(array), row, out);
    case arrow::Type::TIMESTAMP:
      return AppendTimestamp(checked_cast<const arrow::TimestampArray&>(array), row, out);
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
      return AppendInterval(checked_cast<const arrow::MonthDayNanoIntervalArray&>(array).Value(row), out);
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = checked_cast<const arrow::DictionaryArray&>(array);
      return AppendText(*dictionary.dictionary(), dictionary.GetValueIndex(row), out);
    }
    case arrow::Type::DENSE_UNION:
    case arrow::Type::SPARSE_UNION: {
      const auto member = MemberOf(array, row);
      return AppendText(*member.values, member.row, out);
    }
    default:
      return IsNested(array.type_id()) ? AppendJsonNested(array, row, out) : AppendScalar(array, row, out);
  }
}

void AppendJson(const arrow::Array& array, std::int64_t row, std::string& out) {
  if (array.IsNull(row) || array.type_id() == arrow::Type::NA) {
    out += "null";
  } else if (IsUnion(array.type_id())) {
    const auto member = MemberOf(array, row);
    AppendJson(*member.values, member.row, out);
  } else if (IsNested(array.type_id())) {
    AppendJsonNested(array, row, out);
  } else if (IsBareInJson(array, row)) {
    AppendText(array, row, out);
  } else {
    std::string text;
    AppendText(array, row, text);
    AppendJsonString(text, out);
  }
}

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += std::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace hyprstream::cli
