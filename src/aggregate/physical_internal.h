// How values of the types that keys, arguments and windows may have lie in memory, and loops over them.
//
// One Physical stands for every Arrow type of the same layout: a timestamp is an int64 here, and gets its type back
// when a column is finished.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "arrow/array/array_base.h"
#include "arrow/array/array_binary.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_decimal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "arrow/util/bit_util.h"
#include "arrow/util/decimal.h"

namespace hyprstream::aggregate {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

enum class Physical {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat,
  kDouble,
  kInt128,
  kBytes,
};

// nullopt for nested and other types that are no key and have no order here.
std::optional<Physical> PhysicalOf(const arrow::DataType& type);

// Calls f(std::type_identity<V>) with V bool, an integer, float, double, Int128 or std::string_view.
template <class F>
decltype(auto) WithPhysical(Physical physical, F&& f) {
  switch (physical) {
    case Physical::kBool:
      return f(std::type_identity<bool>{});
    case Physical::kInt8:
      return f(std::type_identity<std::int8_t>{});
    case Physical::kInt16:
      return f(std::type_identity<std::int16_t>{});
    case Physical::kInt32:
      return f(std::type_identity<std::int32_t>{});
    case Physical::kInt64:
      return f(std::type_identity<std::int64_t>{});
    case Physical::kUInt8:
      return f(std::type_identity<std::uint8_t>{});
    case Physical::kUInt16:
      return f(std::type_identity<std::uint16_t>{});
    case Physical::kUInt32:
      return f(std::type_identity<std::uint32_t>{});
    case Physical::kUInt64:
      return f(std::type_identity<std::uint64_t>{});
    case Physical::kFloat:
      return f(std::type_identity<float>{});
    case Physical::kDouble:
      return f(std::type_identity<double>{});
    case Physical::kInt128:
      return f(std::type_identity<Int128>{});
    case Physical::kBytes:
      break;
  }
  return f(std::type_identity<std::string_view>{});
}

// Calls f with a column of V's: `column[row]`; rows count from the array's offset.
template <class V, class F>
auto WithColumn(const arrow::Array& array, F&& f) {
  const arrow::ArrayData& data = *array.data();
  if constexpr (std::same_as<V, bool>) {
    const std::uint8_t* bits = data.GetValues<std::uint8_t>(1, 0);
    return f([bits, offset = data.offset](std::int64_t row) { return arrow::bit_util::GetBit(bits, offset + row); });
  } else if constexpr (std::same_as<V, std::string_view>) {
    switch (array.type_id()) {
      case arrow::Type::LARGE_STRING:
      case arrow::Type::LARGE_BINARY:
        return f(
            [&a = static_cast<const arrow::LargeBinaryArray&>(array)](std::int64_t row) { return a.GetView(row); });
      case arrow::Type::STRING_VIEW:
      case arrow::Type::BINARY_VIEW:
        return f([&a = static_cast<const arrow::BinaryViewArray&>(array)](std::int64_t row) { return a.GetView(row); });
      case arrow::Type::FIXED_SIZE_BINARY:
        return f(
            [&a = static_cast<const arrow::FixedSizeBinaryArray&>(array)](std::int64_t row) { return a.GetView(row); });
      default:
        return f([&a = static_cast<const arrow::BinaryArray&>(array)](std::int64_t row) { return a.GetView(row); });
    }
  } else {
    // memcpy: a buffer from the wire need not be aligned for V.
    const std::uint8_t* bytes = data.GetValues<std::uint8_t>(1, 0);
    return f([bytes = bytes == nullptr ? nullptr
                                       : bytes + data.offset * static_cast<std::int64_t>(sizeof(V))](std::int64_t row) {
      V value;
      std::memcpy(&value, bytes + row * static_cast<std::int64_t>(sizeof(V)), sizeof(V));
      return value;
    });
  }
}

// A builder of the type's layout, also of lists, maps and structs of such types; FinishAs gives the column its type.
arrow::Result<std::unique_ptr<arrow::ArrayBuilder>> MakePhysicalBuilder(const std::shared_ptr<arrow::DataType>& type);
arrow::Result<std::shared_ptr<arrow::Array>> FinishAs(const std::shared_ptr<arrow::DataType>& type,
                                                      arrow::ArrayBuilder& builder);

// Calls f(append) with `append(value)`, for a builder of MakePhysicalBuilder; f returns a Status.
template <class V, class F>
arrow::Status WithBuilder(arrow::ArrayBuilder& builder, F&& f) {
  if constexpr (std::same_as<V, std::string_view>) {
    const auto call = [&](auto& typed) { return f([&typed](std::string_view value) { return typed.Append(value); }); };
    switch (builder.type()->id()) {
      case arrow::Type::LARGE_STRING:
      case arrow::Type::LARGE_BINARY:
        return call(static_cast<arrow::LargeBinaryBuilder&>(builder));
      case arrow::Type::STRING_VIEW:
      case arrow::Type::BINARY_VIEW:
        return call(static_cast<arrow::BinaryViewBuilder&>(builder));
      case arrow::Type::FIXED_SIZE_BINARY:
        return call(static_cast<arrow::FixedSizeBinaryBuilder&>(builder));
      default:
        return call(static_cast<arrow::BinaryBuilder&>(builder));
    }
  } else if constexpr (std::same_as<V, Int128>) {
    auto& typed = static_cast<arrow::Decimal128Builder&>(builder);
    return f([&typed](Int128 value) {
      return typed.Append(arrow::Decimal128(static_cast<std::int64_t>(value >> 64), static_cast<std::uint64_t>(value)));
    });
  } else {
    auto& typed = static_cast<typename arrow::CTypeTraits<V>::BuilderType&>(builder);
    return f([&typed](V value) { return typed.Append(value); });
  }
}

// The same where the number of values, NULLs included, is known: what has a fixed width is appended without a look at
// the room that is left.
template <class V, class F>
arrow::Status WithRoom(arrow::ArrayBuilder& builder, std::size_t values, F&& f) {
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<std::int64_t>(values)));
  if constexpr (std::is_arithmetic_v<V> && !std::same_as<V, Int128>) {
    auto& typed = static_cast<typename arrow::CTypeTraits<V>::BuilderType&>(builder);
    return f([&typed](V value) {
      typed.UnsafeAppend(value);
      return arrow::Status::OK();
    });
  } else {
    return WithBuilder<V>(builder, std::forward<F>(f));
  }
}

}  // namespace hyprstream::aggregate
