// Reading and writing the little-endian bytes of the state format; the reader never leaves its bounds.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "arrow/result.h"
#include "arrow/status.h"

namespace hyprstream::aggregate {

static_assert(std::endian::native == std::endian::little, "the state format is written as memory lies");

class StateWriter {
 public:
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  // Without a length: the reader must know it.
  void PutBytes(std::string_view bytes) { bytes_.append(bytes); }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void PutAll(const std::vector<T>& values) {
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }

  const std::string& bytes() const { return bytes_; }
  std::string Take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class StateReader {
 public:
  explicit StateReader(std::string_view bytes) : left_(bytes) {}

  std::size_t left() const { return left_.size(); }

  arrow::Result<std::string_view> TakeBytes(std::uint64_t size) {
    if (size > left_.size()) return arrow::Status::Invalid("View state: it ends too early");
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  arrow::Result<T> Take() {
    ARROW_ASSIGN_OR_RAISE(const std::string_view bytes, TakeBytes(sizeof(T)));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  // `count` values, checked against what is left before memory is taken for them.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  arrow::Result<std::vector<T>> TakeAll(std::uint64_t count) {
    if (count > left_.size() / sizeof(T)) return arrow::Status::Invalid("View state: it ends too early");
    std::vector<T> values(count);
    ARROW_ASSIGN_OR_RAISE(const std::string_view bytes, TakeBytes(count * sizeof(T)));
    if (count != 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  std::string_view left_;
};

}  // namespace hyprstream::aggregate
