// How finished sums become averages, as DuckDB does it.
#pragma once

#include <cmath>
#include <cstdint>

#include "aggregate/physical_internal.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {

struct Division {
  bool wide = true;  // 16-bit arguments are averaged in double, wider ones in long double
  double scale = 1;  // of a decimal argument, as a power of ten

  static Division Of(const arrow::DataType& argument) {
    Division division;
    if (argument.id() == arrow::Type::DECIMAL128) {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(argument);
      division.scale = std::pow(10.0, decimal.scale());
      division.wide = decimal.precision() > 4;
    } else {
      division.wide = argument.bit_width() > 16 || argument.id() == arrow::Type::UINT16;
    }
    return division;
  }

  double operator()(Int128 sum, std::int64_t values) const {
    if (!wide) return static_cast<double>(sum) / (static_cast<double>(values) * scale);
    return static_cast<double>(static_cast<long double>(sum) / (static_cast<long double>(values) * scale));
  }
};

}  // namespace hyprstream::aggregate
