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
      text_(codec.is_text()),
      record_width_(layout_->width()) {}

GroupTable::GroupTable(const GroupTable& other)
    : layout_(other.layout_),
      key_width_(other.key_width_),
      integer_(other.integer_),
      text_(other.text_),
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

// ---- records

Record GroupTable::Append() {
  constexpr std::size_t kChunkRecords = std::size_t{kChunkMask} + 1;
  if (size_ == capacity_) {
    if (capacity_ < kChunkRecords) {  // the first chunk grows and moves
      SizeFirstChunk(std::clamp(capacity_ * 2, kFirstRecords, kChunkRecords));
    } else {
      chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunkRecords * record_width_));
      capacity_ += kChunkRecords;
    }
  }
  const Record added = record(size_++);
  std::memcpy(added, layout_->prototype(), record_width_);
  return added;
}

void GroupTable::SizeFirstChunk(std::size_t room) {
  auto sized = std::make_unique_for_overwrite<std::byte[]>(room * record_width_);
  if (size_ != 0) std::memcpy(sized.get(), chunks_.front().get(), size_ * record_width_);
  chunks_.clear();
  chunks_.push_back(std::move(sized));
  capacity_ = room;
}

void GroupTable::Compact() {
  if (chunks_.size() == 1 && size_ < capacity_) SizeFirstChunk(size_);
  key_bytes_.shrink_to_fit();
  dense_.shrink_to_fit();
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
    if (text_) {
      AppendBytes(std::string(TextKey::kOffset, '\0'));
    } else {
      Append();  // the prototype's key is NULL
    }
    null_group_ = size_ - 1;
  }
  return null_group_;
}

template <class IsIt, class Make>
std::uint32_t GroupTable::FindOrAddHashed(std::uint64_t hash, const IsIt& is_it, const Make& make) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = SlotOf(TagOf(hash));
  for (; slots_[at].group != kNone; at = (at + 1) & mask) {
    if (slots_[at].tag == TagOf(hash) && is_it(slots_[at].group)) return slots_[at].group;
  }
  const std::uint32_t group = make();
  slots_[at] = {group, TagOf(hash)};
  CountSlot();
  return group;
}

void GroupTable::Prefetch(std::span<const std::uint64_t> hashes) const {
  for (const std::uint64_t hash : hashes) __builtin_prefetch(&slots_[SlotOf(TagOf(hash))]);
  for (const std::uint64_t hash : hashes) {
    const std::uint32_t likely = slots_[SlotOf(TagOf(hash))].group;
    if (likely != kNone) PrefetchRecord(likely);
  }
}

std::uint32_t GroupTable::HashedInteger(std::int64_t value, std::uint64_t hash) {
  return FindOrAddHashed(
      hash, [&](std::uint32_t group) { return IntegerOf(record(group)) == value; },
      [&] { return AppendInteger(value); });
}

void GroupTable::FindHashed(std::span<const std::int64_t> values, std::span<std::uint32_t> groups) {
  std::array<std::uint64_t, kBlockRows> hashes;
  for (std::size_t i = 0; i < values.size(); ++i) hashes[i] = HashInteger(values[i]);
  Prefetch(std::span(hashes).first(values.size()));
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
  slots_ = std::vector<Slot>();
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
  if (integer_) return HashInteger(IntegerOf(record(group)));
  return HashRow(text_ ? TextOf(group) : key(group));
}

void GroupTable::UseHash() {
  dense_ = std::vector<std::uint32_t>();
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

std::uint32_t GroupTable::AppendText(std::string_view text) {
  const Record added = Append();
  const RecordLayout::KeyRef ref{.offset = key_bytes_.size(), .size = TextKey::kOffset + text.size()};
  std::memcpy(added + sizeof(std::uint64_t), &ref, sizeof(ref));
  const auto length = static_cast<std::uint32_t>(text.size());
  std::array<char, TextKey::kOffset> head{1, 0};
  std::memcpy(head.data() + head.size() - sizeof(length), &length, sizeof(length));
  key_bytes_.insert(key_bytes_.end(), head.begin(), head.end());
  key_bytes_.insert(key_bytes_.end(), text.begin(), text.end());
  return size_ - 1;
}

std::uint32_t GroupTable::FindOrAddBytes(std::string_view key, std::uint64_t hash) {
  return FindOrAddHashed(
      hash, [&](std::uint32_t group) { return EqualRows(this->key(group), key); }, [&] { return AppendBytes(key); });
}

std::uint32_t GroupTable::FindOrAddText(std::string_view text, std::uint64_t hash) {
  return FindOrAddHashed(
      hash, [&](std::uint32_t group) { return EqualRows(TextOf(group), text); }, [&] { return AppendText(text); });
}

void GroupTable::FindOrAdd(std::span<const std::string_view> texts, std::span<std::uint32_t> groups) {
  UseHash();
  std::array<std::uint64_t, kBlockRows> hashes;
  for (std::size_t i = 0; i < texts.size(); ++i) hashes[i] = HashRow(texts[i]);
  Prefetch(std::span(hashes).first(texts.size()));
  for (std::size_t i = 0; i < texts.size(); ++i) groups[i] = FindOrAddText(texts[i], hashes[i]);
}

void GroupTable::FindOrAddRows(const auto& key_at, std::span<std::uint32_t> groups) {
  UseHash();
  std::array<std::uint64_t, kBlockRows> hashes;
  for (std::size_t i = 0; i < groups.size(); ++i) hashes[i] = HashRow(key_at(i));
  Prefetch(std::span(hashes).first(groups.size()));
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = FindOrAddBytes(key_at(i), hashes[i]);
}

void GroupTable::FindOrAdd(const RowKeys& keys, std::span<std::uint32_t> groups) {
  FindOrAddRows([&](std::size_t i) { return keys.Row(static_cast<std::int64_t>(i)); }, groups);
}

void GroupTable::FindOrAdd(const GroupTable& other, std::uint32_t first, std::span<std::uint32_t> groups) {
  if (!integer_ && !text_) {
    FindOrAddRows([&](std::size_t i) { return other.key(first + static_cast<std::uint32_t>(i)); }, groups);
    return;
  }
  // A block without the NULL group, which has no value.
  std::size_t until = groups.size();
  if (other.null_group_ != kNone && other.null_group_ >= first) {
    until = std::min<std::size_t>(until, other.null_group_ - first);
  }
  const auto find = [&](auto& values, const auto& value_of) {
    for (std::size_t i = 0; i < until; ++i) values[i] = value_of(first + static_cast<std::uint32_t>(i));
    FindOrAdd(std::span(std::as_const(values)).first(until), groups.first(until));
  };
  if (integer_) {
    std::array<std::int64_t, kBlockRows> values;
    find(values, [&](std::uint32_t group) { return other.IntegerOf(other.record(group)); });
  } else {
    std::array<std::string_view, kBlockRows> values;
    find(values, [&](std::uint32_t group) { return other.TextOf(group); });
  }
  if (until == groups.size()) return;
  groups[until] = NullGroup();
  FindOrAdd(other, first + static_cast<std::uint32_t>(until) + 1, groups.subspan(until + 1));
}

bool GroupTable::Add(std::string_view key) {
  const std::uint32_t before = size_;
  std::uint32_t group = 0;
  if ((integer_ || text_) && key[0] == 0) {
    group = NullGroup();
  } else if (integer_) {
    group = FindOrAddInteger(integer_->Read(key));
  } else {
    UseHash();
    group = text_ ? FindOrAddText(TextKey::Read(key), HashRow(TextKey::Read(key))) : FindOrAddBytes(key, HashRow(key));
  }
  return group == before;
}

std::optional<std::uint32_t> GroupTable::Find(std::string_view key) const {
  if ((integer_ || text_) && key[0] == 0) return null_group_ == kNone ? std::nullopt : std::optional(null_group_);
  if (integer_) {
    const std::int64_t value = integer_->Read(key);
    if (!seen_.Contains({.least = value, .greatest = value})) return std::nullopt;
    if (!dense_.empty()) {
      const std::uint32_t group = dense_[static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(dense_least_)];
      return group == kNone ? std::nullopt : std::optional(group);
    }
  }
  if (slots_.empty()) return std::nullopt;
  const std::uint64_t hash = integer_ ? HashInteger(integer_->Read(key)) : HashRow(text_ ? TextKey::Read(key) : key);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = SlotOf(TagOf(hash)); slots_[at].group != kNone; at = (at + 1) & mask) {
    if (slots_[at].tag == TagOf(hash) && EqualRows(this->key(slots_[at].group), key)) return slots_[at].group;
  }
  return std::nullopt;
}

}  // namespace hyprstream::aggregate
