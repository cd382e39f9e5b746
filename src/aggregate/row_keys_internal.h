// Group keys as canonical bytes: two rows are one group exactly when their row keys are equal, byte for byte.
//
// A row key is a bitmap of which columns are present (two bytes or more), then the fixed-width columns in order (zeros
// when NULL), then the bytes columns in order (uint32 length, bytes; length 0 when NULL). Without columns it is empty.
// Little-endian; NaN is one NaN and -0.0 is 0.0, as in DuckDB's GROUP BY. Part of the state format.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/block_internal.h"
#include "aggregate/physical_internal.h"

namespace hyprstream::aggregate {

// The row keys of some rows. Without bytes columns all rows have one width and no offsets are kept.
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

 private:
  friend class KeyCodec;
  std::int64_t width_;
  std::int64_t size_ = 0;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::uint64_t> offsets_;  // size() + 1 of them when rows vary in width
  std::vector<std::uint64_t> cursors_;  // while rows of varying width are written: the end of each so far
};

// Integers from least to greatest, both included; unsigned ones of 64 bits by their bits.
struct IntegerRange {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  std::int64_t greatest = std::numeric_limits<std::int64_t>::min();

  bool is_empty() const { return least > greatest; }
  // At most 2^64 - 1, also where it is 2^64.
  std::uint64_t size() const {
    const std::uint64_t last = static_cast<std::uint64_t>(greatest) - static_cast<std::uint64_t>(least);
    return is_empty() ? 0 : last + (last == std::numeric_limits<std::uint64_t>::max() ? 0 : 1);
  }
  bool Contains(const IntegerRange& other) const { return least <= other.least && greatest >= other.greatest; }
  IntegerRange With(const IntegerRange& other) const {
    return {.least = std::min(least, other.least), .greatest = std::max(greatest, other.greatest)};
  }
  void Add(std::int64_t value) {
    least = std::min(least, value);
    greatest = std::max(greatest, value);
  }
};

// How a row key of one integer column holds its value.
struct IntegerKey {
  static constexpr std::size_t kOffset = 2;  // behind the bitmap

  int width;
  bool is_signed;

  // From the eight bytes at kOffset, those beyond the width zero.
  std::int64_t Widen(std::uint64_t bits) const {
    const int shift = 64 - 8 * width;
    return is_signed ? static_cast<std::int64_t>(bits << shift) >> shift : static_cast<std::int64_t>(bits);
  }
  // From a row key that is not NULL.
  std::int64_t Read(std::string_view key) const {
    std::uint64_t bits = 0;
    std::memcpy(&bits, key.data() + kOffset, static_cast<std::size_t>(width));
    return Widen(bits);
  }
  // A whole row key, over one of zeros.
  void Write(std::int64_t value, std::byte* key) const {
    key[0] = std::byte{1};
    std::memcpy(key + kOffset, &value, static_cast<std::size_t>(width));
  }
};

// Encodes and decodes the keys of one view, its window key excepted. Immutable.
class KeyCodec {
 public:
  struct Column {
    std::shared_ptr<arrow::DataType> type;
    Physical physical;
  };

  explicit KeyCodec(std::vector<Column> columns);

  const std::vector<Column>& columns() const { return columns_; }

  int column_count() const { return static_cast<int>(columns_.size()); }
  // When there is one column, and it is of integers, truths or times of up to 64 bits.
  std::optional<IntegerKey> integer() const;
  // Of every row, RowKeys::kVariable when they vary.
  std::int64_t width() const { return has_bytes_ ? RowKeys::kVariable : fixed_width_; }

  // The keys of the rows; `columns` one per key, of its type. `keys` are overwritten, their memory is used again.
  void Encode(std::span<const std::shared_ptr<arrow::Array>> columns, const RowRange& range, RowKeys& keys) const;
  // Appends one key of the given row keys to a builder of MakePhysicalBuilder.
  arrow::Status Decode(int column, std::span<const std::string_view> rows, arrow::ArrayBuilder& builder) const;
  // One key's bytes within a row, empty string and NULL told apart by IsPresent.
  std::string_view Value(int column, std::string_view row) const;
  static bool IsPresent(int column, std::string_view row) {
    return (static_cast<unsigned char>(row[static_cast<std::size_t>(column / 8)]) >> (column % 8) & 1U) != 0;
  }
  // Is this what Encode could have written? For bytes from outside.
  bool IsWellFormed(std::string_view row) const;

 private:
  void EncodeFixed(int column, const arrow::Array& array, const RowRange& range, RowKeys& keys) const;
  void EncodeBytes(int column, const arrow::Array& array, const RowRange& range, RowKeys& keys) const;
  void LayOutVariable(std::span<const std::shared_ptr<arrow::Array>> columns, const RowRange& range,
                      RowKeys& keys) const;

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
