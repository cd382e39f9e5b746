// The rows that a fit learns from: y, a DOUBLE, and its features, a list of DOUBLEs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "aggregate/block_internal.h"
#include "aggregate/vector_builder_internal.h"
#include "arrow/array/array_nested.h"
#include "arrow/array/array_primitive.h"

namespace hyprstream::aggregate {

// Calls f(record, y, features) for the rows of a block whose arguments are all there; a row with a NULL among its
// features is left out.
template <class F>
void ForEachObservation(const BlockInput& input, std::span<const Record> records, BlockScratch& scratch, const F& f) {
  const auto& ys = static_cast<const arrow::DoubleArray&>(*input.arguments[0]);
  const auto& lists = static_cast<const arrow::ListArray&>(*input.arguments[1]);
  const auto& values = static_cast<const arrow::DoubleArray&>(*lists.values());
  const auto [rows, of_rows] = scratch.Taken(input, records);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::int64_t first = lists.value_offset(rows[i]);
    const std::int64_t length = lists.value_length(rows[i]);
    if (HasNull(values, first, length)) continue;
    f(of_rows[i], ys.Value(rows[i]),
      std::span<const double>(values.raw_values() + first, static_cast<std::size_t>(length)));
  }
}

}  // namespace hyprstream::aggregate
