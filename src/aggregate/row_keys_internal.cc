#include "aggregate/row_keys_internal.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "arrow/status.h"

namespace hyprstream::aggregate {
namespace {

using row_keys_internal::Load;

using LengthPrefix = std::uint32_t;

template <class V>
V Canonical(V value) {
  if constexpr (std::is_floating_point_v<V>) {
    if (std::isnan(value)) return std::numeric_limits<V>::quiet_NaN();
    if (value == V{0}) return V{0};
  }
  return value;
}

std::int64_t WidthOf(Physical physical) {
  return WithPhysical(physical, []<class V>(std::type_identity<V>) { return static_cast<std::int64_t>(sizeof(V)); });
}

// Two bytes at least, so that a key's fixed columns are aligned in a record.
std::int64_t BitmapBytes(std::size_t columns) {
  return columns == 0 ? 0 : std::max<std::int64_t>(2, static_cast<std::int64_t>((columns + 7) / 8));
}

}  // namespace

KeyCodec::KeyCodec(std::vector<Column> columns) : columns_(std::move(columns)) {
  fixed_width_ = BitmapBytes(columns_.size());
  std::int64_t bytes_columns = 0;
  for (const Column& column : columns_) {
    if (column.physical == Physical::kBytes) {
      offsets_.push_back(bytes_columns++);
      has_bytes_ = true;
    } else {
      offsets_.push_back(fixed_width_);
      fixed_width_ += WidthOf(column.physical);
    }
  }
}

std::optional<IntegerKey> KeyCodec::integer() const {
  if (columns_.size() != 1) return std::nullopt;
  return WithPhysical(columns_.front().physical, []<class V>(std::type_identity<V>) -> std::optional<IntegerKey> {
    if constexpr (std::is_integral_v<V> && sizeof(V) <= sizeof(std::int64_t))
      return IntegerKey{.width = sizeof(V), .is_signed = std::is_signed_v<V>};
    return std::nullopt;
  });
}

void KeyCodec::LayOutVariable(std::span<const std::shared_ptr<arrow::Array>> columns, const RowRange& range,
                              RowKeys& keys) const {
  keys.offsets_.assign(std::size_t{range.count} + 1, 0);
  std::int64_t fixed = fixed_width_;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (columns_[c].physical != Physical::kBytes) continue;
    fixed += static_cast<std::int64_t>(sizeof(LengthPrefix));
    WithColumn<std::string_view>(*columns[c], [&](auto column) {
      for (std::size_t i = 0; i < range.count; ++i) {
        if (columns[c]->IsValid(range.Row(i))) keys.offsets_[i + 1] += column(range.Row(i)).size();
      }
    });
  }
  for (std::size_t row = 1; row < keys.offsets_.size(); ++row) {
    keys.offsets_[row] += keys.offsets_[row - 1] + static_cast<std::uint64_t>(fixed);
  }
  keys.bytes_.assign(keys.offsets_.back(), 0);
  keys.cursors_.resize(range.count);
  for (std::size_t i = 0; i < range.count; ++i) {
    keys.cursors_[i] = keys.offsets_[i] + static_cast<std::uint64_t>(fixed_width_);
  }
}

void KeyCodec::Encode(std::span<const std::shared_ptr<arrow::Array>> columns, const RowRange& range,
                      RowKeys& keys) const {
  keys.size_ = range.count;
  if (has_bytes_) {
    LayOutVariable(columns, range, keys);
  } else {
    keys.bytes_.assign(static_cast<std::size_t>(range.count * fixed_width_), 0);
  }
  for (int c = 0; c < column_count(); ++c) {
    const auto at = static_cast<std::size_t>(c);
    if (columns_[at].physical == Physical::kBytes) {
      EncodeBytes(c, *columns[at], range, keys);
    } else {
      EncodeFixed(c, *columns[at], range, keys);
    }
  }
}

void KeyCodec::EncodeFixed(int column, const arrow::Array& array, const RowRange& range, RowKeys& keys) const {
  const auto offset = static_cast<std::uint64_t>(offsets_[static_cast<std::size_t>(column)]);
  const auto mask = static_cast<std::uint8_t>(1U << (column % 8));
  WithPhysical(columns_[static_cast<std::size_t>(column)].physical, [&]<class V>(std::type_identity<V>) {
    if constexpr (!std::same_as<V, std::string_view>) {
      WithColumn<V>(array, [&](auto values) {
        const bool has_nulls = array.null_count() != 0;
        for (std::size_t i = 0; i < range.count; ++i) {
          const std::uint32_t row = range.Row(i);
          if (has_nulls && array.IsNull(row)) continue;
          std::uint8_t* key =
              keys.bytes_.data() + (has_bytes_ ? keys.offsets_[i] : i * static_cast<std::uint64_t>(fixed_width_));
          key[column / 8] |= mask;
          const V value = Canonical<V>(values(row));
          std::memcpy(key + offset, &value, sizeof(V));
        }
      });
    }
  });
}

void KeyCodec::EncodeBytes(int column, const arrow::Array& array, const RowRange& range, RowKeys& keys) const {
  const auto mask = static_cast<std::uint8_t>(1U << (column % 8));
  WithColumn<std::string_view>(array, [&](auto values) {
    for (std::size_t i = 0; i < range.count; ++i) {
      const std::uint32_t row = range.Row(i);
      std::uint8_t* at = keys.bytes_.data() + keys.cursors_[i];
      keys.cursors_[i] += sizeof(LengthPrefix);
      if (array.IsNull(row)) continue;
      keys.bytes_[keys.offsets_[i] + static_cast<std::uint64_t>(column / 8)] |= mask;
      const std::string_view value = values(row);
      const auto length = static_cast<LengthPrefix>(value.size());
      std::memcpy(at, &length, sizeof(length));
      if (!value.empty()) std::memcpy(at + sizeof(length), value.data(), value.size());
      keys.cursors_[i] += value.size();
    }
  });
}

std::string_view KeyCodec::Value(int column, std::string_view row) const {
  const auto at = static_cast<std::size_t>(column);
  if (columns_[at].physical != Physical::kBytes) {
    return row.substr(static_cast<std::size_t>(offsets_[at]), static_cast<std::size_t>(WidthOf(columns_[at].physical)));
  }
  auto cursor = static_cast<std::size_t>(fixed_width_);
  for (std::int64_t skip = offsets_[at]; skip > 0; --skip) {
    cursor += sizeof(LengthPrefix) + Load<LengthPrefix>(row.data() + cursor);
  }
  return row.substr(cursor + sizeof(LengthPrefix), Load<LengthPrefix>(row.data() + cursor));
}

arrow::Status KeyCodec::Decode(int column, std::span<const std::string_view> rows, arrow::ArrayBuilder& builder) const {
  const auto physical = columns_[static_cast<std::size_t>(column)].physical;
  return WithPhysical(physical, [&]<class V>(std::type_identity<V>) {
    return WithRoom<V>(builder, rows.size(), [&](auto append) {
      for (const std::string_view key : rows) {
        if (!IsPresent(column, key)) {
          ARROW_RETURN_NOT_OK(builder.AppendNull());
        } else if constexpr (std::same_as<V, std::string_view>) {
          ARROW_RETURN_NOT_OK(append(Value(column, key)));
        } else {
          ARROW_RETURN_NOT_OK(append(Load<V>(key.data() + offsets_[static_cast<std::size_t>(column)])));
        }
      }
      return arrow::Status::OK();
    });
  });
}

bool KeyCodec::IsWellFormed(std::string_view row) const {
  if (row.size() < static_cast<std::size_t>(fixed_width_)) return false;
  const auto bitmap_bits = static_cast<std::size_t>(BitmapBytes(columns_.size())) * 8;
  for (std::size_t bit = columns_.size(); bit < bitmap_bits; ++bit) {
    if (IsPresent(static_cast<int>(bit), row)) return false;
  }
  auto cursor = static_cast<std::size_t>(fixed_width_);
  for (int c = 0; c < column_count(); ++c) {
    const auto at = static_cast<std::size_t>(c);
    const Physical physical = columns_[at].physical;
    if (physical == Physical::kBytes) {
      if (row.size() - cursor < sizeof(LengthPrefix)) return false;
      const auto length = Load<LengthPrefix>(row.data() + cursor);
      cursor += sizeof(LengthPrefix);
      if (row.size() - cursor < length || (length != 0 && !IsPresent(c, row))) return false;
      if (columns_[at].type->id() == arrow::Type::FIXED_SIZE_BINARY && IsPresent(c, row) &&
          length != static_cast<std::size_t>(columns_[at].type->byte_width())) {
        return false;
      }
      cursor += length;
      continue;
    }
    const std::string_view value = Value(c, row);
    if (!IsPresent(c, row) && value.find_first_not_of('\0') != std::string_view::npos) return false;
    if (physical == Physical::kBool && static_cast<unsigned char>(value[0]) > 1) return false;
  }
  return cursor == row.size();
}

}  // namespace hyprstream::aggregate
