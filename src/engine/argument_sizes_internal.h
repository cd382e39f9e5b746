// The arguments of one call of a scalar function, row by row, for those who look at how large they are before the work
// starts. Cheap, because they are asked for every vector.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <duckdb/common/types/interval.hpp>
#include <duckdb/common/types/string_type.hpp>
#include <duckdb/common/types/vector.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <string_view>
#include <vector>

#include "engine/flat_bytes_internal.h"

namespace hyprstream::engine {

inline constexpr double kElementBytes = 16;

// One argument of a call, row by row.
class Argument {
 public:
  explicit Argument(const duckdb::Vector& vector)
      : vector_(&vector),
        type_(vector.GetType()),
        constant_(vector.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR) {
    vector.ToUnifiedFormat(format_);
  }

  const duckdb::LogicalType& type() const { return type_; }
  bool IsText() const { return type_.InternalType() == duckdb::PhysicalType::VARCHAR; }
  bool IsList() const { return type_.InternalType() == duckdb::PhysicalType::LIST; }
  bool IsConstant() const { return constant_; }

  // A list of values that have no size of their own, so that Size is no less than what it holds.
  bool IsFlatList() const {
    return type_.id() == duckdb::LogicalTypeId::LIST &&
           duckdb::TypeIsConstantSize(duckdb::ListType::GetChildType(type_).InternalType());
  }
  // See FlatBytes; and no less than that, where it is cheaper to know.
  double Flat(duckdb::idx_t rows, double enough) const { return FlatBytes(*vector_, rows, enough); }
  double FlatAtMost(duckdb::idx_t rows) const {
    if (type_.IsNested() && !IsFlatList()) return INFINITY;
    return SizesAtMost(rows).sum + kElementBytes * static_cast<double>(rows);
  }

  // Bytes that the value holds; 0 for NULL.
  double Size(duckdb::idx_t row) const {
    const auto at = format_.sel->get_index(row);
    if (!format_.validity.RowIsValid(at)) return 0;
    if (IsText()) return static_cast<double>(format_.GetData<duckdb::string_t>()[at].GetSize());
    if (IsList()) return kElementBytes * static_cast<double>(format_.GetData<duckdb::list_entry_t>()[at].length);
    return kElementBytes;
  }

  // At least what all values hold together, and the largest of them; cheap, because it runs for every vector.
  struct Sizes {
    double sum = 0;
    double largest = 0;
  };
  Sizes SizesAtMost(duckdb::idx_t rows) const {
    if (!IsText() && !IsList()) return {.sum = kElementBytes * static_cast<double>(rows), .largest = kElementBytes};
    if (constant_) return {.sum = Size(0) * static_cast<double>(rows), .largest = Size(0)};
    const bool plain = !format_.sel->IsSet() && !format_.validity.CanHaveNull();
    std::uint64_t sum = 0;
    std::uint64_t largest = 0;
    const auto add = [&](std::uint64_t size) {
      sum += size;
      largest = std::max(largest, size);
    };
    if (plain && IsText()) {
      const auto* texts = format_.GetData<duckdb::string_t>();
      for (duckdb::idx_t row = 0; row < rows; ++row) add(texts[row].GetSize());
    } else {
      for (duckdb::idx_t row = 0; row < rows; ++row) add(static_cast<std::uint64_t>(Size(row)));
    }
    return {.sum = static_cast<double>(sum), .largest = static_cast<double>(largest)};
  }

  // The number; 0 for NULL. Infinity for what is not known to be a number.
  double Number(duckdb::idx_t row) const {
    const auto at = format_.sel->get_index(row);
    if (!format_.validity.RowIsValid(at)) return 0;
    switch (type_.InternalType()) {
      case duckdb::PhysicalType::INT8:
        return static_cast<double>(format_.GetData<std::int8_t>()[at]);
      case duckdb::PhysicalType::INT16:
        return static_cast<double>(format_.GetData<std::int16_t>()[at]);
      case duckdb::PhysicalType::INT32:
        return static_cast<double>(format_.GetData<std::int32_t>()[at]);
      case duckdb::PhysicalType::INT64:
        return static_cast<double>(format_.GetData<std::int64_t>()[at]);
      case duckdb::PhysicalType::UINT64:
        return static_cast<double>(format_.GetData<std::uint64_t>()[at]);
      case duckdb::PhysicalType::DOUBLE:
        return format_.GetData<double>()[at];
      case duckdb::PhysicalType::INTERVAL:
        return static_cast<double>(duckdb::Interval::GetMicro(format_.GetData<duckdb::interval_t>()[at]));
      default:
        return INFINITY;
    }
  }

  std::string_view Text(duckdb::idx_t row) const {
    const auto at = format_.sel->get_index(row);
    if (!IsText() || !format_.validity.RowIsValid(at)) return {};
    const auto& text = format_.GetData<duckdb::string_t>()[at];
    return {text.GetData(), text.GetSize()};
  }

 private:
  const duckdb::Vector* vector_;
  duckdb::LogicalType type_;
  bool constant_;
  duckdb::UnifiedVectorFormat format_;
};

using Arguments = std::vector<Argument>;

}  // namespace hyprstream::engine
