#include "backend/value_reading.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/c/bridge.h>
#include <arrow/extension_type.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include <array>
#include <charconv>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace hyprstream::backend {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

// 24 November 4714 BC, PostgreSQL's first day; what is before it came about by an overflow.
constexpr std::int64_t kFirstDay = -2'440'588;
constexpr std::int64_t kFirstMicros = kFirstDay * 86'400'000'000;
// Infinity as PostgreSQL sends it, counted from 2000, with the difference to 1970 added without a look at overflow.
constexpr std::int64_t kMicrosTo2000 = 946'684'800'000'000;
constexpr std::int32_t kDaysTo2000 = 10'957;
constexpr std::int64_t kInfiniteMicros = std::numeric_limits<std::int64_t>::min() + (kMicrosTo2000 - 1);
constexpr std::int32_t kInfiniteDays = std::numeric_limits<std::int32_t>::min() + (kDaysTo2000 - 1);

// DuckDB's infinity, which is the greatest number, and the negative of it.
template <class T>
struct Infinity {
  static constexpr T kPlus = std::numeric_limits<T>::max();
};

// Times, with infinities as the engine has them. `first`: nothing before it is a time.
template <class ArrowType, class T>
arrow::Result<ArrayPtr> ReadTimes(const ColumnLayout& column, const ArrayPtr& array, T first, T infinite) {
  const auto& times = static_cast<const arrow::NumericArray<ArrowType>&>(*array);
  const T* values = times.raw_values();
  // The greatest number is infinity where it goes, and a time where it comes from.
  const auto suspicious = [&](std::int64_t row) {
    return (values[row] < first || values[row] == Infinity<T>::kPlus) && times.IsValid(row);
  };
  std::int64_t row = 0;
  while (row < times.length() && !suspicious(row)) ++row;
  if (row == times.length()) return array;
  arrow::NumericBuilder<ArrowType> builder(array->type(), arrow::default_memory_pool());
  ARROW_RETURN_NOT_OK(builder.Reserve(times.length()));
  for (row = 0; row < times.length(); ++row) {
    if (times.IsNull(row)) {
      builder.UnsafeAppendNull();
    } else if (!suspicious(row)) {
      builder.UnsafeAppend(values[row]);
    } else if (values[row] == infinite) {
      builder.UnsafeAppend(Infinity<T>::kPlus);
    } else if (values[row] == infinite + 1) {
      builder.UnsafeAppend(-Infinity<T>::kPlus);
    } else {
      return arrow::Status::Invalid("Column ", column.name,
                                    " has a time that is too late to be counted in microseconds since 1970 "
                                    "(read it as text, or leave its row out)");
    }
  }
  return builder.Finish();
}

// Digits with at most `scale` behind the point; false for what is no such number, NaN among it.
bool ParseDecimal(std::string_view text, int precision, int scale, arrow::Decimal128& value) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  unsigned __int128 digits = 0;
  int count = 0;
  int behind = -1;
  for (const char c : text) {
    if (c == '.' && behind < 0) {
      behind = 0;
      continue;
    }
    if (c < '0' || c > '9' || (behind >= 0 && ++behind > scale)) return false;
    digits = digits * 10 + static_cast<unsigned>(c - '0');
    if (digits != 0 && ++count > precision) return false;
  }
  if (text.empty()) return false;
  for (int i = std::max(behind, 0); i < scale; ++i) {
    digits *= 10;
    if (digits != 0 && ++count > precision) return false;
  }
  value = arrow::Decimal128(static_cast<std::int64_t>(digits >> 64), static_cast<std::uint64_t>(digits));
  if (negative) value.Negate();
  return true;
}

arrow::Status NoSuchValue(const ColumnLayout& column, const arrow::DataType& type, std::string_view text) {
  return arrow::Status::Invalid("Column ", column.name, " has a value that is no ", type.ToString(), ": ",
                                text.substr(0, 100), " (read it as text, or leave its row out)");
}

arrow::Result<ArrayPtr> ReadDecimals(const ColumnLayout& column, const std::shared_ptr<arrow::DataType>& type,
                                     const ArrayPtr& array) {
  const auto& texts = static_cast<const arrow::StringArray&>(*array);
  const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
  arrow::Decimal128Builder builder(type);
  ARROW_RETURN_NOT_OK(builder.Reserve(texts.length()));
  for (std::int64_t row = 0; row < texts.length(); ++row) {
    arrow::Decimal128 value;
    if (texts.IsNull(row)) {
      builder.UnsafeAppendNull();
    } else if (ParseDecimal(texts.GetView(row), decimal.precision(), decimal.scale(), value)) {
      builder.UnsafeAppend(value);
    } else {
      return NoSuchValue(column, *type, texts.GetView(row));
    }
  }
  return builder.Finish();
}

// Digits only, all of them.
bool ReadDigits(std::string_view text, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && text.front() >= '0' && text.front() <= '9';
}

// Days since 1970 of `2013-01-02`.
std::optional<std::int64_t> ParseDate(std::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !ReadDigits(text.substr(0, 4), year) ||
      !ReadDigits(text.substr(5, 2), month) || !ReadDigits(text.substr(8, 2), day)) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

// Microseconds since 1970 of `2013-01-02`, `2013-01-02 03:04`, `2013-01-02T03:04:05.000006`.
std::optional<std::int64_t> ParseTime(std::string_view text) {
  const auto days = ParseDate(text.substr(0, 10));
  if (!days) return std::nullopt;
  text.remove_prefix(10);
  std::int64_t micros = *days * 86'400'000'000;
  if (text.empty()) return micros;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (text.size() < 6 || (text[0] != ' ' && text[0] != 'T') || text[3] != ':' || !ReadDigits(text.substr(1, 2), hour) ||
      !ReadDigits(text.substr(4, 2), minute) || hour > 23 || minute > 59) {
    return std::nullopt;
  }
  text.remove_prefix(6);
  if (!text.empty()) {
    if (text.size() < 3 || text[0] != ':' || !ReadDigits(text.substr(1, 2), second) || second > 59) return std::nullopt;
    text.remove_prefix(3);
  }
  micros += (hour * 3'600LL + minute * 60LL + second) * 1'000'000;
  if (text.empty()) return micros;
  int fraction = 0;
  if (text.size() < 2 || text.size() > 7 || text[0] != '.' || !ReadDigits(text.substr(1), fraction)) {
    return std::nullopt;
  }
  for (auto digits = text.size() - 1; digits < 6; ++digits) fraction *= 10;
  return micros + fraction;
}

template <class Builder, class Parse>
arrow::Result<ArrayPtr> ReadTexts(const ColumnLayout& column, const std::shared_ptr<arrow::DataType>& type,
                                  const ArrayPtr& array, const Parse& parse) {
  const auto& texts = static_cast<const arrow::StringArray&>(*array);
  Builder builder(type, arrow::default_memory_pool());
  ARROW_RETURN_NOT_OK(builder.Reserve(texts.length()));
  for (std::int64_t row = 0; row < texts.length(); ++row) {
    if (texts.IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const auto value = parse(texts.GetView(row));
    if (!value) return NoSuchValue(column, *type, texts.GetView(row));
    if constexpr (std::is_same_v<Builder, arrow::Decimal128Builder>) {
      builder.UnsafeAppend(*value);
    } else {
      builder.UnsafeAppend(static_cast<typename Builder::value_type>(*value));
    }
  }
  return builder.Finish();
}

// The sixteen bytes of `550e8400-e29b-41d4-a716-446655440000`.
std::optional<std::array<std::uint8_t, 16>> ParseUuid(std::string_view text) {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == '-') continue;
    std::uint8_t digit = 0;
    const auto [end, error] = std::from_chars(&c, &c + 1, digit, 16);
    if (error != std::errc() || digits == 32) return std::nullopt;
    bytes[digits / 2] = static_cast<std::uint8_t>(bytes[digits / 2] << 4 | digit);
    ++digits;
  }
  return digits == 32 ? std::optional(bytes) : std::nullopt;
}

arrow::Result<ArrayPtr> ReadUuids(const ColumnLayout& column, const std::shared_ptr<arrow::DataType>& type,
                                  const ArrayPtr& array) {
  const auto& texts = static_cast<const arrow::StringArray&>(*array);
  arrow::FixedSizeBinaryBuilder builder(type);
  ARROW_RETURN_NOT_OK(builder.Reserve(texts.length()));
  for (std::int64_t row = 0; row < texts.length(); ++row) {
    if (texts.IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const auto uuid = ParseUuid(texts.GetView(row));
    if (!uuid) return NoSuchValue(column, *type, texts.GetView(row));
    builder.UnsafeAppend(uuid->data());
  }
  return builder.Finish();
}

// Two integers with a colon between, as one of 128 bits.
std::optional<arrow::Decimal128> ParseSumParts(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::int64_t high = 0;
  std::int64_t low = 0;
  const auto read = [](std::string_view digits, std::int64_t& number) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  if (!read(text.substr(0, colon), high) || !read(text.substr(colon + 1), low)) return std::nullopt;
  return arrow::Decimal128(high) * arrow::Decimal128(std::int64_t{1} << 32) + arrow::Decimal128(low);
}

arrow::Result<ArrayPtr> ReadBooleans(const ColumnLayout& column, const ArrayPtr& array) {
  const auto& numbers = static_cast<const arrow::Int64Array&>(*array);
  arrow::BooleanBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(numbers.length()));
  for (std::int64_t row = 0; row < numbers.length(); ++row) {
    if (numbers.IsNull(row)) {
      builder.UnsafeAppendNull();
    } else if (numbers.Value(row) == 0 || numbers.Value(row) == 1) {
      builder.UnsafeAppend(numbers.Value(row) == 1);
    } else {
      return NoSuchValue(column, *arrow::boolean(), std::to_string(numbers.Value(row)));
    }
  }
  return builder.Finish();
}

// The values, NULL where the check says so; Invalid where it refuses one.
arrow::Result<ArrayPtr> ApplyCheck(const ColumnLayout& column, ArrayPtr values, const arrow::Array& check) {
  const auto refused = [&] { return arrow::Status::Invalid("Column ", column.name, " ", column.refusal); };
  if (check.type_id() == arrow::Type::BOOL) {
    if (static_cast<const arrow::BooleanArray&>(check).true_count() > 0) return refused();
    return values;
  }
  const auto& codes = static_cast<const arrow::Int64Array&>(check);
  const auto offset = values->offset();
  ARROW_ASSIGN_OR_RAISE(auto bitmap, arrow::AllocateEmptyBitmap(offset + codes.length()));
  std::int64_t nulls = 0;
  for (std::int64_t row = 0; row < codes.length(); ++row) {
    if (codes.Value(row) == 2) return refused();
    if (codes.Value(row) == 1) {
      ++nulls;
    } else {
      arrow::bit_util::SetBit(bitmap->mutable_data(), offset + row);
    }
  }
  if (nulls == 0) return values;
  auto data = values->data()->Copy();
  data->buffers[0] = std::move(bitmap);
  data->SetNullCount(nulls);
  return arrow::MakeArray(data);
}

// Some databases keep whatever bytes they were given as a text, which no reader of Arrow's would take.
arrow::Status CheckTexts(const ColumnLayout& column, const arrow::Array& array) {
  if (array.type_id() == arrow::Type::LIST) {
    return CheckTexts(column, *static_cast<const arrow::ListArray&>(array).values());
  }
  if (array.type_id() != arrow::Type::STRING) return arrow::Status::OK();
  static const bool kReady = (arrow::util::InitializeUTF8(), true);
  static_cast<void>(kReady);
  const auto& texts = static_cast<const arrow::StringArray&>(array);
  for (std::int64_t row = 0; row < texts.length(); ++row) {
    if (texts.IsNull(row) || arrow::util::ValidateUTF8(texts.GetView(row))) continue;
    return arrow::Status::Invalid("Column ", column.name, " has a text that is no valid UTF-8 (read its bytes with ",
                                  "backend_query, or leave its row out)");
  }
  return arrow::Status::OK();
}

}  // namespace

std::shared_ptr<arrow::DataType> StorageType(const std::shared_ptr<arrow::DataType>& type) {
  if (type->id() == arrow::Type::EXTENSION) {
    return StorageType(static_cast<const arrow::ExtensionType&>(*type).storage_type());
  }
  if (type->id() == arrow::Type::LIST) {
    const auto& item = static_cast<const arrow::ListType&>(*type).value_field();
    return arrow::list(arrow::field(item->name(), StorageType(item->type()), item->nullable()));
  }
  return type;
}

arrow::Result<ValueReading> ValueReading::Make(const TableLayout& layout, const std::vector<int>& columns,
                                               const arrow::Schema& arriving) {
  ValueReading reading;
  arrow::FieldVector fields;
  arrow::FieldVector storage;
  const auto take = [&](const ColumnLayout& column) {
    const int at = static_cast<int>(storage.size());
    auto given = at < arriving.num_fields() ? StorageType(arriving.field(at)->type()) : arrow::null();
    storage.push_back(arrow::field(column.name, given));
    return given;
  };
  for (const int index : columns) {
    const auto& column = layout.columns[static_cast<std::size_t>(index)];
    const auto given = take(column);
    fields.push_back(layout.schema->field(index));
    reading.columns_.push_back(column);
    if (given->Equals(*column.arriving)) continue;
    auto status = arrow::Status::Invalid("Column ", column.name, " arrives as ", given->ToString(), " and not as ",
                                         column.arriving->ToString(), ": it has changed at the database; try again");
    if (!layout.types_come_with_rows || given->id() != arrow::Type::INT64) return status;
    reading.mismatch_ = status.message();
  }
  for (const auto& column : reading.columns_) {
    if (column.check.empty()) continue;
    const auto given = take(column);
    if (given->id() != arrow::Type::BOOL && given->id() != arrow::Type::INT64) {
      return arrow::Status::Invalid("What checks column ", column.name, " arrives as ", given->ToString());
    }
  }
  if (arriving.num_fields() != static_cast<int>(storage.size())) {
    return arrow::Status::Invalid(arriving.num_fields(), " columns arrive where ", storage.size(), " were asked for");
  }
  reading.schema_ = arrow::schema(std::move(fields));
  reading.arriving_ = arrow::schema(std::move(storage));
  return reading;
}

arrow::Result<ArrayPtr> ValueReading::ReadColumn(const ColumnLayout& column,
                                                 const std::shared_ptr<arrow::DataType>& type, ArrayPtr array) const {
  if (array->type_id() == arrow::Type::LIST && column.reading != Reading::kAsIs) {
    const auto& list = static_cast<const arrow::ListArray&>(*array);
    const auto& item = static_cast<const arrow::ListType&>(*type).value_type();
    ARROW_ASSIGN_OR_RAISE(auto values, ReadColumn(column, item, list.values()));
    if (values == list.values()) return array;
    auto data = array->data()->Copy();
    data->child_data[0] = values->data();
    return arrow::MakeArray(data);
  }
  switch (column.reading) {
    case Reading::kAsIs:
      ARROW_RETURN_NOT_OK(CheckTexts(column, *array));
      return array;
    case Reading::kTimestamp:
      return ReadTimes<arrow::TimestampType, std::int64_t>(column, array, kFirstMicros, kInfiniteMicros);
    case Reading::kDate:
      return ReadTimes<arrow::Date32Type, std::int32_t>(column, array, static_cast<std::int32_t>(kFirstDay),
                                                        kInfiniteDays);
    case Reading::kDecimalText:
      return ReadDecimals(column, type, array);
    case Reading::kBoolean:
      return ReadBooleans(column, array);
    case Reading::kDateText:
      return ReadTexts<arrow::Date32Builder>(column, type, array, ParseDate);
    case Reading::kUuidText:
      return ReadUuids(column, type, array);
    case Reading::kTimeText:
      return ReadTexts<arrow::TimestampBuilder>(column, type, array, ParseTime);
    case Reading::kSumParts:
      return ReadTexts<arrow::Decimal128Builder>(column, type, array, ParseSumParts);
  }
  return arrow::Status::Invalid("No reading of column ", column.name);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> ValueReading::Read(ArrowArray* array) const {
  ARROW_ASSIGN_OR_RAISE(const auto batch, arrow::ImportRecordBatch(array, arriving_));
  if (!mismatch_.empty()) {
    if (batch->num_rows() > 0) return arrow::Status::Invalid(mismatch_);
    return arrow::RecordBatch::MakeEmpty(schema_);
  }
  std::vector<ArrayPtr> read;
  int check = static_cast<int>(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const auto& column = columns_[i];
    auto values = batch->column(static_cast<int>(i));
    if (!column.check.empty()) {
      ARROW_ASSIGN_OR_RAISE(values, ApplyCheck(column, std::move(values), *batch->column(check++)));
    }
    ARROW_ASSIGN_OR_RAISE(values, ReadColumn(column, schema_->field(static_cast<int>(i))->type(), std::move(values)));
    read.push_back(std::move(values));
  }
  return arrow::RecordBatch::Make(schema_, batch->num_rows(), std::move(read));
}

arrow::Status ValueReading::NameColumn(const arrow::Status& failed) const {
  const auto& said = failed.message();
  if (failed.ok() || !said.contains("ReadRecord failed at row")) return failed;
  const bool is_interval = said.contains("Interval with time value");
  if (!is_interval && !said.contains("Array value with lower bound")) return failed;
  const auto wanted = is_interval ? arrow::Type::INTERVAL_MONTH_DAY_NANO : arrow::Type::LIST;
  std::string names;
  for (const auto& column : columns_) {
    if (column.arriving->id() == wanted) names += (names.empty() ? "Column " : " or column ") + column.name;
  }
  if (names.empty()) return failed;
  return failed.WithMessage(said, ": ", names, " has a value that cannot be read (read it as text with backend_query)");
}

}  // namespace hyprstream::backend
