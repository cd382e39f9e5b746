// The groups of one slice: records in pages, and an index from key to record.
//
// The index of one integer key is an array by value while its values lie close together, any other an open-addressing
// table of hashes. The same rows in the same order give groups the same numbers. At most 2^32 - 2 groups. Records do
// not move once there are 128 of them, unless the table has a copy: the next copy of a table shares what it does not
// change, see TableBlocks. Thread safety: none; const methods of a copy from any thread while nobody writes to it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "aggregate/dense_index_internal.h"
#include "aggregate/hash_index_internal.h"
#include "aggregate/key_bytes_internal.h"
#include "aggregate/row_keys_internal.h"
#include "aggregate/state_ops_internal.h"

namespace hyprstream::aggregate {

class GroupTable {
 public:
  GroupTable(const KeyCodec& codec, std::shared_ptr<const RecordLayout> layout);
  // A table of its own.
  GroupTable(const GroupTable& other);
  // The next copy: `older`, which is the newest until now, is not written to any more.
  explicit GroupTable(GroupTable* older);
  ~GroupTable();
  GroupTable& operator=(const GroupTable&) = delete;

  std::uint32_t size() const { return size_; }
  std::int64_t bytes() const;
  // At most this many more bytes once `groups` more are in it, whose keys, when they are integers, lie in `range`; but
  // for what keys and parts own beside the record.
  std::int64_t GrowthBound(std::int64_t groups, IntegerRange range) const;
  IntegerRange seen() const { return seen_; }
  // Of bytes(), what keys and parts own beside the record.
  std::int64_t owned_bytes() const { return (key_bytes_ == nullptr ? 0 : key_bytes_->total()) + heap_.bytes; }
  HeapAccount& heap() { return heap_; }

  // To be read; valid until groups are added.
  Record record(std::uint32_t group) const {
    return pages_[group >> kPageBits] + static_cast<std::size_t>(group & kPageMask) * record_width_;
  }
  // `out` has as many.
  void RecordsOf(std::span<const std::uint32_t> groups, std::span<Record> out) const;
  std::string_view key(std::uint32_t group) const { return KeyOf(record(group)); }

  // ---- writing; what is valid stays so until the next call

  bool is_newest() const { return blocks_.is_newest(); }
  // Around calls that write, where the table may have copies.
  void BeginWrite() { blocks_.BeginWrite(); }
  void EndWrite() { blocks_.EndWrite(); }
  // Bytes that are there once more, for copies of this table alone, since the last call.
  std::int64_t TakeReplacedBytes() { return blocks_.TakeReplacedBytes(); }
  Record RecordToWrite(std::uint32_t group) {
    if (blocks_.has_older()) MakeOwn(group >> kPageBits);
    return record(group);
  }
  // As RecordsOf().
  void RecordsToWrite(std::span<const std::uint32_t> groups, std::span<Record> out);

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
  static constexpr std::uint32_t kPageBits = 7;
  static constexpr std::uint32_t kPageMask = (1U << kPageBits) - 1;
  static constexpr std::size_t kPageRecords = std::size_t{1} << kPageBits;
  static constexpr std::uint32_t kNone = 0xffffffff;

  // A record lies in one or two cache lines, a long one in more.
  void PrefetchRecord(std::uint32_t group) const {
    const std::byte* first = record(group);
    __builtin_prefetch(first);
    __builtin_prefetch(first + record_width_ - 1);
  }
  std::string_view KeyOf(const std::byte* record) const {
    if (key_width_ != RowKeys::kVariable) {
      return {reinterpret_cast<const char*>(record) + RecordLayout::kKeyOffset, static_cast<std::size_t>(key_width_)};
    }
    RecordLayout::KeyRef ref;
    std::memcpy(&ref, record + sizeof(std::uint64_t), sizeof(ref));
    return {ref.data, static_cast<std::size_t>(ref.size)};
  }
  Record Append();
  // How many records there is room for in a page.
  std::size_t RoomOf(std::size_t page) const { return std::min(capacity_ - page * kPageRecords, kPageRecords); }
  Record NewPage(std::size_t room);
  // Its records in a page of that much room, of which so many are used.
  void ReplacePage(std::size_t page, std::size_t used, std::size_t room);
  void SizeLastPage(std::size_t room);
  void MakeOwn(std::size_t page);
  void MoveDetached(Record from, Record to, std::size_t records) const;
  template <class F>
  void ForEachBlock(const F& f) const;

  // One integer column.
  std::int64_t IntegerOf(const std::byte* record) const;
  std::uint32_t AppendInteger(std::int64_t value);
  std::uint32_t FindOrAddInteger(std::int64_t value);
  std::uint32_t HashedInteger(const HashIndex::Segment& segment, std::int64_t value, std::uint64_t hash);
  void FindHashed(std::span<const std::int64_t> values, std::span<std::uint32_t> groups);
  bool IsWorthIt(IntegerRange range, std::uint64_t groups, std::uint64_t places) const;
  void UseDense(IntegerRange range);

  // One column of bytes.
  std::string_view TextOf(std::uint32_t group) const { return TextKey::Read(key(group)); }
  std::uint32_t AppendText(std::string_view text);

  // Of a group that is not null_group_.
  std::uint64_t HashOf(std::uint32_t group) const;
  void UseHash();
  std::uint32_t AppendBytes(std::string_view key);
  std::uint32_t FindOrAddBytes(const HashIndex::Segment& segment, std::string_view key, std::uint64_t hash);
  std::uint32_t FindOrAddText(const HashIndex::Segment& segment, std::string_view text, std::uint64_t hash);
  // Calls f(i, its segment) for each of the hashes, which finds or adds its group there; their slots, and then the
  // records that they name, are on the way to the cache by then.
  template <class F>
  void ForEachHash(std::span<const std::uint64_t> hashes, const F& f);
  void FindOrAddRows(const auto& key_at, std::span<std::uint32_t> groups);

  const RecordLayout& layout() const { return blocks_.layout(); }
  KeyBytes& key_bytes() {
    if (key_bytes_ == nullptr) key_bytes_ = std::make_unique<KeyBytes>();
    return *key_bytes_;
  }

  TableBlocks blocks_;
  const std::int32_t key_width_;
  const std::uint32_t record_width_;
  const std::optional<IntegerKey> integer_;  // keys are one integer column
  const bool text_;                          // keys are one column of bytes
  std::uint32_t size_ = 0;
  std::uint32_t null_group_ = kNone;  // of one integer or bytes column
  std::size_t capacity_ = 0;          // records that there is room for
  std::vector<Record> pages_;
  std::unique_ptr<KeyBytes> key_bytes_;  // of keys of variable width
  DenseIndex dense_;                     // of one integer column; where it is empty, the index is
  std::unique_ptr<HashIndex> hashed_;    // null: there is no group yet
  IntegerRange seen_;                    // of all groups, where keys are one integer column

  HeapAccount heap_;
};

}  // namespace hyprstream::aggregate
