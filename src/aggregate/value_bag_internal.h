// Every distinct value of a column and how often it came: what exact distinct counts, quantiles and modes are read
// from.
//
// NaN is one value, the greatest; zero has no sign. Thread safety: none; const methods from any thread while nobody
// writes.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "aggregate/physical_internal.h"
#include "aggregate/row_keys_internal.h"
#include "aggregate/state_bytes_internal.h"

namespace hyprstream::aggregate {

template <class V>
class ValueBag {
 public:
  using Stored = std::conditional_t<std::same_as<V, std::string_view>, std::string, V>;
  struct Entry {
    Stored value{};
    std::uint64_t count = 0;  // 0: an empty place
  };

  void Add(V value, std::uint64_t count = 1) {
    value = Canonical(value);
    if ((size_ + 1) * 4 > entries_.size() * 3) Grow();
    Entry& entry = PlaceOf(value);
    if (entry.count == 0) {
      entry.value = Stored(value);
      ++size_;
      text_bytes_ += TextBytes(entry.value);
    }
    entry.count = Sum(entry.count, count);
    total_ = Sum(total_, count);
  }
  void Merge(const ValueBag& other) {
    for (const Entry& entry : other.entries_) {
      if (entry.count != 0) Add(entry.value, entry.count);
    }
  }

  // Counts end where they would begin again.
  static std::uint64_t Sum(std::uint64_t a, std::uint64_t b) {
    std::uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::uint64_t>::max() : sum;
  }

  std::size_t size() const { return size_; }  // distinct values
  std::uint64_t total() const { return total_; }
  std::int64_t bytes() const {
    return static_cast<std::int64_t>(sizeof(ValueBag) + entries_.capacity() * sizeof(Entry)) + text_bytes_;
  }
  // Ascending.
  std::vector<const Entry*> Sorted() const {
    std::vector<const Entry*> sorted;
    sorted.reserve(size_);
    for (const Entry& entry : entries_) {
      if (entry.count != 0) sorted.push_back(&entry);
    }
    std::ranges::sort(sorted, [](const Entry* a, const Entry* b) { return Less(a->value, b->value); });
    return sorted;
  }

  void Save(StateWriter& writer) const {
    writer.Put(static_cast<std::uint64_t>(size_));
    for (const Entry* entry : Sorted()) {
      if constexpr (std::same_as<V, std::string_view>) {
        writer.Put(static_cast<std::uint64_t>(entry->value.size()));
        writer.PutBytes(entry->value);
      } else {
        writer.Put(entry->value);
      }
      writer.Put(entry->count);
    }
  }
  arrow::Status Load(StateReader& reader) {
    ARROW_ASSIGN_OR_RAISE(const auto size, reader.Take<std::uint64_t>());
    for (std::uint64_t i = 0; i < size; ++i) {
      ARROW_ASSIGN_OR_RAISE(const V value, TakeValue(reader));
      ARROW_ASSIGN_OR_RAISE(const auto count, reader.Take<std::uint64_t>());
      if (count == 0 || count > kTotalMax - total_) return arrow::Status::Invalid("View state: a count that cannot be");
      Add(value, count);
      if (size_ != i + 1) return arrow::Status::Invalid("View state: the same value twice");
    }
    return arrow::Status::OK();
  }

 private:
  static constexpr std::uint64_t kTotalMax = std::uint64_t{1} << 48;

  static V Canonical(V value) {
    if constexpr (std::is_floating_point_v<V>) {
      if (std::isnan(value)) return std::numeric_limits<V>::quiet_NaN();
      return value == 0 ? V{0} : value;
    }
    return value;
  }
  static bool Less(const Stored& a, const Stored& b) {
    if constexpr (std::is_floating_point_v<V>) return a < b || (std::isnan(b) && !std::isnan(a));
    return a < b;
  }
  static bool Equal(const Stored& a, const V& b) {
    if constexpr (std::is_floating_point_v<V>) return a == b || (std::isnan(a) && std::isnan(b));
    return a == b;
  }
  static std::uint64_t HashOf(const V& value) {
    if constexpr (std::same_as<V, std::string_view>) {
      return HashRow(value);
    } else {
      return HashRow({reinterpret_cast<const char*>(&value), sizeof(V)});
    }
  }
  static std::int64_t TextBytes(const Stored& value) {
    if constexpr (std::same_as<V, std::string_view>) {
      return static_cast<std::int64_t>(value.capacity() < sizeof(std::string) ? 0 : value.capacity());
    }
    return 0;
  }
  static arrow::Result<V> TakeValue(StateReader& reader) {
    if constexpr (std::same_as<V, std::string_view>) {
      ARROW_ASSIGN_OR_RAISE(const auto size, reader.Take<std::uint64_t>());
      return reader.TakeBytes(size);
    } else if constexpr (std::same_as<V, bool>) {
      ARROW_ASSIGN_OR_RAISE(const auto byte, reader.Take<std::uint8_t>());
      if (byte > 1) return arrow::Status::Invalid("View state: a truth that is neither");
      return byte == 1;
    } else {
      return reader.Take<V>();
    }
  }

  Entry& PlaceOf(const V& value) {
    const std::size_t mask = entries_.size() - 1;
    std::size_t at = HashOf(value) & mask;
    while (entries_[at].count != 0 && !Equal(entries_[at].value, value)) at = (at + 1) & mask;
    return entries_[at];
  }
  void Grow() {
    std::vector<Entry> old(std::max<std::size_t>(4, entries_.size() * 2));
    std::swap(old, entries_);
    for (Entry& entry : old) {
      if (entry.count != 0) PlaceOf(entry.value) = std::move(entry);
    }
  }

  std::vector<Entry> entries_;  // open addressing, a power of two
  std::size_t size_ = 0;
  std::uint64_t total_ = 0;
  std::int64_t text_bytes_ = 0;
};

}  // namespace hyprstream::aggregate
