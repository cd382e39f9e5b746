// Group keys as canonical bytes: two rows are one group exactly when their row keys are equal, byte for byte.
//
// A row key is a bitmap of which columns are present, then the fixed-width columns in order (zeros when NULL), then the
// bytes columns in order (uint32 length, bytes; length 0 when NULL). Little-endian; NaN is one NaN and -0.0 is 0.0, as
// in DuckDB's GROUP BY. Part of the state format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/physical_internal.h"

namespace hyprstream::aggregate {

// An arena of row keys. Without bytes columns all rows have one width and no offsets are kept.
class RowKeys {
 public:
  static constexpr std::int64_t kVariable = -1;

  explicit RowKeys(std::int64_t width) : width_(width) {
    if (width_ == kVariable) offsets_.push_back(0);
  }

  std::int64_t size() const { return size_; }
  std::string_view Row(std::int64_t row) const {
    const char* bytes = reinterpret_cast<const char*>(bytes_.data());
    if (width_ != kVariable) return {bytes + row * width_, static_cast<std::size_t>(width_)};
    const std::uint64_t begin = offsets_[static_cast<std::size_t>(row)];
    return {bytes + begin, offsets_[static_cast<std::size_t>(row) + 1] - begin};
  }
  void Append(std::string_view row) {
    bytes_.insert(bytes_.end(), row.begin(), row.end());
    if (width_ == kVariable) offsets_.push_back(bytes_.size());
    ++size_;
  }
  std::int64_t bytes() const {
    return static_cast<std::int64_t>(bytes_.capacity() + offsets_.capacity() * sizeof(std::uint64_t));
  }

 private:
  friend class KeyCodec;
  std::int64_t width_;
  std::int64_t size_ = 0;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::uint64_t> offsets_;  // size() + 1 of them when rows vary in width
};

// Encodes and decodes the keys of one view, its window key excepted. Immutable.
class KeyCodec {
 public:
  struct Column {
    std::shared_ptr<arrow::DataType> type;
    Physical physical;
  };

  explicit KeyCodec(std::vector<Column> columns);

  int column_count() const { return static_cast<int>(columns_.size()); }
  // Of every row, RowKeys::kVariable when they vary.
  std::int64_t width() const { return has_bytes_ ? RowKeys::kVariable : fixed_width_; }

  // `columns` one per key, of its type, each with `rows` rows.
  RowKeys Encode(std::span<const std::shared_ptr<arrow::Array>> columns, std::int64_t rows) const;
  // Appends one key of the given rows to a builder of MakePhysicalBuilder.
  arrow::Status Decode(int column, const RowKeys& keys, std::span<const std::uint32_t> rows,
                       arrow::ArrayBuilder& builder) const;
  // One key's bytes within a row, empty string and NULL told apart by IsPresent.
  std::string_view Value(int column, std::string_view row) const;
  static bool IsPresent(int column, std::string_view row) {
    return (static_cast<unsigned char>(row[static_cast<std::size_t>(column / 8)]) >> (column % 8) & 1U) != 0;
  }
  // Is this what Encode could have written? For bytes from outside.
  bool IsWellFormed(std::string_view row) const;

 private:
  void EncodeFixed(int column, const arrow::Array& array, RowKeys& keys) const;
  void EncodeBytes(int column, const arrow::Array& array, std::span<std::uint64_t> cursors, RowKeys& keys) const;
  void LayOutVariable(std::span<const std::shared_ptr<arrow::Array>> columns, std::int64_t rows, RowKeys& keys) const;

  std::vector<Column> columns_;
  std::vector<std::int64_t> offsets_;  // of fixed columns in a row; for bytes columns their number among those
  std::int64_t fixed_width_ = 0;       // bitmap and fixed columns
  bool has_bytes_ = false;
};

// a == b; short keys without a call of memcmp.
inline bool EqualRows(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  if (a.size() < 8 || a.size() > 16) return a == b;
  const auto differ = [&](std::size_t at) {
    std::uint64_t left, right;
    std::memcpy(&left, a.data() + at, sizeof(left));
    std::memcpy(&right, b.data() + at, sizeof(right));
    return left ^ right;
  };
  return (differ(0) | differ(a.size() - 8)) == 0;
}

// 64-bit hash of a row key; not part of any format.
std::uint64_t HashRow(std::string_view row);

}  // namespace hyprstream::aggregate
