#include "engine/first_rows_internal.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace hyprstream::engine {

namespace {

// Values as integers of the same order.
using Rank = __int128;
constexpr Rank kAboveAll = static_cast<Rank>(~static_cast<unsigned __int128>(0) >> 1);

Rank RankOf(double value) {
  if (std::isnan(value)) return kAboveAll - 1;
  const auto bits = std::bit_cast<std::int64_t>(value == 0 ? 0.0 : value);  // -0 and 0 are one
  return bits >= 0 ? bits : std::numeric_limits<std::int64_t>::min() - bits;
}
Rank RankOf(float value) { return RankOf(static_cast<double>(value)); }
template <class T>
  requires std::is_integral_v<T>
Rank RankOf(T value) {
  return value;
}

template <class T>
void AddRanks(const arrow::ArrayData& column, std::vector<Rank>& ranks) {
  const auto* values = column.GetValues<T>(1);
  for (std::int64_t i = 0; i < column.length; ++i) ranks.push_back(RankOf(values[i]));
}

void AddDecimals(const arrow::Array& column, std::vector<Rank>& ranks) {
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(column);
  for (std::int64_t i = 0; i < decimals.length(); ++i) {
    const arrow::Decimal128 value(decimals.GetValue(i));
    ranks.push_back(static_cast<Rank>(
        (static_cast<unsigned __int128>(static_cast<std::uint64_t>(value.high_bits())) << 64) | value.low_bits()));
  }
}

bool AddRanks(const arrow::Array& column, std::vector<Rank>& ranks) {
  switch (column.type_id()) {
    case arrow::Type::INT8:
      AddRanks<std::int8_t>(*column.data(), ranks);
      return true;
    case arrow::Type::INT16:
      AddRanks<std::int16_t>(*column.data(), ranks);
      return true;
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      AddRanks<std::int32_t>(*column.data(), ranks);
      return true;
    case arrow::Type::INT64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::TIME64:
      AddRanks<std::int64_t>(*column.data(), ranks);
      return true;
    case arrow::Type::UINT8:
      AddRanks<std::uint8_t>(*column.data(), ranks);
      return true;
    case arrow::Type::UINT16:
      AddRanks<std::uint16_t>(*column.data(), ranks);
      return true;
    case arrow::Type::UINT32:
      AddRanks<std::uint32_t>(*column.data(), ranks);
      return true;
    case arrow::Type::UINT64:
      AddRanks<std::uint64_t>(*column.data(), ranks);
      return true;
    case arrow::Type::FLOAT:
      AddRanks<float>(*column.data(), ranks);
      return true;
    case arrow::Type::DOUBLE:
      AddRanks<double>(*column.data(), ranks);
      return true;
    case arrow::Type::DECIMAL128:
      AddDecimals(column, ranks);
      return true;
    default:
      return false;
  }
}

// The lowest first.
std::vector<Rank> RanksOf(const arrow::Array& column, const RowOrder& order) {
  std::vector<Rank> ranks;
  ranks.reserve(static_cast<std::size_t>(column.length()));
  AddRanks(column, ranks);
  for (std::int64_t i = 0; i < column.length(); ++i) {
    auto& rank = ranks[static_cast<std::size_t>(i)];
    if (column.IsNull(i)) {
      rank = order.nulls_first ? -kAboveAll - 1 : kAboveAll;
    } else if (order.descending) {
      rank = -rank;
    }
  }
  return ranks;
}

struct RankedRow {
  Rank rank;
  std::int64_t row;
};

arrow::Result<std::shared_ptr<arrow::RecordBatch>> RowsAt(const arrow::RecordBatch& batch,
                                                          const std::vector<RankedRow>& rows) {
  arrow::ArrayVector columns;
  for (const auto& column : batch.columns()) {
    arrow::ArrayVector cells;
    for (const auto& row : rows) cells.push_back(column->Slice(row.row, 1));
    if (cells.empty()) cells.push_back(column->Slice(0, 0));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), arrow::Concatenate(cells));
  }
  return arrow::RecordBatch::Make(batch.schema(), static_cast<std::int64_t>(rows.size()), std::move(columns));
}

// Of a batch: its first rows, in any order, and none that come after `worst`.
std::vector<RankedRow> FirstOf(const std::vector<Rank>& ranks, std::size_t rows, Rank worst) {
  std::vector<RankedRow> first;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i] <= worst) first.push_back({ranks[i], static_cast<std::int64_t>(i)});
  }
  if (first.size() > rows) {
    std::ranges::nth_element(first, first.begin() + static_cast<std::ptrdiff_t>(rows), {}, &RankedRow::rank);
    first.resize(rows);
  }
  return first;
}

}  // namespace

bool CanOrder(const arrow::DataType& type) {
  std::vector<Rank> ranks;
  const auto none = arrow::MakeEmptyArray(type.GetSharedPtr());
  return none.ok() && AddRanks(**none, ranks);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> FirstRows(arrow::RecordBatchReader& reader, const RowOrder& order,
                                                             const std::function<void()>& before_batch) {
  const auto rows = static_cast<std::size_t>(order.rows);
  ARROW_ASSIGN_OR_RAISE(auto best, arrow::RecordBatch::MakeEmpty(reader.schema()));
  Rank worst = kAboveAll;  // that may still be among them
  while (rows > 0) {
    before_batch();
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader.Next());
    if (batch == nullptr) break;
    const auto found = FirstOf(RanksOf(*batch->column(order.column), order), rows, worst);
    if (found.empty()) continue;
    ARROW_ASSIGN_OR_RAISE(const auto more, RowsAt(*batch, found));
    ARROW_ASSIGN_OR_RAISE(const auto both, arrow::ConcatenateRecordBatches({best, more}));
    auto kept = FirstOf(RanksOf(*both->column(order.column), order), rows, kAboveAll);
    std::ranges::sort(kept, {}, &RankedRow::rank);
    if (kept.size() == rows) worst = kept.back().rank;
    ARROW_ASSIGN_OR_RAISE(best, RowsAt(*both, kept));
  }
  return best;
}

}  // namespace hyprstream::engine
