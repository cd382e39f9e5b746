#include "aggregate/physical_internal.h"

#include "arrow/array/builder_nested.h"
#include "arrow/array/data.h"
#include "arrow/array/util.h"
#include "arrow/builder.h"
#include "arrow/result.h"
#include "arrow/status.h"

namespace hyprstream::aggregate {

std::optional<Physical> PhysicalOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return Physical::kBool;
    case arrow::Type::INT8:
      return Physical::kInt8;
    case arrow::Type::INT16:
      return Physical::kInt16;
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32:
      return Physical::kInt32;
    case arrow::Type::INT64:
    case arrow::Type::DATE64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      return Physical::kInt64;
    case arrow::Type::UINT8:
      return Physical::kUInt8;
    case arrow::Type::UINT16:
      return Physical::kUInt16;
    case arrow::Type::UINT32:
      return Physical::kUInt32;
    case arrow::Type::UINT64:
      return Physical::kUInt64;
    case arrow::Type::FLOAT:
      return Physical::kFloat;
    case arrow::Type::DOUBLE:
      return Physical::kDouble;
    case arrow::Type::DECIMAL128:
      return Physical::kInt128;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return Physical::kBytes;
    default:
      return std::nullopt;
  }
}

namespace {

arrow::Result<std::unique_ptr<arrow::ArrayBuilder>> MakeListBuilder(const arrow::ListType& type) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::ArrayBuilder> values, MakePhysicalBuilder(type.value_type()));
  return std::make_unique<arrow::ListBuilder>(arrow::default_memory_pool(), std::move(values));
}

arrow::Result<std::unique_ptr<arrow::ArrayBuilder>> MakeFixedSizeListBuilder(const arrow::FixedSizeListType& type) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::ArrayBuilder> values, MakePhysicalBuilder(type.value_type()));
  return std::make_unique<arrow::FixedSizeListBuilder>(arrow::default_memory_pool(), std::move(values),
                                                       type.list_size());
}

arrow::Result<std::unique_ptr<arrow::ArrayBuilder>> MakeMapBuilder(const arrow::MapType& type) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::ArrayBuilder> keys, MakePhysicalBuilder(type.key_type()));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::ArrayBuilder> items, MakePhysicalBuilder(type.item_type()));
  return std::make_unique<arrow::MapBuilder>(arrow::default_memory_pool(), std::move(keys), std::move(items));
}

arrow::Result<std::unique_ptr<arrow::ArrayBuilder>> MakeStructBuilder(const std::shared_ptr<arrow::DataType>& type) {
  std::vector<std::shared_ptr<arrow::ArrayBuilder>> fields;
  for (const auto& field : type->fields()) {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::ArrayBuilder> builder, MakePhysicalBuilder(field->type()));
    fields.push_back(std::move(builder));
  }
  return std::make_unique<arrow::StructBuilder>(type, arrow::default_memory_pool(), std::move(fields));
}

// The types of what was built in another's layout, inside and out.
void GiveType(const std::shared_ptr<arrow::DataType>& type, arrow::ArrayData& data) {
  data.type = type;
  for (std::size_t i = 0; i < data.child_data.size(); ++i) {
    GiveType(type->field(static_cast<int>(i))->type(), *data.child_data[i]);
  }
}

}  // namespace

arrow::Result<std::unique_ptr<arrow::ArrayBuilder>> MakePhysicalBuilder(const std::shared_ptr<arrow::DataType>& type) {
  if (type->id() == arrow::Type::LIST) return MakeListBuilder(static_cast<const arrow::ListType&>(*type));
  if (type->id() == arrow::Type::FIXED_SIZE_LIST) {
    return MakeFixedSizeListBuilder(static_cast<const arrow::FixedSizeListType&>(*type));
  }
  if (type->id() == arrow::Type::MAP) return MakeMapBuilder(static_cast<const arrow::MapType&>(*type));
  if (type->id() == arrow::Type::STRUCT) return MakeStructBuilder(type);
  const std::optional<Physical> physical = PhysicalOf(*type);
  if (!physical) return arrow::Status::NotImplemented("A column of type ", type->ToString());
  if (*physical == Physical::kBytes || *physical == Physical::kInt128) return arrow::MakeBuilder(type);
  return WithPhysical(*physical, [&]<class V>(std::type_identity<V>) {
    if constexpr (requires { typename arrow::CTypeTraits<V>::BuilderType; }) {
      return arrow::MakeBuilder(arrow::CTypeTraits<V>::type_singleton());
    } else {
      return arrow::MakeBuilder(type);
    }
  });
}

arrow::Result<std::shared_ptr<arrow::Array>> FinishAs(const std::shared_ptr<arrow::DataType>& type,
                                                      arrow::ArrayBuilder& builder) {
  std::shared_ptr<arrow::ArrayData> data;
  ARROW_RETURN_NOT_OK(builder.FinishInternal(&data));
  GiveType(type, *data);
  return arrow::MakeArray(data);
}

}  // namespace hyprstream::aggregate
