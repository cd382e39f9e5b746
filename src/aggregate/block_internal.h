// A block of rows of one batch as kernels want them: values in a row, without NULLs and without selection.
//
// Kernels work block by block, so that keys, records and values are still in the cache when the next kernel needs them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "aggregate/physical_internal.h"
#include "arrow/array/array_base.h"

namespace hyprstream::aggregate {

inline constexpr std::size_t kBlockRows = 1024;

// Rows [first, first + count) of a batch, or those that `rows` lists when it is not null.
struct RowRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  const std::uint32_t* rows = nullptr;

  std::uint32_t Row(std::size_t i) const { return rows == nullptr ? first + static_cast<std::uint32_t>(i) : rows[i]; }
  // `length` of them from the i-th on.
  RowRange Part(std::size_t i, std::size_t length) const {
    return rows == nullptr
               ? RowRange{.first = first + static_cast<std::uint32_t>(i), .count = static_cast<std::uint32_t>(length)}
               : RowRange{.count = static_cast<std::uint32_t>(length), .rows = rows + i};
  }
};

// What an aggregate takes of a block: the rows where its condition is true and none of its arguments is NULL.
struct BlockInput {
  std::span<const arrow::Array* const> arguments;  // none: count(*)
  const arrow::Array* filter = nullptr;            // of truths; null: all rows
  RowRange rows;

  bool takes_all() const;
  bool Takes(std::uint32_t row) const;
  bool Passes(std::uint32_t row) const;  // the condition alone
};

// A group's record, see RecordLayout.
using Record = std::byte*;

// Room for the values of one block and the records they go to, reused from block to block.
class BlockScratch {
 public:
  // The first argument's values of V that are taken, in order, and beside them the records of their rows. Both stay
  // until the next call. At most kBlockRows rows.
  template <class V>
  std::pair<const V*, std::span<const Record>> Gather(const BlockInput& input, std::span<const Record> records);
  // The rows that are taken, and beside them their records.
  std::pair<std::span<const std::uint32_t>, std::span<const Record>> Taken(const BlockInput& input,
                                                                           std::span<const Record> records);
  // The records of the rows that are not taken.
  std::span<const Record> Rest(const BlockInput& input, std::span<const Record> records);

 private:
  alignas(16) std::array<std::byte, kBlockRows * 16> values_;
  std::array<Record, kBlockRows> records_;
  std::array<std::uint32_t, kBlockRows> rows_;
};

inline bool BlockInput::takes_all() const {
  if (filter != nullptr) return false;
  for (const arrow::Array* argument : arguments) {
    if (argument->null_count() != 0) return false;
  }
  return true;
}

inline bool BlockInput::Takes(std::uint32_t row) const {
  for (const arrow::Array* argument : arguments) {
    if (argument->IsNull(row)) return false;
  }
  return Passes(row);
}

inline bool BlockInput::Passes(std::uint32_t row) const {
  if (filter == nullptr) return true;
  const arrow::ArrayData& data = *filter->data();
  return filter->IsValid(row) && arrow::bit_util::GetBit(data.GetValues<std::uint8_t>(1, 0), data.offset + row);
}

template <class V>
std::pair<const V*, std::span<const Record>> BlockScratch::Gather(const BlockInput& input,
                                                                  std::span<const Record> records) {
  static_assert(sizeof(V) <= 16);
  const arrow::Array& array = *input.arguments.front();
  const RowRange& rows = input.rows;
  const bool takes_all = input.takes_all();
  if constexpr (std::is_arithmetic_v<V> && !std::same_as<V, bool>) {
    const auto* values = array.data()->GetValues<V>(1);
    const bool aligned = reinterpret_cast<std::uintptr_t>(values) % alignof(V) == 0;
    if (takes_all && rows.rows == nullptr && aligned) return {values + rows.first, records};
  }
  V* const out = reinterpret_cast<V*>(values_.data());
  WithColumn<V>(array, [&](auto column) {
    if (takes_all) {
      for (std::size_t i = 0; i < rows.count; ++i) out[i] = column(rows.Row(i));
      return;
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < rows.count; ++i) {
      const std::uint32_t row = rows.Row(i);
      out[kept] = column(row);
      records_[kept] = records[i];
      kept += input.Takes(row) ? 1 : 0;
    }
    records = std::span<const Record>(records_.data(), kept);
  });
  return {out, records};
}

inline std::pair<std::span<const std::uint32_t>, std::span<const Record>> BlockScratch::Taken(
    const BlockInput& input, std::span<const Record> records) {
  const bool takes_all = input.takes_all();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < input.rows.count; ++i) {
    const std::uint32_t row = input.rows.Row(i);
    rows_[kept] = row;
    records_[kept] = records[i];
    kept += takes_all || input.Takes(row) ? 1 : 0;
  }
  return {std::span(rows_).first(kept), std::span<const Record>(records_.data(), kept)};
}

inline std::span<const Record> BlockScratch::Rest(const BlockInput& input, std::span<const Record> records) {
  if (input.takes_all()) return {};
  std::size_t kept = 0;
  for (std::size_t i = 0; i < input.rows.count; ++i) {
    records_[kept] = records[i];
    kept += input.Takes(input.rows.Row(i)) ? 0 : 1;
  }
  return std::span<const Record>(records_.data(), kept);
}

}  // namespace hyprstream::aggregate
