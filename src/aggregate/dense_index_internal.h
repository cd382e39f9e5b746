// From integers that lie close together to groups: an array by value, which is the fastest while it is one stretch of
// memory; from a quarter of a million places on in pages, so that it grows without being copied. Copies of a table
// share it as they share a HashIndex.
//
// Thread safety: none, but that Find() of an older copy may be called while the newest is added to.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "aggregate/row_keys_internal.h"
#include "aggregate/table_blocks_internal.h"

namespace hyprstream::aggregate {

class DenseIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  DenseIndex() = default;
  // Of the next copy of a table: the same pages.
  DenseIndex(const DenseIndex& other) = default;
  DenseIndex& operator=(const DenseIndex&) = delete;
  // Of a table of its own, which has the first `groups` of the other's: pages of its own.
  DenseIndex(const DenseIndex& other, std::uint32_t groups, TableBlocks& blocks);

  bool is_empty() const { return places_ == 0; }
  std::uint64_t places() const { return places_; }
  // Beside its blocks.
  std::int64_t bytes() const { return static_cast<std::int64_t>(pages_.capacity() * sizeof(std::uint32_t*)); }
  std::int64_t all_bytes() const {
    return bytes() + static_cast<std::int64_t>(places_ * sizeof(std::uint32_t) + pages_.size() * TableBlocks::kBeside);
  }
  // Of one of so many places, at most.
  static std::int64_t BytesBound(std::uint64_t places);

  // Holds those values from now on, and those that it held.
  void Cover(IntegerRange range, TableBlocks& blocks);
  void Clear(TableBlocks& blocks);
  // No room beyond the greatest value that has a group.
  void Compact(std::int64_t greatest, TableBlocks& blocks);
  // Values that it holds. Of an older copy a group that it does not have, or none.
  std::uint32_t Find(std::int64_t value) const { return Load(At(value)); }
  // A group that is not in it yet.
  void Set(std::int64_t value, std::uint32_t group) {
    std::atomic_ref(At(value)).store(group, std::memory_order_relaxed);
  }
  // As Find, for many; where there is none, `make` gives one.
  template <class Make>
  void FindOrAdd(std::span<const std::int64_t> values, std::span<std::uint32_t> groups, const Make& make);

  template <class F>
  void ForEachBlock(const F& f) const {
    for (std::uint32_t* const page : pages_) f(reinterpret_cast<std::byte*>(page));
  }

 private:
  static constexpr int kPageBits = 10;
  static constexpr std::uint64_t kPagePlaces = std::uint64_t{1} << kPageBits;
  static constexpr std::uint64_t kPageMask = kPagePlaces - 1;
  static constexpr std::uint64_t kFlatPlaces = std::uint64_t{1} << 18;

  std::uint64_t PlaceOf(std::int64_t value) const {
    return static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(least_);
  }
  std::uint32_t& At(std::int64_t value) const {
    const std::uint64_t place = PlaceOf(value);
    return is_flat() ? pages_.front()[place] : pages_[place >> kPageBits][place & kPageMask];
  }
  static std::uint32_t Load(std::uint32_t& place) { return std::atomic_ref(place).load(std::memory_order_relaxed); }
  // One array of all places; else pages of kPagePlaces.
  bool is_flat() const { return pages_.size() == 1; }
  std::uint64_t page_size() const { return is_flat() ? places_ : kPagePlaces; }
  std::uint32_t* NewPage(std::uint64_t places, TableBlocks& blocks) const;
  // From that value on so many places at least, all that it has among them.
  void Rebuild(std::int64_t least, std::uint64_t places, TableBlocks& blocks);
  void AddPagesBelow(std::uint64_t places, TableBlocks& blocks);

  std::vector<std::uint32_t*> pages_;
  std::uint64_t places_ = 0;
  std::int64_t least_ = 0;
};

template <class Make>
void DenseIndex::FindOrAdd(std::span<const std::int64_t> values, std::span<std::uint32_t> groups, const Make& make) {
  const auto least = static_cast<std::uint64_t>(least_);
  const auto each = [&](const auto& find) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::uint32_t group = find(static_cast<std::uint64_t>(values[i]) - least);
      if (group == kNone) [[unlikely]] {
        group = make(values[i]);
        Set(values[i], group);
      }
      groups[i] = group;
    }
  };
  if (is_flat()) {
    each([places = pages_.front()](std::uint64_t place) { return places[place]; });
  } else {
    each([pages = pages_.data()](std::uint64_t place) { return pages[place >> kPageBits][place & kPageMask]; });
  }
}

}  // namespace hyprstream::aggregate
