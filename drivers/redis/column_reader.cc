// ColumnReader of cell.h.

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/type.h>
#include <arrow/util/utf8.h>

#include <charconv>
#include <limits>

#include "cell.h"
#include "cell_internal.h"
#include "failure.h"

namespace adbc_redis {
namespace {

arrow::Status NoValue(std::string_view text, const arrow::DataType& type) {
  return Fail(ADBC_STATUS_INVALID_DATA, "'" + Printable(text) + "' is no value of type " + type.ToString());
}

template <class Number>
bool ReadNumber(std::string_view text, Number& number) {
  const char* const end = text.data() + text.size();
  return std::from_chars(text.data(), end, number) == std::from_chars_result{end, std::errc()};
}

// One reader for each builder; Derived says how a text becomes what the builder takes.
template <class Builder>
class BuilderReader : public ColumnReader {
 public:
  explicit BuilderReader(std::shared_ptr<arrow::DataType> type)
      : type_(std::move(type)), builder_(type_, arrow::default_memory_pool()) {}
  arrow::Status AppendNull() final { return builder_.AppendNull(); }
  arrow::Result<std::shared_ptr<arrow::Array>> Finish() final { return builder_.Finish(); }

 protected:
  std::shared_ptr<arrow::DataType> type_;
  Builder builder_;
};

template <class Builder>
class NumberReader final : public BuilderReader<Builder> {
 public:
  using BuilderReader<Builder>::BuilderReader;
  arrow::Status Append(std::string_view text) final {
    typename Builder::value_type number = {};
    if (!ReadNumber(text, number)) return NoValue(text, *this->type_);
    return this->builder_.Append(number);
  }
};

class BooleanReader final : public BuilderReader<arrow::BooleanBuilder> {
 public:
  using BuilderReader::BuilderReader;
  arrow::Status Append(std::string_view text) final {
    if (text == "true" || text == "1") return builder_.Append(true);
    if (text == "false" || text == "0") return builder_.Append(false);
    return NoValue(text, *type_);
  }
};

template <class Builder>
class TextReader final : public BuilderReader<Builder> {
 public:
  using BuilderReader<Builder>::BuilderReader;
  arrow::Status Append(std::string_view text) final {
    if (this->type_->id() == arrow::Type::STRING && !arrow::util::ValidateUTF8(text))
      return NoValue(text, *this->type_);
    return this->builder_.Append(text);
  }
};

class DecimalReader final : public BuilderReader<arrow::Decimal128Builder> {
 public:
  using BuilderReader::BuilderReader;
  arrow::Status Append(std::string_view text) final {
    const auto& type = static_cast<const arrow::Decimal128Type&>(*type_);
    arrow::Decimal128 value;
    int32_t precision = 0;
    int32_t scale = 0;
    if (!arrow::Decimal128::FromString(text, &value, &precision, &scale).ok()) return NoValue(text, *type_);
    const arrow::Result<arrow::Decimal128> scaled = value.Rescale(scale, type.scale());
    if (!scaled.ok() || !scaled->FitsInPrecision(type.precision())) return NoValue(text, *type_);
    return builder_.Append(*scaled);
  }
};

template <class Builder>
class TimeReader final : public BuilderReader<Builder> {
 public:
  using BuilderReader<Builder>::BuilderReader;
  arrow::Status Append(std::string_view text) final {
    ARROW_ASSIGN_OR_RAISE(const int64_t count, CountOf(text, *this->type_));
    return this->builder_.Append(static_cast<typename Builder::value_type>(count));
  }
};

template <class Reader>
std::unique_ptr<ColumnReader> New(const std::shared_ptr<arrow::DataType>& type) {
  return std::make_unique<Reader>(type);
}

}  // namespace

arrow::Result<int64_t> CountOf(std::string_view text, const arrow::DataType& type) {
  int64_t count = 0;
  bool zone = false;
  if (type.id() == arrow::Type::DATE32) {
    const bool is = ReadNumber(text, count) || ReadIsoDate(text, count);
    if (!is || count < std::numeric_limits<int32_t>::min() || count > std::numeric_limits<int32_t>::max()) {
      return NoValue(text, type);
    }
    return count;
  }
  const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
  if (ReadNumber(text, count)) return count;
  if (!ReadIsoTimestamp(text, timestamp.unit(), count, zone) || (zone && timestamp.timezone().empty())) {
    return NoValue(text, type);
  }
  return count;
}

arrow::Result<std::unique_ptr<ColumnReader>> ColumnReader::Make(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case arrow::Type::BOOL:
      return New<BooleanReader>(type);
    case arrow::Type::INT8:
      return New<NumberReader<arrow::Int8Builder>>(type);
    case arrow::Type::INT16:
      return New<NumberReader<arrow::Int16Builder>>(type);
    case arrow::Type::INT32:
      return New<NumberReader<arrow::Int32Builder>>(type);
    case arrow::Type::INT64:
      return New<NumberReader<arrow::Int64Builder>>(type);
    case arrow::Type::UINT8:
      return New<NumberReader<arrow::UInt8Builder>>(type);
    case arrow::Type::UINT16:
      return New<NumberReader<arrow::UInt16Builder>>(type);
    case arrow::Type::UINT32:
      return New<NumberReader<arrow::UInt32Builder>>(type);
    case arrow::Type::UINT64:
      return New<NumberReader<arrow::UInt64Builder>>(type);
    case arrow::Type::FLOAT:
      return New<NumberReader<arrow::FloatBuilder>>(type);
    case arrow::Type::DOUBLE:
      return New<NumberReader<arrow::DoubleBuilder>>(type);
    case arrow::Type::DECIMAL128:
      return New<DecimalReader>(type);
    case arrow::Type::STRING:
      return New<TextReader<arrow::StringBuilder>>(type);
    case arrow::Type::BINARY:
      return New<TextReader<arrow::BinaryBuilder>>(type);
    case arrow::Type::DATE32:
      return New<TimeReader<arrow::Date32Builder>>(type);
    case arrow::Type::TIMESTAMP:
      return New<TimeReader<arrow::TimestampBuilder>>(type);
    default:
      return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "No column has the type " + type->ToString());
  }
}

}  // namespace adbc_redis
