// From the hashes of keys to groups: open addressing, at first in one array, which is the fastest; from half a million
// slots on in segments of a page, which a prefix of the hash tells apart and each of which grows for itself (extendible
// hashing), so that no row ever waits for the whole table.
//
// Copies of a table share segments, and the newest adds to them in place: groups only ever come to it, with greater
// numbers, so that an older copy is one that takes no notice of groups from its own number of them on.
//
// Thread safety: none, but that Find() of an older copy may be called while the newest is added to.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "aggregate/table_blocks_internal.h"

namespace hyprstream::aggregate {

class HashIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct alignas(8) Slot {
    std::uint32_t group = kNone;
    std::uint32_t tag = 0;
  };
  // Of all tags that begin with the same `depth` bits.
  struct Segment {
    Slot* slots = nullptr;
    std::uint32_t groups = 0;  // in it; right where it is first in the directory
    std::uint8_t bits = 0;     // there are two to that many slots
    std::uint8_t depth = 0;
    std::uint8_t shift = 0;

    // By the upper bits that follow the prefix, so that growing keeps the order.
    std::size_t PlaceOf(std::uint32_t tag) const { return (tag >> shift) & mask(); }
    std::size_t size() const { return std::size_t{1} << bits; }
    std::size_t mask() const { return size() - 1; }
    void Prefetch(std::uint32_t tag) const { __builtin_prefetch(slots + PlaceOf(tag)); }
    // A group that may be of that tag, or none: where to look first.
    std::uint32_t LikelyOf(std::uint32_t tag) const { return slots[PlaceOf(tag)].group; }
    bool is_full() const { return std::uint64_t{groups} * 5 > size() * 4; }
  };

  HashIndex() = default;
  // Of the next copy of a table: the same segments.
  HashIndex(const HashIndex& other) = default;
  HashIndex& operator=(const HashIndex&) = delete;
  // Of a table of its own, which has the first `groups` of the other's: segments of its own.
  HashIndex(const HashIndex& other, std::uint32_t groups, TableBlocks& blocks);

  bool is_empty() const { return directory_.empty(); }
  // Beside its blocks.
  std::int64_t bytes() const { return static_cast<std::int64_t>(directory_.capacity() * sizeof(Segment)); }
  std::int64_t all_bytes() const { return bytes() + block_bytes_; }
  // Of one with so many groups, at most, unless many hashes begin alike.
  static std::int64_t BytesBound(std::uint64_t groups);

  // A tag is the upper half of a hash.
  static std::uint32_t TagOf(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

  // Valid until the next is added.
  const Segment& SegmentOf(std::uint32_t tag) const { return directory_[AtOf(tag)]; }
  // Of all tags, while there is one segment.
  const Segment& only_segment() const { return directory_.front(); }
  // Is there one segment, and will be after so many more groups?
  bool StaysFlat(std::size_t more, TableBlocks& blocks) {
    if (directory_.size() == 1 && (groups_ + more) * 5 > kFlatSlots * 4) MakeSegments(blocks);
    return directory_.size() == 1;
  }

  // Until Start() nothing may be looked up.
  void Start(std::size_t groups, TableBlocks& blocks);
  void Clear(TableBlocks& blocks);
  // A group that is not in it yet.
  void Put(std::uint32_t group, std::uint32_t tag, TableBlocks& blocks);
  // The group of that tag which `is_it` says yes to, or the one that `make` makes.
  // `segment` is that of the tag.
  template <class IsIt, class Make>
  std::uint32_t FindOrAdd(const Segment& segment, std::uint32_t tag, TableBlocks& blocks, const IsIt& is_it,
                          const Make& make);
  // Among the first `groups`.
  template <class IsIt>
  std::optional<std::uint32_t> Find(std::uint32_t tag, std::uint32_t groups, const IsIt& is_it) const;

  template <class F>
  void ForEachBlock(const F& f) const {
    for (std::size_t at = 0; at < directory_.size(); at += Spread(directory_[at])) {
      f(reinterpret_cast<std::byte*>(directory_[at].slots));
    }
  }

 private:
  static constexpr std::uint64_t kFlatSlots = std::uint64_t{1} << 19;

  std::size_t AtOf(std::uint32_t tag) const { return static_cast<std::size_t>(std::uint64_t{tag} >> at_shift_); }
  // In how many places of the directory a segment is; where `at` lies among them, they begin at First(at).
  std::size_t Spread(const Segment& segment) const { return directory_.size() >> segment.depth; }
  std::size_t First(std::size_t at) const { return directory_.size() == 1 ? 0 : at & ~(Spread(directory_[at]) - 1); }

  Segment NewSegment(std::uint8_t depth, std::size_t slots, TableBlocks& blocks);
  void DropSegment(const Segment& segment, TableBlocks& blocks);
  // Of segments that older copies may look into meanwhile.
  static Slot Load(const Slot& slot) {
    return std::atomic_ref(const_cast<Slot&>(slot)).load(std::memory_order_relaxed);
  }
  static void Store(Slot& slot, Slot value) { std::atomic_ref(slot).store(value, std::memory_order_relaxed); }
  static void PutInto(const Segment& segment, Slot slot);
  void CountOne(std::size_t first, TableBlocks& blocks);
  void Grow(std::size_t first, TableBlocks& blocks);
  void MakeSegments(TableBlocks& blocks);
  void DoubleDirectory();
  void Split(std::size_t first, TableBlocks& blocks);
  void Fill(std::size_t first, std::size_t spread, const Segment& segment);

  std::vector<Segment> directory_;  // by the first bits of a tag
  int at_shift_ = 32;               // 32 less the bits of a place in the directory
  std::uint64_t groups_ = 0;
  std::int64_t block_bytes_ = 0;
};

template <class IsIt, class Make>
std::uint32_t HashIndex::FindOrAdd(const Segment& segment, std::uint32_t tag, TableBlocks& blocks, const IsIt& is_it,
                                   const Make& make) {
  Slot* const slots = segment.slots;
  const std::size_t mask = segment.mask();
  std::size_t place = segment.PlaceOf(tag);
  for (; slots[place].group != kNone; place = (place + 1) & mask) {
    if (slots[place].tag == tag && is_it(slots[place].group)) return slots[place].group;
  }
  const std::uint32_t group = make();
  Store(slots[place], {.group = group, .tag = tag});
  CountOne(First(AtOf(tag)), blocks);
  return group;
}

template <class IsIt>
std::optional<std::uint32_t> HashIndex::Find(std::uint32_t tag, std::uint32_t groups, const IsIt& is_it) const {
  if (is_empty()) return std::nullopt;
  const Segment& segment = SegmentOf(tag);
  for (std::size_t at = segment.PlaceOf(tag);; at = (at + 1) & segment.mask()) {
    const Slot slot = Load(segment.slots[at]);
    if (slot.group == kNone) return std::nullopt;
    if (slot.tag == tag && slot.group < groups && is_it(slot.group)) return slot.group;
  }
}

inline void HashIndex::CountOne(std::size_t first, TableBlocks& blocks) {
  ++groups_;
  ++directory_[first].groups;
  if (directory_[first].is_full()) Grow(first, blocks);
}

}  // namespace hyprstream::aggregate
