#include "aggregate/group_table_internal.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace hyprstream::aggregate {
namespace {

constexpr std::size_t kFirstRecords = 4;
// An array by value is made with at most this many places for each group, and given up beyond that many.
constexpr std::uint64_t kPlacesToBegin = 4;
constexpr std::uint64_t kPlacesToStay = 16;
constexpr std::uint64_t kPlacesAlways = 64;

std::uint64_t HashInteger(std::int64_t value) {
  const UInt128 product =
      static_cast<UInt128>(static_cast<std::uint64_t>(value) ^ 0xa0761d6478bd642fULL) * UInt128{0xe7037ed1a0b428dbULL};
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

GroupTable::GroupTable(const KeyCodec& codec, std::shared_ptr<const RecordLayout> layout)
    : blocks_(std::move(layout)),
      key_width_(static_cast<std::int32_t>(codec.width())),
      record_width_(static_cast<std::uint32_t>(blocks_.layout().width())),
      integer_(codec.integer()),
      text_(codec.is_text()) {}

GroupTable::GroupTable(const GroupTable& other)
    : blocks_(other.blocks_.shared_layout()),
      key_width_(other.key_width_),
      record_width_(other.record_width_),
      integer_(other.integer_),
      text_(other.text_),
      size_(other.size_),
      null_group_(other.null_group_),
      capacity_(other.capacity_),
      dense_(other.dense_, other.size_, blocks_),
      seen_(other.seen_),
      heap_(other.heap_) {
  if (other.key_bytes_ != nullptr) key_bytes_ = std::make_unique<KeyBytes>(KeyBytes::Fork(*other.key_bytes_));
  if (other.hashed_ != nullptr) hashed_ = std::make_unique<HashIndex>(*other.hashed_, size_, blocks_);
  pages_.reserve(other.pages_.size());
  for (std::size_t page = 0; page < other.pages_.size(); ++page) {
    const std::size_t room = RoomOf(page);
    pages_.push_back(NewPage(room));
    MoveDetached(other.pages_[page], pages_.back(), room);
  }
}

GroupTable::GroupTable(GroupTable* older)
    : blocks_(&older->blocks_),
      key_width_(older->key_width_),
      record_width_(older->record_width_),
      integer_(older->integer_),
      text_(older->text_),
      size_(older->size_),
      null_group_(older->null_group_),
      capacity_(older->capacity_),
      pages_(older->pages_),
      dense_(older->dense_),
      seen_(older->seen_),
      heap_(older->heap_) {
  if (older->key_bytes_ != nullptr) key_bytes_ = std::make_unique<KeyBytes>(*older->key_bytes_);
  if (older->hashed_ != nullptr) hashed_ = std::make_unique<HashIndex>(*older->hashed_);
}

GroupTable::~GroupTable() {
  blocks_.Leave([this](const auto& leave) { ForEachBlock(leave); });
}

template <class F>
void GroupTable::ForEachBlock(const F& f) const {
  for (const Record page : pages_) f(page);
  if (hashed_ != nullptr) hashed_->ForEachBlock(f);
  dense_.ForEachBlock(f);
}

std::int64_t GroupTable::bytes() const {
  std::int64_t bytes = blocks_.bytes() + static_cast<std::int64_t>(pages_.capacity() * sizeof(Record));
  if (key_bytes_ != nullptr) bytes += static_cast<std::int64_t>(sizeof(KeyBytes)) + key_bytes_->bytes();
  if (hashed_ != nullptr) bytes += static_cast<std::int64_t>(sizeof(HashIndex)) + hashed_->bytes();
  return bytes + dense_.bytes() + heap_.bytes;
}

std::int64_t GroupTable::GrowthBound(std::int64_t groups, IntegerRange range) const {
  // A first page doubles, later ones come one by one; the list of pages doubles, too.
  const auto width = static_cast<std::int64_t>(record_width_);
  const std::int64_t all = groups + size_;
  std::int64_t bytes = groups * width + std::min<std::int64_t>(all, kPageRecords) * width;
  const std::int64_t pages = all / static_cast<std::int64_t>(kPageRecords) + 1;
  bytes += (groups / static_cast<std::int64_t>(kPageRecords) + 2) * static_cast<std::int64_t>(TableBlocks::kBeside);
  if (pages > static_cast<std::int64_t>(pages_.capacity())) {
    bytes += 2 * pages * static_cast<std::int64_t>(sizeof(Record));
  }
  std::int64_t index = HashIndex::BytesBound(static_cast<std::uint64_t>(all));
  if (hashed_ == nullptr) bytes += static_cast<std::int64_t>(sizeof(HashIndex));
  const IntegerRange values = seen_.With(range);
  if (!values.is_empty() &&
      IsWorthIt(values, static_cast<std::uint64_t>(all), dense_.is_empty() ? kPlacesToBegin : kPlacesToStay)) {
    index = std::max(index, DenseIndex::BytesBound(values.size()));
  }
  return bytes +
         std::max<std::int64_t>(0, index - (hashed_ == nullptr ? 0 : hashed_->all_bytes()) - dense_.all_bytes());
}

// ---- records

void GroupTable::RecordsOf(std::span<const std::uint32_t> groups, std::span<Record> out) const {
  for (std::size_t i = 0; i < groups.size(); ++i) out[i] = record(groups[i]);
}

void GroupTable::RecordsToWrite(std::span<const std::uint32_t> groups, std::span<Record> out) {
  if (blocks_.has_older()) {
    for (const std::uint32_t group : groups) MakeOwn(group >> kPageBits);
  }
  RecordsOf(groups, out);
}

Record GroupTable::Append() {
  if (size_ == capacity_) {
    const std::size_t room = capacity_ & kPageMask;
    if (room != 0) {
      SizeLastPage(std::min(room * 2, kPageRecords));
    } else {
      const std::size_t fresh = pages_.empty() ? kFirstRecords : kPageRecords;
      pages_.push_back(NewPage(fresh));
      capacity_ += fresh;
    }
  } else if (blocks_.has_older()) {
    MakeOwn(size_ >> kPageBits);
  }
  const Record added = record(size_++);
  if (!layout().has_heap()) std::memcpy(added, layout().prototype(), record_width_);
  return added;
}

Record GroupTable::NewPage(std::size_t room) {
  const Record page = blocks_.New(room * record_width_, static_cast<std::uint16_t>(room));
  // Records are released without regard to whether they are used; the others are made when they are.
  if (!layout().has_heap()) return page;
  const std::size_t bytes = room * record_width_;
  std::memcpy(page, layout().prototype(), record_width_);
  for (std::size_t filled = record_width_; filled < bytes;) {
    const std::size_t more = std::min(filled, bytes - filled);
    std::memcpy(page + filled, page, more);
    filled += more;
  }
  return page;
}

void GroupTable::MoveDetached(Record from, Record to, std::size_t records) const {
  std::memcpy(to, from, records * record_width_);
  if (!layout().has_heap()) return;
  HeapAccount counted_before;
  for (const RecordLayout::Part& part : layout().parts()) {
    for (std::size_t i = 0; i < records; ++i) part.ops->Detach(to + i * record_width_, counted_before);
  }
}

void GroupTable::ReplacePage(std::size_t page, std::size_t used, std::size_t room) {
  const Record old = pages_[page];
  const std::size_t old_room = RoomOf(page);
  const Record copy = NewPage(room);
  if (blocks_.IsOwn(old)) {
    std::memcpy(copy, old, used * record_width_);
    TableBlocks::Forget(old);
  } else {
    MoveDetached(old, copy, used);
  }
  blocks_.Drop(old, old_room * record_width_);
  pages_[page] = copy;
}

void GroupTable::MakeOwn(std::size_t page) {
  if (blocks_.IsOwn(pages_[page])) return;
  ReplacePage(page, RoomOf(page), RoomOf(page));
}

void GroupTable::SizeLastPage(std::size_t room) {
  const std::size_t page = pages_.size() - 1;
  ReplacePage(page, size_ - page * kPageRecords, room);
  capacity_ = page * kPageRecords + room;
}

void GroupTable::Compact() {
  if (size_ < capacity_) SizeLastPage(size_ - (pages_.size() - 1) * kPageRecords);
  if (!dense_.is_empty() && !seen_.is_empty()) dense_.Compact(seen_.greatest, blocks_);
  if (key_bytes_ == nullptr) return;
  const KeyBytes::Moved moved = key_bytes_->Compact();
  if (moved.now == nullptr) return;
  for (std::uint32_t group = size_; group > 0; --group) {  // the last keys are in the last block
    RecordLayout::KeyRef ref;
    std::memcpy(&ref, record(group - 1) + sizeof(std::uint64_t), sizeof(ref));
    const char* const now = moved.Of(ref.data);
    if (now == ref.data) break;
    ref.data = now;
    std::memcpy(RecordToWrite(group - 1) + sizeof(std::uint64_t), &ref, sizeof(ref));
  }
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

template <class F>
void GroupTable::ForEachHash(std::span<const std::uint64_t> hashes, const F& f) {
  if (hashes.empty()) return;
  const auto each = [&](auto segment_of) {
    for (const std::uint64_t hash : hashes) segment_of(HashIndex::TagOf(hash)).Prefetch(HashIndex::TagOf(hash));
    for (const std::uint64_t hash : hashes) {
      const std::uint32_t likely = segment_of(HashIndex::TagOf(hash)).LikelyOf(HashIndex::TagOf(hash));
      if (likely != kNone) PrefetchRecord(likely);
    }
    for (std::size_t i = 0; i < hashes.size(); ++i) f(i, segment_of(HashIndex::TagOf(hashes[i])));
  };
  if (hashed_->StaysFlat(hashes.size(), blocks_)) {
    each([index = hashed_.get()](std::uint32_t) -> const HashIndex::Segment& { return index->only_segment(); });
  } else {
    each([index = hashed_.get()](std::uint32_t tag) -> const HashIndex::Segment& { return index->SegmentOf(tag); });
  }
}

std::uint32_t GroupTable::HashedInteger(const HashIndex::Segment& segment, std::int64_t value, std::uint64_t hash) {
  return hashed_->FindOrAdd(
      segment, HashIndex::TagOf(hash), blocks_, [&](std::uint32_t group) { return IntegerOf(record(group)) == value; },
      [&] { return AppendInteger(value); });
}

void GroupTable::FindHashed(std::span<const std::int64_t> values, std::span<std::uint32_t> groups) {
  std::array<std::uint64_t, kBlockRows> hashes;
  for (std::size_t i = 0; i < values.size(); ++i) hashes[i] = HashInteger(values[i]);
  ForEachHash(std::span(hashes).first(values.size()), [&](std::size_t i, const HashIndex::Segment& segment) {
    groups[i] = HashedInteger(segment, values[i], hashes[i]);
  });
}

bool GroupTable::IsWorthIt(IntegerRange range, std::uint64_t groups, std::uint64_t places) const {
  return range.size() <= std::max(kPlacesAlways, groups * places);
}

void GroupTable::Expect(IntegerRange range, std::size_t rows) {
  const IntegerRange all = seen_.With(range);
  const std::uint64_t groups = std::max<std::uint64_t>(size_, rows);
  if (all.is_empty()) return;
  if (IsWorthIt(all, groups, dense_.is_empty() ? kPlacesToBegin : kPlacesToStay)) {
    UseDense(all);
  } else {
    UseHash();
  }
}

void GroupTable::ExpectAll(const GroupTable& other) {
  if (integer_) Expect(other.seen_, other.size_);
}

void GroupTable::Settle() {
  if (!dense_.is_empty() &&
      !IsWorthIt({.least = 0, .greatest = static_cast<std::int64_t>(dense_.places()) - 1}, size_, kPlacesToStay)) {
    UseHash();
  }
}

void GroupTable::UseDense(IntegerRange range) {
  const bool is_new = dense_.is_empty();
  dense_.Cover(range, blocks_);
  if (!is_new) return;
  if (hashed_ != nullptr) hashed_->Clear(blocks_);
  hashed_ = nullptr;
  for (std::uint32_t group = 0; group < size_; ++group) {
    if (group != null_group_) dense_.Set(IntegerOf(record(group)), group);
  }
}

void GroupTable::FindOrAdd(std::span<const std::int64_t> values, std::span<std::uint32_t> groups) {
  if (dense_.is_empty()) return FindHashed(values, groups);
  dense_.FindOrAdd(values, groups, [this](std::int64_t value) { return AppendInteger(value); });
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
  if (!dense_.is_empty()) dense_.Clear(blocks_);
  if (hashed_ != nullptr) return;
  hashed_ = std::make_unique<HashIndex>();
  hashed_->Start(size_, blocks_);
  for (std::uint32_t group = 0; group < size_; ++group) {
    if (group != null_group_) hashed_->Put(group, HashIndex::TagOf(HashOf(group)), blocks_);
  }
}

std::uint32_t GroupTable::AppendBytes(std::string_view key) {
  const Record added = Append();
  if (key_width_ != RowKeys::kVariable) {
    if (!key.empty()) std::memcpy(added + RecordLayout::kKeyOffset, key.data(), key.size());
  } else {
    const RecordLayout::KeyRef ref{.data = key_bytes().Add(key, {}), .size = key.size()};
    std::memcpy(added + sizeof(std::uint64_t), &ref, sizeof(ref));
  }
  return size_ - 1;
}

std::uint32_t GroupTable::AppendText(std::string_view text) {
  const Record added = Append();
  const auto length = static_cast<std::uint32_t>(text.size());
  std::array<char, TextKey::kOffset> head{1, 0};
  std::memcpy(head.data() + head.size() - sizeof(length), &length, sizeof(length));
  const RecordLayout::KeyRef ref{.data = key_bytes().Add({head.data(), head.size()}, text),
                                 .size = TextKey::kOffset + text.size()};
  std::memcpy(added + sizeof(std::uint64_t), &ref, sizeof(ref));
  return size_ - 1;
}

std::uint32_t GroupTable::FindOrAddBytes(const HashIndex::Segment& segment, std::string_view key, std::uint64_t hash) {
  return hashed_->FindOrAdd(
      segment, HashIndex::TagOf(hash), blocks_, [&](std::uint32_t group) { return EqualRows(this->key(group), key); },
      [&] { return AppendBytes(key); });
}

std::uint32_t GroupTable::FindOrAddText(const HashIndex::Segment& segment, std::string_view text, std::uint64_t hash) {
  return hashed_->FindOrAdd(
      segment, HashIndex::TagOf(hash), blocks_, [&](std::uint32_t group) { return EqualRows(TextOf(group), text); },
      [&] { return AppendText(text); });
}

void GroupTable::FindOrAdd(std::span<const std::string_view> texts, std::span<std::uint32_t> groups) {
  UseHash();
  std::array<std::uint64_t, kBlockRows> hashes;
  for (std::size_t i = 0; i < texts.size(); ++i) hashes[i] = HashRow(texts[i]);
  ForEachHash(std::span(hashes).first(texts.size()), [&](std::size_t i, const HashIndex::Segment& segment) {
    groups[i] = FindOrAddText(segment, texts[i], hashes[i]);
  });
}

void GroupTable::FindOrAddRows(const auto& key_at, std::span<std::uint32_t> groups) {
  UseHash();
  std::array<std::uint64_t, kBlockRows> hashes;
  for (std::size_t i = 0; i < groups.size(); ++i) hashes[i] = HashRow(key_at(i));
  ForEachHash(std::span(hashes).first(groups.size()), [&](std::size_t i, const HashIndex::Segment& segment) {
    groups[i] = FindOrAddBytes(segment, key_at(i), hashes[i]);
  });
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
    const std::uint64_t hash = HashRow(text_ ? TextKey::Read(key) : key);
    const HashIndex::Segment& segment = hashed_->SegmentOf(HashIndex::TagOf(hash));
    group = text_ ? FindOrAddText(segment, TextKey::Read(key), hash) : FindOrAddBytes(segment, key, hash);
  }
  return group == before;
}

std::optional<std::uint32_t> GroupTable::Find(std::string_view key) const {
  if ((integer_ || text_) && key[0] == 0) return null_group_ == kNone ? std::nullopt : std::optional(null_group_);
  if (integer_) {
    const std::int64_t value = integer_->Read(key);
    if (!seen_.Contains({.least = value, .greatest = value})) return std::nullopt;
    if (!dense_.is_empty()) {
      const std::uint32_t group = dense_.Find(value);
      return group < size_ ? std::optional(group) : std::nullopt;
    }
  }
  if (hashed_ == nullptr) return std::nullopt;
  const std::uint64_t hash = integer_ ? HashInteger(integer_->Read(key)) : HashRow(text_ ? TextKey::Read(key) : key);
  return hashed_->Find(HashIndex::TagOf(hash), size_,
                       [&](std::uint32_t group) { return EqualRows(this->key(group), key); });
}

}  // namespace hyprstream::aggregate
