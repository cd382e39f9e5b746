#include <arrow/array/array_binary.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/checked_cast.h>

#include <functional>

#include "cli/json_columns_internal.h"

namespace hyprstream::cli {
namespace {

using arrow::internal::checked_cast;
using Type = std::shared_ptr<arrow::DataType>;
using Array = std::shared_ptr<arrow::Array>;
// What becomes of a type that has none within it; `path` is where it stands.
using LeafRule = std::function<Type(const Type& leaf, const std::string& path)>;

Type Rebuilt(const Type& type, const std::string& path, const LeafRule& rule) {
  switch (type->id()) {
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
      return arrow::list(type->field(0)->WithType(Rebuilt(type->field(0)->type(), path + "/[]", rule)));
    case arrow::Type::MAP: {
      const auto& map = checked_cast<const arrow::MapType&>(*type);
      return arrow::map(Rebuilt(map.key_type(), path + "/[]/key", rule),
                        Rebuilt(map.item_type(), path + "/[]/value", rule));
    }
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) {
        fields.push_back(field->WithType(Rebuilt(field->type(), path + '/' + field->name(), rule)));
      }
      return arrow::struct_(fields);
    }
    default:
      return rule(type, path);
  }
}

// Times have no cast from text.
arrow::Result<Array> TimesOf(const arrow::StringArray& texts, const Type& type) {
  ARROW_ASSIGN_OR_RAISE(const auto builder, arrow::MakeBuilder(type));
  for (std::int64_t row = 0; row < texts.length(); ++row) {
    if (texts.IsNull(row)) {
      ARROW_RETURN_NOT_OK(builder->AppendNull());
      continue;
    }
    auto time = arrow::Scalar::Parse(type, texts.GetView(row));
    if (!time.ok()) {
      return arrow::Status::Invalid("'", texts.GetView(row), "' is no time of day; write HH:MM:SS.ssssss");
    }
    ARROW_RETURN_NOT_OK(builder->AppendScalar(**time));
  }
  return builder->Finish();
}

arrow::Result<Array> TimestampsOf(const arrow::Array& texts, const Type& type) {
  auto cast = arrow::compute::Cast(texts, type);
  if (cast.ok()) return cast;
  const std::string text = cast.status().message();  // with advice to callers behind the sentence
  return cast.status().WithMessage(text.substr(0, text.find(". If these timestamps")));
}

arrow::Result<Array> ConvertWithin(const arrow::Array& read, const Type& sent) {
  auto data = read.data()->Copy();
  data->type = sent;
  for (int i = 0; i < sent->num_fields(); ++i) {
    auto& child = data->child_data[static_cast<std::size_t>(i)];
    ARROW_ASSIGN_OR_RAISE(const auto converted, Convert(arrow::MakeArray(child), sent->field(i)->type()));
    child = converted->data();
  }
  return arrow::MakeArray(data);
}

arrow::Status CheckEntries(const arrow::Array& lists) {
  const auto& entries = *checked_cast<const arrow::ListArray&>(lists).values();
  if (entries.null_count() > 0) return arrow::Status::Invalid("an entry of a map is null");
  if (checked_cast<const arrow::StructArray&>(entries).field(0)->null_count() > 0) {
    return arrow::Status::Invalid("an entry of a map has no key");
  }
  return arrow::Status::OK();
}

}  // namespace

Type SentAs(const Type& type) {
  return Rebuilt(type, "",
                 [](const Type& leaf, const std::string&) { return ReadsFromText(*leaf) ? leaf : arrow::utf8(); });
}

Type SentAs(const Type& inferred, const std::map<std::string, NumberRange>& numbers, const std::string& path) {
  return Rebuilt(inferred, path, [&](const Type& leaf, const std::string& at) {
    if (leaf->id() == arrow::Type::DOUBLE) {
      const auto range = numbers.find(at);
      const Type wide = range == numbers.end() ? nullptr : range->second.WideType();
      return wide == nullptr ? leaf : wide;
    }
    return TypeFor("", leaf, nullptr);
  });
}

Type ReadAs(const Type& sent) {
  if (sent->id() == arrow::Type::MAP) {
    const auto& map = checked_cast<const arrow::MapType&>(*sent);
    return arrow::list(
        arrow::struct_({arrow::field("key", ReadAs(map.key_type())), arrow::field("value", ReadAs(map.item_type()))}));
  }
  if (sent->id() == arrow::Type::LIST) return arrow::list(sent->field(0)->WithType(ReadAs(sent->field(0)->type())));
  if (sent->id() == arrow::Type::STRUCT) {
    arrow::FieldVector fields;
    for (const auto& field : sent->fields()) fields.push_back(field->WithType(ReadAs(field->type())));
    return arrow::struct_(fields);
  }
  return arrow::is_temporal(sent->id()) ? arrow::utf8() : sent;
}

Type WithTimestamps(const Type& type, const Type& by) {
  return Rebuilt(type, "", [&by](const Type& leaf, const std::string&) {
    return leaf->id() == arrow::Type::TIMESTAMP ? by : leaf;
  });
}

arrow::Result<Array> Convert(const Array& read, const Type& sent) {
  switch (sent->id()) {
    case arrow::Type::DATE32:
      return arrow::compute::Cast(*read, sent);
    case arrow::Type::TIMESTAMP:
      return TimestampsOf(*read, sent);
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return TimesOf(checked_cast<const arrow::StringArray&>(*read), sent);
    case arrow::Type::BINARY:
      return DecodeBinary(checked_cast<const arrow::BinaryArray&>(*read));
    case arrow::Type::MAP:
      ARROW_RETURN_NOT_OK(CheckEntries(*read));
      return ConvertWithin(*read, sent);
    case arrow::Type::LIST:
    case arrow::Type::STRUCT:
      return ConvertWithin(*read, sent);
    default:
      return read;
  }
}

}  // namespace hyprstream::cli
