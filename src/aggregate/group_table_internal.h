// The groups of one slice: records in chunks, and an index from key to record.
//
// The index of one integer key is an array by value while its values lie close together, any other an open-addressing
// table of hashes. The same rows in the same order give groups the same numbers. At most 2^32 - 2 groups. Records do
// not move once there are 4,096 of them. Thread safety: none; const methods from any thread while nobody writes.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "aggregate/row_keys_internal.h"
#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

class GroupTable {
 public:
  GroupTable(const KeyCodec& codec, std::shared_ptr<const RecordLayout> layout);
  GroupTable(const GroupTable& other);
  ~GroupTable();
  GroupTable& operator=(const GroupTable&) = delete;

  std::uint32_t size() const { return size_; }
  std::int64_t bytes() const;
  // At most this many more bytes once `groups` more are in it, whose keys, when they are integers, lie in `range`; but
  // for what keys and parts own beside the record.
  std::int64_t GrowthBound(std::int64_t groups, IntegerRange range) const;
  IntegerRange seen() const { return seen_; }
  // Of bytes(), what keys and parts own beside the record.
  std::int64_t owned_bytes() const { return static_cast<std::int64_t>(key_bytes_.size()) + heap_.bytes; }
  HeapAccount& heap() { return heap_; }

  // Valid until groups are added.
  Record record(std::uint32_t group) const {
    return chunks_[group >> kChunkBits].get() + static_cast<std::size_t>(group & kChunkMask) * record_width_;
  }
  // `out` has as many.
  void RecordsOf(std::span<const std::uint32_t> groups, std::span<Record> out) const {
    for (std::size_t i = 0; i < groups.size(); ++i) out[i] = record(groups[i]);
  }
  std::string_view key(std::uint32_t group) const { return KeyOf(record(group)); }

  // ---- adding; blocks are of at most kBlockRows

  // Of tables whose keys are one integer column. Before such keys are looked up: they lie in `range`, there are `rows`.
  void Expect(IntegerRange range, std::size_t rows);
  void FindOrAdd(std::span<const std::int64_t> values, std::span<std::uint32_t> groups);
  std::uint32_t NullGroup();
  // Of tables whose keys are one column of bytes; NULLs as above.
  void FindOrAdd(std::span<const std::string_view> texts, std::span<std::uint32_t> groups);
  // Of all others.
  void FindOrAdd(const RowKeys& keys, std::span<std::uint32_t> groups);

  // Before groups of another table of the same view are looked up, from `first` on.
  void ExpectAll(const GroupTable& other);
  void FindOrAdd(const GroupTable& other, std::uint32_t first, std::span<std::uint32_t> groups);
  // Adds a key that must be new; false when it is not.
  bool Add(std::string_view key);
  // When few more groups are expected: no room for them.
  void Compact();
  // When no more rows are expected: no more index than the groups are worth.
  void Settle();

  std::optional<std::uint32_t> Find(std::string_view key) const;

 private:
  static constexpr std::uint32_t kChunkBits = 12;
  static constexpr std::uint32_t kChunkMask = (1U << kChunkBits) - 1;
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct Slot {
    std::uint32_t group = kNone;
    std::uint32_t tag = 0;  // the hash's upper half
  };

  // A record lies in one or two cache lines, a long one in more.
  void PrefetchRecord(std::uint32_t group) const {
    const std::byte* first = record(group);
    __builtin_prefetch(first);
    __builtin_prefetch(first + record_width_ - 1);
  }
  // Where a search for a tag begins: by its upper bits, so that growing keeps the order.
  std::size_t SlotOf(std::uint32_t tag) const { return static_cast<std::size_t>(std::uint64_t{tag} >> slot_shift_); }
  std::string_view KeyOf(const std::byte* record) const {
    if (key_width_ != RowKeys::kVariable) {
      return {reinterpret_cast<const char*>(record) + RecordLayout::kKeyOffset, static_cast<std::size_t>(key_width_)};
    }
    RecordLayout::KeyRef ref;
    std::memcpy(&ref, record + sizeof(std::uint64_t), sizeof(ref));
    return {key_bytes_.data() + ref.offset, ref.size};
  }
  Record Append();
  void SizeFirstChunk(std::size_t room);

  // One integer column.
  std::int64_t IntegerOf(const std::byte* record) const;
  std::uint32_t AppendInteger(std::int64_t value);
  std::uint32_t FindOrAddInteger(std::int64_t value);
  std::uint32_t HashedInteger(std::int64_t value, std::uint64_t hash);
  void FindHashed(std::span<const std::int64_t> values, std::span<std::uint32_t> groups);
  bool IsWorthIt(IntegerRange range, std::uint64_t groups, std::uint64_t places) const;
  void UseDense(IntegerRange range);

  // One column of bytes.
  std::string_view TextOf(std::uint32_t group) const { return TextKey::Read(key(group)); }
  std::uint32_t AppendText(std::string_view text);

  // Of a group that is not null_group_.
  std::uint64_t HashOf(std::uint32_t group) const;
  void UseHash();
  void GrowSlots(std::size_t slots);
  void CountSlot();
  std::uint32_t AppendBytes(std::string_view key);
  // The group whose key `is_it` finds equal, or the one that `make` appends.
  template <class IsIt, class Make>
  std::uint32_t FindOrAddHashed(std::uint64_t hash, const IsIt& is_it, const Make& make);
  std::uint32_t FindOrAddBytes(std::string_view key, std::uint64_t hash);
  std::uint32_t FindOrAddText(std::string_view text, std::uint64_t hash);
  // Their slots, and then the records that they name, on the way to the cache.
  void Prefetch(std::span<const std::uint64_t> hashes) const;
  void FindOrAddRows(const auto& key_at, std::span<std::uint32_t> groups);

  const std::shared_ptr<const RecordLayout> layout_;
  const std::int64_t key_width_;
  const std::optional<IntegerKey> integer_;  // keys are one integer column
  const bool text_;                          // keys are one column of bytes
  const std::size_t record_width_;
  std::uint32_t size_ = 0;
  std::size_t capacity_ = 0;  // records that there is room for
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::vector<char> key_bytes_;  // of keys of variable width
  std::vector<Slot> slots_;      // a power of two, or none
  int slot_shift_ = 32;          // 32 less the bits of a place in slots_

  // Of one integer column:
  std::vector<std::uint32_t> dense_;  // the group of least + i; empty: slots_ is the index
  std::int64_t dense_least_ = 0;
  IntegerRange seen_;  // of all groups

  std::uint32_t null_group_ = kNone;  // of one integer or bytes column

  HeapAccount heap_;
};

}  // namespace hyprstream::aggregate
