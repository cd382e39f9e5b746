// Results that are vectors: lists of DOUBLEs, of any length or of a fixed one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arrow/array/array_base.h"
#include "arrow/array/builder_nested.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/status.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {

inline bool IsVector(const arrow::DataType& type) {
  const bool is_list = type.id() == arrow::Type::LIST || type.id() == arrow::Type::FIXED_SIZE_LIST;
  return is_list && type.field(0)->type()->id() == arrow::Type::DOUBLE;
}

// Appends a vector to the builder of such a type, and gives the builder that takes its numbers, `length` of them.
// Invalid when vectors have another length.
inline arrow::Result<arrow::DoubleBuilder*> BeginVector(arrow::ArrayBuilder& builder, std::size_t length) {
  if (builder.type()->id() != arrow::Type::FIXED_SIZE_LIST) {
    auto& lists = static_cast<arrow::ListBuilder&>(builder);
    ARROW_RETURN_NOT_OK(lists.Append());
    return static_cast<arrow::DoubleBuilder*>(lists.value_builder());
  }
  auto& lists = static_cast<arrow::FixedSizeListBuilder&>(builder);
  const auto fixed = static_cast<const arrow::FixedSizeListType&>(*builder.type()).list_size();
  if (static_cast<std::size_t>(fixed) != length) {
    return arrow::Status::Invalid("a vector of ", length, " numbers where all have ", fixed);
  }
  ARROW_RETURN_NOT_OK(lists.Append());
  return static_cast<arrow::DoubleBuilder*>(lists.value_builder());
}

// Is one of a vector's numbers NULL? `values` has those of all vectors.
inline bool HasNull(const arrow::Array& values, std::int64_t first, std::int64_t length) {
  if (values.null_count() == 0) return false;
  for (std::int64_t i = first; i < first + length; ++i) {
    if (values.IsNull(i)) return true;
  }
  return false;
}

}  // namespace hyprstream::aggregate
