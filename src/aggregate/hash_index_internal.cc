#include "aggregate/hash_index_internal.h"

#include <bit>
#include <utility>

namespace hyprstream::aggregate {
namespace {

constexpr std::size_t kSlotsMin = 8;
// What is moved at once for one new group; a page of memory.
constexpr std::size_t kSegmentSlots = 512;
// The directory has at most one place for so many groups, however alike their hashes: beyond that segments grow.
constexpr std::uint64_t kGroupsPerPlace = 75;

}  // namespace

HashIndex::HashIndex(const HashIndex& other, std::uint32_t groups, TableBlocks& blocks)
    : directory_(other.directory_), at_shift_(other.at_shift_) {
  for (std::size_t at = 0; at < directory_.size(); at += Spread(directory_[at])) {
    const Segment shared = directory_[at];
    Segment own = NewSegment(shared.depth, shared.size(), blocks);
    for (std::size_t i = 0; i < shared.size(); ++i) {
      const Slot slot = Load(shared.slots[i]);
      if (slot.group >= groups) continue;
      PutInto(own, slot);
      ++own.groups;
    }
    groups_ += own.groups;
    Fill(at, Spread(own), own);
  }
}

std::int64_t HashIndex::BytesBound(std::uint64_t groups) {
  std::uint64_t slots = std::max<std::uint64_t>(kSlotsMin, std::bit_ceil(groups * 5 / 4 + 1));
  std::uint64_t places = 1;
  if (slots > kFlatSlots) {
    // Some segments are full and split before the others, as chance has it.
    const double fullness = static_cast<double>(groups) / static_cast<double>(slots);
    slots += static_cast<std::uint64_t>(std::clamp((fullness - 0.68) / 0.18, 0.0, 1.0) * static_cast<double>(slots));
    places = std::bit_ceil(groups / (2 * kGroupsPerPlace) + 2);
  }
  const std::uint64_t segments = slots / kSegmentSlots + 1;
  return static_cast<std::int64_t>(slots * sizeof(Slot) + segments * TableBlocks::kBeside + places * sizeof(Segment));
}

HashIndex::Segment HashIndex::NewSegment(std::uint8_t depth, std::size_t slots, TableBlocks& blocks) {
  const int bits = std::countr_zero(slots);
  const Segment segment{.slots = NewBlock<Slot>(blocks, slots),
                        .bits = static_cast<std::uint8_t>(bits),
                        .depth = depth,
                        .shift = static_cast<std::uint8_t>(std::max(32 - depth - bits, 0))};
  block_bytes_ += static_cast<std::int64_t>(slots * sizeof(Slot) + TableBlocks::kBeside);
  std::fill_n(segment.slots, slots, Slot{});
  return segment;
}

void HashIndex::DropSegment(const Segment& segment, TableBlocks& blocks) {
  block_bytes_ -= static_cast<std::int64_t>(segment.size() * sizeof(Slot) + TableBlocks::kBeside);
  DropBlock(blocks, segment.slots, segment.size());
}

void HashIndex::Start(std::size_t groups, TableBlocks& blocks) {
  std::size_t slots = kSlotsMin;
  while (groups * 5 > slots * 4 && slots < kFlatSlots) slots *= 2;
  directory_.assign(1, NewSegment(0, slots, blocks));
  at_shift_ = 32;
  groups_ = 0;
}

void HashIndex::Clear(TableBlocks& blocks) {
  for (std::size_t at = 0; at < directory_.size();) {
    const std::size_t spread = Spread(directory_[at]);
    DropSegment(directory_[at], blocks);
    at += spread;
  }
  directory_ = {};
  groups_ = 0;
}

void HashIndex::PutInto(const Segment& segment, Slot slot) {
  std::size_t at = segment.PlaceOf(slot.tag);
  while (segment.slots[at].group != kNone) at = (at + 1) & segment.mask();
  segment.slots[at] = slot;
}

void HashIndex::Put(std::uint32_t group, std::uint32_t tag, TableBlocks& blocks) {
  const std::size_t at = AtOf(tag);
  PutInto(directory_[at], {.group = group, .tag = tag});
  CountOne(First(at), blocks);
}

void HashIndex::Fill(std::size_t first, std::size_t spread, const Segment& segment) {
  for (std::size_t at = first; at < first + spread; ++at) directory_[at] = segment;
}

void HashIndex::Grow(std::size_t first, TableBlocks& blocks) {
  const Segment full = directory_[first];
  if (directory_.size() == 1 && full.size() >= kFlatSlots) return MakeSegments(blocks);
  const std::uint64_t places_max = std::max<std::uint64_t>(4, groups_ / kGroupsPerPlace);
  if (directory_.size() > 1 && full.depth < 31 && (std::uint64_t{2} << full.depth) <= places_max) {
    return Split(first, blocks);
  }
  Segment grown = NewSegment(full.depth, full.size() * 2, blocks);
  grown.groups = full.groups;
  for (std::size_t i = 0; i < full.size();
       ++i) {  // in the order of their tags, so that memory is written in order, too
    if (full.slots[i].group != kNone) PutInto(grown, full.slots[i]);
  }
  Fill(first, Spread(full), grown);
  DropSegment(full, blocks);
}

void HashIndex::MakeSegments(TableBlocks& blocks) {
  const Segment flat = directory_.front();
  const std::size_t segments = 2 * kFlatSlots / kSegmentSlots;
  const auto depth = static_cast<std::uint8_t>(std::countr_zero(segments));
  at_shift_ = 32 - depth;
  directory_.clear();
  for (std::size_t at = 0; at < segments; ++at) directory_.push_back(NewSegment(depth, kSegmentSlots, blocks));
  groups_ = 0;
  for (std::size_t i = 0; i < flat.size(); ++i) {
    if (flat.slots[i].group != kNone) Put(flat.slots[i].group, flat.slots[i].tag, blocks);
  }
  DropSegment(flat, blocks);
}

void HashIndex::DoubleDirectory() {
  std::vector<Segment> directory(directory_.size() * 2);
  for (std::size_t at = 0; at < directory_.size(); ++at) {
    directory[2 * at] = directory[2 * at + 1] = directory_[at];
  }
  directory_ = std::move(directory);
  --at_shift_;
}

void HashIndex::Split(std::size_t first, TableBlocks& blocks) {
  if (Spread(directory_[first]) == 1) {
    DoubleDirectory();
    first *= 2;
  }
  const Segment full = directory_[first];
  const auto depth = static_cast<std::uint8_t>(full.depth + 1);
  const auto is_upper = [depth](std::uint32_t tag) { return (tag >> (32 - depth) & 1) != 0; };
  std::uint32_t upper = 0;
  for (std::size_t i = 0; i < full.size(); ++i) {
    upper += full.slots[i].group != kNone && is_upper(full.slots[i].tag) ? 1 : 0;
  }
  const std::uint32_t lower = full.groups - upper;
  const auto half_of = [&](std::uint32_t groups) {
    const std::size_t slots = std::bit_ceil(std::size_t{groups} * 5 / 4 + 1);
    Segment half = NewSegment(depth, std::max(kSegmentSlots, slots), blocks);
    half.groups = groups;
    return half;
  };
  const Segment lower_half = half_of(lower);
  const Segment upper_half = half_of(upper);
  for (std::size_t i = 0; i < full.size(); ++i) {
    if (full.slots[i].group == kNone) continue;
    PutInto(is_upper(full.slots[i].tag) ? upper_half : lower_half, full.slots[i]);
  }
  const std::size_t spread = Spread(lower_half);
  Fill(first, spread, lower_half);
  Fill(first + spread, spread, upper_half);
  DropSegment(full, blocks);
}

}  // namespace hyprstream::aggregate
