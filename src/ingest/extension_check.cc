#include "ingest/extension_check.h"

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <format>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hyprstream::ingest {

namespace {

constexpr std::string_view kNameKey = "ARROW:extension:name";
constexpr std::string_view kMetadataKey = "ARROW:extension:metadata";

std::uint8_t ByteAt(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

// What is wrong with a value's bytes; nothing when DuckDB could have made them.
using Fault = std::optional<std::string>;

// The first byte says how many bits of the next one are padding, which are ones.
Fault FaultOfBit(std::string_view bytes) {
  if (bytes.size() < 2) return std::format("{} bytes, where at least 2 are due", bytes.size());
  const int padding = ByteAt(bytes, 0);
  if (padding > 7) return std::format("{} bits of padding, where at most 7 are due", padding);
  const auto mask = static_cast<std::uint8_t>(0xFF00U >> static_cast<unsigned>(padding));
  if ((ByteAt(bytes, 1) & mask) != mask) return "padding that is not all ones";
  return std::nullopt;
}

// Three bytes say sign and length, all inverted when the number is negative, as are the bytes that follow.
Fault FaultOfBignum(std::string_view bytes) {
  constexpr std::size_t kHeader = 3;
  constexpr std::size_t kBytesMax = 1024;  // time to write one as text grows with the square of its digits
  if (bytes.size() <= kHeader) return std::format("{} bytes, where at least 4 are due", bytes.size());
  if (bytes.size() > kBytesMax) return std::format("{} bytes, where at most {} are taken", bytes.size(), kBytesMax);
  const bool negative = (ByteAt(bytes, 0) & 0x80U) == 0;
  const auto plain = [&](std::size_t at) -> std::size_t {
    return static_cast<std::uint8_t>(negative ? ~ByteAt(bytes, at) : ByteAt(bytes, at));
  };
  const auto told = ((plain(0) & 0x7FU) << 16U) | (plain(1) << 8U) | plain(2);
  const auto digits = bytes.size() - kHeader;
  if (told != digits) return std::format("{} bytes of digits, where its header says {}", digits, told);
  if (plain(kHeader) == 0 && (digits > 1 || negative)) return "a zero in front";
  return std::nullopt;
}

// The upper 40 bits are microseconds, the lower 24 how far the offset is below the largest one.
Fault FaultOfTimeTz(std::string_view bytes) {
  constexpr std::uint64_t kDayMicros = 86'400'000'000;
  constexpr std::uint64_t kOffsetMax = 2 * (16 * 60 * 60 - 1);
  std::uint64_t bits = 0;
  std::memcpy(&bits, bytes.data(), sizeof(bits));
  if ((bits >> 24U) > kDayMicros) return "a time beyond the day's end";
  if ((bits & 0xFF'FFFFU) > kOffsetMax) return "an offset of 16 hours or more";
  return std::nullopt;
}

Fault NoFault(std::string_view) { return std::nullopt; }

// A type of DuckDB's that travels as `arrow.opaque`. `byte_width` is 0 where values are as long as they please.
struct OpaqueRule {
  std::string_view type_name;
  std::string_view sql_name;
  int byte_width;
  Fault (*fault)(std::string_view bytes);
};

constexpr std::array<OpaqueRule, 5> kOpaqueRules{{{"bit", "BIT", 0, FaultOfBit},
                                                  {"bignum", "BIGNUM", 0, FaultOfBignum},
                                                  {"time_tz", "TIMETZ", 8, FaultOfTimeTz},
                                                  {"hugeint", "HUGEINT", 16, NoFault},
                                                  {"uhugeint", "UHUGEINT", 16, NoFault}}};

bool IsStorageOf(const OpaqueRule& rule, const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return rule.byte_width == 0;
    case arrow::Type::FIXED_SIZE_BINARY:
      return static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width() == rule.byte_width;
    default:
      return false;
  }
}

const arrow::DataType& StorageOf(const arrow::DataType& type) {
  if (type.id() != arrow::Type::EXTENSION) return type;
  return *static_cast<const arrow::ExtensionType&>(type).storage_type();
}

struct Extension {
  std::string name;  // empty: none
  std::string metadata;
};

// Types that Arrow does not know stay in the field's metadata, where DuckDB takes the last of several.
arrow::Result<Extension> ExtensionOf(const arrow::Field& field) {
  std::vector<std::string> names;
  std::vector<std::string> parameters;
  if (field.type()->id() == arrow::Type::EXTENSION) {
    const auto& type = static_cast<const arrow::ExtensionType&>(*field.type());
    names.push_back(type.extension_name());
    parameters.push_back(type.Serialize());
  }
  if (const auto& metadata = field.metadata(); metadata != nullptr) {
    for (std::int64_t i = 0; i < metadata->size(); ++i) {
      if (metadata->key(i) == kNameKey) names.push_back(metadata->value(i));
      if (metadata->key(i) == kMetadataKey) parameters.push_back(metadata->value(i));
    }
  }
  if (names.size() > 1 || parameters.size() > 1) {
    return arrow::Status::Invalid("it has several extension types; give it one");
  }
  return Extension{.name = names.empty() ? "" : names.front(),
                   .metadata = parameters.empty() ? "" : parameters.front()};
}

struct OpaqueNames {
  std::string type;
  std::string vendor;
};

// Only what every parser of JSON understands alike: DuckDB reads the same text with its own.
arrow::Result<OpaqueNames> NamesOfOpaque(const std::string& metadata) {
  constexpr std::size_t kBytesMax = 4096;
  const auto bad =
      arrow::Status::Invalid("the metadata of arrow.opaque is not {\"type_name\": ..., \"vendor_name\": ...}");
  if (metadata.size() > kBytesMax) return bad;
  const auto json = nlohmann::json::parse(metadata, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return bad;
  for (const auto& [key, value] : json.items()) {
    if (key.contains('\0')) return bad;
  }
  const auto text = [&](const char* key) -> arrow::Result<std::string> {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_string()) return bad;
    auto name = found->get<std::string>();
    if (name.contains('\0')) return bad;
    return name;
  };
  OpaqueNames names;
  ARROW_ASSIGN_OR_RAISE(names.type, text("type_name"));
  ARROW_ASSIGN_OR_RAISE(names.vendor, text("vendor_name"));
  return names;
}

// Null for types that are not DuckDB's.
arrow::Result<const OpaqueRule*> RuleOf(const arrow::Field& field) {
  ARROW_ASSIGN_OR_RAISE(const auto extension, ExtensionOf(field));
  if (extension.name == "arrow.parquet.variant") {
    return arrow::Status::Invalid("arrow.parquet.variant is not taken; send JSON text");
  }
  if (extension.name != "arrow.opaque") return nullptr;
  ARROW_ASSIGN_OR_RAISE(const auto names, NamesOfOpaque(extension.metadata));
  if (names.vendor != "DuckDB") return nullptr;
  const auto* rule = std::ranges::find(kOpaqueRules, names.type, &OpaqueRule::type_name);
  if (rule == kOpaqueRules.end()) return nullptr;
  const auto& storage = StorageOf(*field.type());
  if (IsStorageOf(*rule, storage)) return rule;
  return arrow::Status::Invalid("DuckDB's ", rule->sql_name, " is not stored as ", storage.ToString(),
                                "; send it as DuckDB does, or as text");
}

arrow::Field FieldOfValues(const arrow::DataType& dictionary) {
  return {"", static_cast<const arrow::DictionaryType&>(dictionary).value_type()};
}

// True when there are values to be looked at, in the field or within it.
arrow::Result<bool> LookAtType(const arrow::Field& field) {
  ARROW_ASSIGN_OR_RAISE(const auto* rule, RuleOf(field));
  if (rule != nullptr) return true;
  const auto& storage = StorageOf(*field.type());
  if (storage.id() == arrow::Type::DICTIONARY) return LookAtType(FieldOfValues(storage));
  bool look = false;
  for (const auto& child : storage.fields()) {
    ARROW_ASSIGN_OR_RAISE(const bool within, LookAtType(*child));
    look = look || within;
  }
  return look;
}

// A NULL, or a row of structs around it that are: nobody reads what is there.
using Around = std::vector<const arrow::Array*>;

template <class ArrayType>
arrow::Status CheckEach(const OpaqueRule& rule, const ArrayType& values, const Around& around) {
  for (std::int64_t i = 0; i < values.length(); ++i) {
    const auto valid = [i](const arrow::Array* array) { return array->IsValid(i); };
    if (!values.IsValid(i) || !std::ranges::all_of(around, valid)) continue;
    const auto fault = rule.fault(std::string_view(values.GetView(i)));
    if (fault) return arrow::Status::Invalid("a value is no ", rule.sql_name, " as DuckDB makes them: it has ", *fault);
  }
  return arrow::Status::OK();
}

arrow::Status CheckOpaque(const OpaqueRule& rule, const arrow::Array& values, const Around& around) {
  switch (values.type_id()) {
    case arrow::Type::BINARY:
      return CheckEach(rule, static_cast<const arrow::BinaryArray&>(values), around);
    case arrow::Type::LARGE_BINARY:
      return CheckEach(rule, static_cast<const arrow::LargeBinaryArray&>(values), around);
    case arrow::Type::BINARY_VIEW:
      return CheckEach(rule, static_cast<const arrow::BinaryViewArray&>(values), around);
    default:
      return CheckEach(rule, static_cast<const arrow::FixedSizeBinaryArray&>(values), around);
  }
}

arrow::Status CheckValues(const arrow::Field& field, const arrow::Array& array, Around around) {
  ARROW_ASSIGN_OR_RAISE(const auto* rule, RuleOf(field));
  if (array.type_id() == arrow::Type::EXTENSION) {
    const auto& storage = *static_cast<const arrow::ExtensionArray&>(array).storage();
    if (rule != nullptr) return CheckOpaque(*rule, storage, around);
    return CheckValues(arrow::Field("", storage.type()), storage, std::move(around));
  }
  if (rule != nullptr) return CheckOpaque(*rule, array, around);
  if (array.type_id() == arrow::Type::DICTIONARY) {
    const auto& rows = static_cast<const arrow::DictionaryArray&>(array);
    return CheckValues(FieldOfValues(*array.type()), *rows.dictionary(), {});
  }
  const auto& type = *array.type();
  const auto* rows = array.type_id() == arrow::Type::STRUCT ? &static_cast<const arrow::StructArray&>(array) : nullptr;
  if (rows == nullptr) around.clear();  // its children have rows of their own
  if (rows != nullptr) around.push_back(rows);
  for (int i = 0; i < type.num_fields(); ++i) {
    const auto child =
        rows != nullptr ? rows->field(i) : arrow::MakeArray(array.data()->child_data[static_cast<std::size_t>(i)]);
    ARROW_RETURN_NOT_OK(CheckValues(*type.field(i), *child, around));
  }
  return arrow::Status::OK();
}

arrow::Status Named(const arrow::Field& field, const arrow::Status& status) {
  return status.ok() ? status : status.WithMessage("Column ", field.name(), ": ", status.message());
}

}  // namespace

arrow::Status CheckExtensionTypes(const arrow::Schema& schema) {
  for (const auto& field : schema.fields()) ARROW_RETURN_NOT_OK(Named(*field, LookAtType(*field).status()));
  return arrow::Status::OK();
}

arrow::Status CheckExtensions(const arrow::RecordBatch& batch) {
  for (int i = 0; i < batch.num_columns(); ++i) {
    const auto& field = *batch.schema()->field(i);
    const auto look = LookAtType(field);
    ARROW_RETURN_NOT_OK(Named(field, look.status()));
    if (*look) ARROW_RETURN_NOT_OK(Named(field, CheckValues(field, *batch.column(i), {})));
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::ingest
