#include "aggregate/group_table_internal.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace hyprstream::aggregate {
namespace {

constexpr std::size_t kSlotsMin = 8;
constexpr std::size_t kFirstRecords = 4;
// An array by value is made with at most this many places for each group, and given up beyond that many.
constexpr std::uint64_t kPlacesToBegin = 4;
constexpr std::uint64_t kPlacesToStay = 16;
constexpr std::uint64_t kPlacesAlways = 64;

std::uint32_t TagOf(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

std::uint64_t HashInteger(std::int64_t value) {
  const UInt128 product =
      static_cast<UInt128>(static_cast<std::uint64_t>(value) ^ 0xa0761d6478bd642fULL) * UInt128{0xe7037ed1a0b428dbULL};
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

GroupTable::GroupTable(const KeyCodec& codec, std::shared_ptr<const RecordLayout> layout)
    : layout_(std::move(layout)),
      key_width_(codec.width()),
      integer_(codec.integer()),
      record_width_(layout_->width()) {}

GroupTable::GroupTable(const GroupTable& other)
    : layout_(other.layout_),
      key_width_(other.key_width_),
      integer_(other.integer_),
      record_width_(other.record_width_),
      size_(other.size_),
      capacity_(other.capacity_),
      key_bytes_(other.key_bytes_),
      slots_(other.slots_),
      slot_shift_(other.slot_shift_),
      dense_(other.dense_),
      dense_least_(other.dense_least_),
      seen_(other.seen_),
      null_group_(other.null_group_) {
  constexpr std::size_t kChunkRecords = std::size_t{kChunkMask} + 1;
  for (std::size_t first = 0; first < size_; first += kChunkRecords) {
    const std::size_t room = std::min(capacity_, kChunkRecords) * record_width_;
    const std::size_t used = std::min(size_ - first, kChunkRecords) * record_width_;
    chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(room));
    std::memcpy(chunks_.back().get(), other.chunks_[chunks_.size() - 1].get(), used);
  }
  if (!layout_->has_heap()) return;
  for (const RecordLayout::Part& part : layout_->parts()) {
    for (std::uint32_t group = 0; group < size_; ++group) part.ops->Detach(record(group), heap_);
  }
}

GroupTable::~GroupTable() {
  if (!layout_->has_heap()) return;
  for (const RecordLayout::Part& part : layout_->parts()) {
    for (std::uint32_t group = 0; group < size_; ++group) part.ops->Release(record(group));
  }
}

std::int64_t GroupTable::bytes() const {
  return static_cast<std::int64_t>(capacity_ * record_width_ + key_bytes_.capacity() +
                                   slots_.capacity() * sizeof(Slot) + dense_.capacity() * sizeof(std::uint32_t)) +
         heap_.bytes;
}

std::int64_t GroupTable::GrowthBound(std::int64_t groups, IntegerRange range) const {
  // The first chunk doubles, later ones come one by one.
  const auto chunk = static_cast<std::int64_t>((std::size_t{kChunkMask} + 1) * record_width_);
  const auto records = groups * static_cast<std::int64_t>(record_width_);
  const auto first = std::max(records, static_cast<std::int64_t>(size_ * record_width_));
  const auto all = static_cast<std::uint64_t>(groups) + size_;
  auto index = std::max<std::uint64_t>(kSlotsMin, std::bit_ceil(all * 5 / 4 + 1)) * sizeof(Slot);
  const IntegerRange values = seen_.With(range);
  if (!values.is_empty() && IsWorthIt(values, all, dense_.empty() ? kPlacesToBegin : kPlacesToStay)) {
    index = std::max(index, values.size() * sizeof(std::uint32_t));
  }
  const auto now = slots_.capacity() * sizeof(Slot) + dense_.capacity() * sizeof(std::uint32_t);
  return std::min(first, chunk) + records + static_cast<std::int64_t>(index > now ? index - now : 0);
}

std::string_view GroupTable::KeyOf(const std::byte* record) const {
  if (key_width_ != RowKeys::kVariable) {
    return {reinterpret_cast<const char*>(record) + RecordLayout::kKeyOffset, static_cast<std::size_t>(key_width_)};
  }
  RecordLayout::KeyRef ref;
  std::memcpy(&ref, record + sizeof(std::uint64_t), sizeof(ref));
  return {key_bytes_.data() + ref.offset, ref.size};
}

// ---- records

Record GroupTable::Append() {
  constexpr std::size_t kChunkRecords = std::size_t{kChunkMask} + 1;
  if (size_ == capacity_) {
    if (capacity_ < kChunkRecords) {  // the first chunk grows and moves
      const std::size_t room = std::max(kFirstRecords, capacity_ * 2);
      auto grown = std::make_unique_for_overwrite<std::byte[]>(room * record_width_);
      if (size_ != 0) std::memcpy(grown.get(), chunks_.front().get(), size_ * record_width_);
      chunks_.clear();
      chunks_.push_back(std::move(grown));
      capacity_ = room;
    } else {
      chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunkRecords * record_width_));
      capacity_ += kChunkRecords;
    }
  }
  const Record added = record(size_++);
  std::memcpy(added, layout_->prototype(), record_width_);
  return added;
}

// ---- keys of one integer column

std::int64_t GroupTable::IntegerOf(const std::byte* record) const {
  std::uint64_t bits;
  std::memcpy(&bits, record + RecordLayout::kKeyOffset + IntegerKey::kOffset, sizeof(bits));
  return integer_->Widen(bits);
}

std::uint32_t GroupTable::AppendInteger(std::int64_t value) {
  const Record added = Append();
  integer_->Write(value, added + RecordLayout::kKeyOffset);
  seen_.Add(value);
  return size_ - 1;
}

std::uint32_t GroupTable::NullGroup() {
  if (null_group_ == kNone) {
    Append();  // the prototype's key is NULL
    null_group_ = size_ - 1;
  }
  return null_group_;
}

std::uint32_t GroupTable::HashedInteger(std::int64_t value, std::uint64_t hash) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = SlotOf(TagOf(hash));
  for (; slots_[at].group != kNone; at = (at + 1) & mask) {
    if (slots_[at].tag == TagOf(hash) && IntegerOf(record(slots_[at].group)) == value) return slots_[at].group;
  }
  const std::uint32_t group = AppendInteger(value);
  slots_[at] = {group, TagOf(hash)};
  CountSlot();
  return group;
}

void GroupTable::FindHashed(std::span<const std::int64_t> values, std::span<std::uint32_t> groups) {
  std::array<std::uint64_t, kBlockRows> hashes;
  for (std::size_t i = 0; i < values.size(); ++i) {
    hashes[i] = HashInteger(values[i]);
    __builtin_prefetch(&slots_[SlotOf(TagOf(hashes[i]))]);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t likely = slots_[SlotOf(TagOf(hashes[i]))].group;
    if (likely != kNone) PrefetchRecord(likely);
  }
  for (std::size_t i = 0; i < values.size(); ++i) groups[i] = HashedInteger(values[i], hashes[i]);
}

bool GroupTable::IsWorthIt(IntegerRange range, std::uint64_t groups, std::uint64_t places) const {
  return range.size() <= std::max(kPlacesAlways, groups * places);
}

void GroupTable::Expect(IntegerRange range, std::size_t rows) {
  const IntegerRange all = seen_.With(range);
  const std::uint64_t groups = std::max<std::uint64_t>(size_, rows);
  if (all.is_empty()) return;
  if (IsWorthIt(all, groups, dense_.empty() ? kPlacesToBegin : kPlacesToStay)) {
    UseDense(all);
  } else {
    UseHash();
  }
}

void GroupTable::ExpectAll(const GroupTable& other) {
  if (integer_) Expect(other.seen_, other.size_);
}

void GroupTable::Settle() {
  if (!dense_.empty() &&
      !IsWorthIt({.least = 0, .greatest = static_cast<std::int64_t>(dense_.size()) - 1}, size_, kPlacesToStay)) {
    UseHash();
  }
}

void GroupTable::UseDense(IntegerRange range) {
  if (!dense_.empty()) {
    const auto greatest = static_cast<std::int64_t>(static_cast<std::uint64_t>(dense_least_) + dense_.size() - 1);
    range = range.With({.least = dense_least_, .greatest = greatest});
    if (range.least == dense_least_) {
      if (range.size() > dense_.size()) dense_.resize(range.size(), kNone);
      return;
    }
  }
  dense_least_ = range.least;
  dense_.assign(range.size(), kNone);
  slots_ = {};
  for (std::uint32_t group = 0; group < size_; ++group) {
    if (group == null_group_) continue;
    dense_[static_cast<std::size_t>(static_cast<std::uint64_t>(IntegerOf(record(group))) -
                                    static_cast<std::uint64_t>(dense_least_))] = group;
  }
}

void GroupTable::FindOrAdd(std::span<const std::int64_t> values, std::span<std::uint32_t> groups) {
  if (dense_.empty()) return FindHashed(values, groups);
  const auto least = static_cast<std::uint64_t>(dense_least_);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t& group = dense_[static_cast<std::uint64_t>(values[i]) - least];
    if (group == kNone) [[unlikely]]
      group = AppendInteger(values[i]);
    groups[i] = group;
  }
}

std::uint32_t GroupTable::FindOrAddInteger(std::int64_t value) {
  std::uint32_t group = kNone;
  Expect({.least = value, .greatest = value}, 1);
  FindOrAdd(std::span(&value, 1), std::span(&group, 1));
  return group;
}

// ---- the table of hashes

std::uint64_t GroupTable::HashOf(std::uint32_t group) const {
  return integer_ ? HashInteger(IntegerOf(record(group))) : HashRow(key(group));
}

void GroupTable::UseHash() {
  dense_ = {};
  if (!slots_.empty()) return;
  std::size_t slots = kSlotsMin;
  while (std::size_t{size_} * 5 > slots * 4) slots *= 2;
  GrowSlots(slots);
}

void GroupTable::GrowSlots(std::size_t slots) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
  slot_shift_ = 32 - std::countr_zero(slots);
  const auto put = [&, mask = slots - 1](Slot slot) {
    std::size_t at = SlotOf(slot.tag);
    while (slots_[at].group != kNone) at = (at + 1) & mask;
    slots_[at] = slot;
  };
  if (!old.empty()) {  // in the order of their tags, so that memory is written in order, too
    for (const Slot& slot : old) {
      if (slot.group != kNone) put(slot);
    }
    return;
  }
  for (std::uint32_t group = 0; group < size_; ++group) {
    if (group != null_group_) put({group, TagOf(HashOf(group))});
  }
}

void GroupTable::CountSlot() {
  if (std::size_t{size_} * 5 > slots_.size() * 4) GrowSlots(slots_.size() * 2);
}

std::uint32_t GroupTable::AppendBytes(std::string_view key) {
  const Record added = Append();
  if (key_width_ != RowKeys::kVariable) {
    if (!key.empty()) std::memcpy(added + RecordLayout::kKeyOffset, key.data(), key.size());
  } else {
    const RecordLayout::KeyRef ref{.offset = key_bytes_.size(), .size = key.size()};
    std::memcpy(added + sizeof(std::uint64_t), &ref, sizeof(ref));
    key_bytes_.insert(key_bytes_.end(), key.begin(), key.end());
  }
  return size_ - 1;
}

std::uint32_t GroupTable::FindOrAddBytes(std::string_view key, std::uint64_t hash) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = SlotOf(TagOf(hash));
  for (; slots_[at].group != kNone; at = (at + 1) & mask) {
    if (slots_[at].tag == TagOf(hash) && EqualRows(this->key(slots_[at].group), key)) return slots_[at].group;
  }
  const std::uint32_t group = AppendBytes(key);
  slots_[at] = {group, TagOf(hash)};
  CountSlot();
  return group;
}

template <class KeyAt>
void GroupTable::FindOrAddBytesBlock(const KeyAt& key_at, std::span<std::uint32_t> groups) {
  UseHash();
  std::array<std::uint64_t, kBlockRows> hashes;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    hashes[i] = HashRow(key_at(i));
    __builtin_prefetch(&slots_[hashes[i] & mask]);
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::uint32_t likely = slots_[hashes[i] & mask].group;
    if (likely != kNone) PrefetchRecord(likely);
  }
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = FindOrAddBytes(key_at(i), hashes[i]);
}

void GroupTable::FindOrAdd(const RowKeys& keys, std::span<std::uint32_t> groups) {
  FindOrAddBytesBlock([&](std::size_t i) { return keys.Row(static_cast<std::int64_t>(i)); }, groups);
}

void GroupTable::FindOrAdd(const GroupTable& other, std::uint32_t first, std::span<std::uint32_t> groups) {
  if (!integer_) {
    FindOrAddBytesBlock([&](std::size_t i) { return other.key(first + static_cast<std::uint32_t>(i)); }, groups);
    return;
  }
  // A block without the NULL group, which has no value.
  std::array<std::int64_t, kBlockRows> values;
  std::size_t until = 0;
  while (until < groups.size() && first + until != other.null_group_) {
    values[until] = other.IntegerOf(other.record(first + static_cast<std::uint32_t>(until)));
    ++until;
  }
  FindOrAdd(std::span(values).first(until), groups.first(until));
  if (until == groups.size()) return;
  groups[until] = NullGroup();
  FindOrAdd(other, first + static_cast<std::uint32_t>(until) + 1, groups.subspan(until + 1));
}

bool GroupTable::Add(std::string_view key) {
  const std::uint32_t before = size_;
  std::uint32_t group = 0;
  if (!integer_) {
    UseHash();
    group = FindOrAddBytes(key, HashRow(key));
  } else if (key[0] == 0) {
    group = NullGroup();
  } else {
    group = FindOrAddInteger(integer_->Read(key));
  }
  return group == before;
}

std::optional<std::uint32_t> GroupTable::Find(std::string_view key) const {
  if (integer_) {
    if (key[0] == 0) return null_group_ == kNone ? std::nullopt : std::optional(null_group_);
    const std::int64_t value = integer_->Read(key);
    if (!seen_.Contains({.least = value, .greatest = value})) return std::nullopt;
    if (!dense_.empty()) {
      const std::uint32_t group = dense_[static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(dense_least_)];
      return group == kNone ? std::nullopt : std::optional(group);
    }
  }
  if (slots_.empty()) return std::nullopt;
  const std::uint64_t hash = integer_ ? HashInteger(integer_->Read(key)) : HashRow(key);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = SlotOf(TagOf(hash)); slots_[at].group != kNone; at = (at + 1) & mask) {
    if (slots_[at].tag == TagOf(hash) && EqualRows(this->key(slots_[at].group), key)) return slots_[at].group;
  }
  return std::nullopt;
}

}  // namespace hyprstream::aggregate
