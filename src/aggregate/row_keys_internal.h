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

  std::int8_t width;
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

// How a row key of one bytes column holds its value.
struct TextKey {
  static constexpr std::size_t kOffset = 2 + sizeof(std::uint32_t);  // behind the bitmap and the length

  // From a row key that is not NULL.
  static std::string_view Read(std::string_view key) { return key.substr(kOffset); }
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
  // Is there one column, and it is of bytes?
  bool is_text() const { return columns_.size() == 1 && columns_.front().physical == Physical::kBytes; }
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

namespace row_keys_internal {

template <class T>
T Load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

inline std::uint64_t Mix(std::uint64_t a, std::uint64_t b) {
  const UInt128 product = static_cast<UInt128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace row_keys_internal

// a == b; short keys without a call of memcmp.
inline bool EqualRows(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const std::size_t size = a.size();
  if (size < 8 || size > 32) return a == b;
  const auto differ = [&](std::size_t at) {
    return row_keys_internal::Load<std::uint64_t>(a.data() + at) ^
           row_keys_internal::Load<std::uint64_t>(b.data() + at);
  };
  if (size <= 16) return (differ(0) | differ(size - 8)) == 0;
  return (differ(0) | differ(8) | differ(size - 16) | differ(size - 8)) == 0;
}

// 64-bit hash of a row key, or of anything else; not part of any format. Multiply-fold of 16 bytes a step, as in
// wyhash.
inline std::uint64_t HashRow(std::string_view row) {
  using row_keys_internal::Load;
  using row_keys_internal::Mix;
  constexpr std::uint64_t kFirst = 0xa0761d6478bd642fULL;
  constexpr std::uint64_t kSecond = 0xe7037ed1a0b428dbULL;
  std::uint64_t hash = kFirst ^ row.size();
  const char* bytes = row.data();
  std::size_t left = row.size();
  for (; left > 16; left -= 16, bytes += 16) {
    hash = Mix(Load<std::uint64_t>(bytes) ^ kSecond, Load<std::uint64_t>(bytes + 8) ^ hash);
  }
  std::uint64_t tail[2] = {0, 0};
  if (left >= 8) {  // two words that may overlap: no copy of unknown length
    tail[0] = Load<std::uint64_t>(bytes);
    tail[1] = Load<std::uint64_t>(bytes + left - 8);
  } else if (left >= 4) {
    tail[0] = Load<std::uint32_t>(bytes);
    tail[1] = Load<std::uint32_t>(bytes + left - 4);
  } else if (left != 0) {
    const auto byte = [bytes](std::size_t at) { return std::uint64_t{static_cast<unsigned char>(bytes[at])}; };
    tail[0] = byte(0) | byte(left / 2) << 8 | byte(left - 1) << 16;
  }
  return Mix(Mix(tail[0] ^ kSecond, tail[1] ^ hash), kFirst);
}

}  // namespace hyprstream::aggregate
