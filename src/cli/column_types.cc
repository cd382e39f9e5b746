#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/checked_cast.h>
#include <strings.h>

#include <charconv>
#include <optional>
#include <system_error>

#include "cli/column_types_internal.h"

namespace hyprstream::cli {
namespace {

constexpr std::string_view kHex = "\\x";

// The bytes of `\x01ff`; nothing when the text is not written like that.
std::optional<std::string> BytesOfHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t at = kHex.size(); at < text.size(); at += 2) {
    unsigned char byte = 0;
    const char* end = text.data() + at + 2;
    if (std::from_chars(text.data() + at, end, byte, 16).ptr != end) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

template <class Integer>
bool Holds(std::string_view digits) {
  Integer value = 0;
  return std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc();
}

}  // namespace

bool ReadsFromText(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL128:
      return true;
    default:
      return arrow::is_integer(type.id());
  }
}

void NumberRange::Add(std::string_view number) {
  if (number.find_first_not_of("-0123456789") != std::string_view::npos) all_integers_ = false;
  if (number.starts_with('-')) any_negative_ = true;
  if (!Holds<std::int64_t>(number)) beyond_int64_ = true;
  if (!Holds<std::uint64_t>(number)) beyond_uint64_ = true;
}

std::shared_ptr<arrow::DataType> NumberRange::WideType() const {
  if (!all_integers_ || !beyond_int64_) return nullptr;
  if (!any_negative_ && !beyond_uint64_) return arrow::uint64();
  return arrow::decimal128(arrow::Decimal128Type::kMaxPrecision, 0);
}

arrow::Result<std::shared_ptr<arrow::Array>> DecodeBinary(const arrow::BinaryArray& column) {
  arrow::BinaryBuilder decoded;
  for (std::int64_t row = 0; row < column.length(); ++row) {
    if (column.IsNull(row)) {
      ARROW_RETURN_NOT_OK(decoded.AppendNull());
      continue;
    }
    const std::string_view text = column.GetView(row);
    if (!text.starts_with(kHex)) {
      ARROW_RETURN_NOT_OK(decoded.Append(text));
      continue;
    }
    const auto bytes = BytesOfHex(text);
    if (!bytes)
      return arrow::Status::Invalid("'", text, "' is no BLOB; write two hexadecimal digits a byte behind \\x");
    ARROW_RETURN_NOT_OK(decoded.Append(*bytes));
  }
  return decoded.Finish();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> DecodeBinary(std::shared_ptr<arrow::RecordBatch> batch) {
  for (int i = 0; i < batch->num_columns(); ++i) {
    if (batch->column(i)->type_id() != arrow::Type::BINARY) continue;
    const auto& field = batch->schema()->field(i);
    const auto decoded = DecodeBinary(arrow::internal::checked_cast<const arrow::BinaryArray&>(*batch->column(i)));
    if (!decoded.ok()) return decoded.status().WithMessage("column ", field->name(), ": ", decoded.status().message());
    ARROW_ASSIGN_OR_RAISE(batch, batch->SetColumn(i, field, *decoded));
  }
  return batch;
}

std::shared_ptr<arrow::DataType> TypeFor(const std::string& name, const std::shared_ptr<arrow::DataType>& inferred,
                                         const arrow::Schema* table) {
  if (table != nullptr) {
    for (const auto& field : table->fields()) {
      if (strcasecmp(field->name().c_str(), name.c_str()) == 0 && ReadsFromText(*field->type())) return field->type();
    }
  }
  if (inferred->id() == arrow::Type::NA) return arrow::utf8();
  if (inferred->id() == arrow::Type::TIMESTAMP) {
    const auto& type = arrow::internal::checked_cast<const arrow::TimestampType&>(*inferred);
    return arrow::timestamp(arrow::TimeUnit::MICRO, type.timezone());
  }
  return inferred;
}

}  // namespace hyprstream::cli
