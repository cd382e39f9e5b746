#include "aggregate/dense_index_internal.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace hyprstream::aggregate {

DenseIndex::DenseIndex(const DenseIndex& other, std::uint32_t groups, TableBlocks& blocks) : DenseIndex(other) {
  for (std::uint32_t*& page : pages_) {
    std::uint32_t* const shared = page;
    page = NewBlock<std::uint32_t>(blocks, page_size());
    for (std::uint64_t place = 0; place < page_size(); ++place) {
      const std::uint32_t group = Load(shared[place]);
      page[place] = group < groups ? group : kNone;
    }
  }
}

std::int64_t DenseIndex::BytesBound(std::uint64_t places) {
  // An array has up to a quarter more than asked for, pages begin and end with whole ones, their list doubles.
  if (places <= kFlatPlaces) {
    return static_cast<std::int64_t>(std::min(places + places / 4, kFlatPlaces) * sizeof(std::uint32_t) +
                                     TableBlocks::kBeside + sizeof(std::uint32_t*));
  }
  const std::uint64_t pages = places / kPagePlaces + 2;
  return static_cast<std::int64_t>(
      pages * (kPagePlaces * sizeof(std::uint32_t) + TableBlocks::kBeside + 2 * sizeof(std::uint32_t*)));
}

std::uint32_t* DenseIndex::NewPage(std::uint64_t places, TableBlocks& blocks) const {
  auto* const page = NewBlock<std::uint32_t>(blocks, places);
  std::fill_n(page, places, kNone);
  return page;
}

void DenseIndex::Clear(TableBlocks& blocks) {
  for (std::uint32_t* const page : pages_) DropBlock(blocks, page, page_size());
  pages_ = {};
  places_ = 0;
}

void DenseIndex::Cover(IntegerRange range, TableBlocks& blocks) {
  if (range.is_empty()) return;
  if (is_empty()) return Rebuild(range.least, range.size(), blocks);
  // Both are far smaller than 2^63, so that a distance says on which side a value lies.
  const std::uint64_t above = std::max(places_, PlaceOf(std::max(range.greatest, least_)) + 1);
  const std::uint64_t below =
      range.least < least_ ? static_cast<std::uint64_t>(least_) - static_cast<std::uint64_t>(range.least) : 0;
  if (below == 0 && above == places_) return;
  if (is_flat()) {
    // Values that go on and on shall not copy it every time.
    const std::uint64_t spare = above > places_ ? std::min(places_ + places_ / 4, kFlatPlaces) : 0;
    return Rebuild(below > 0 ? range.least : least_, below + std::max(above, spare), blocks);
  }
  const std::uint64_t room_below =
      static_cast<std::uint64_t>(least_) - static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::min());
  if (below > 0 && room_below < below + kPagePlaces) return Rebuild(range.least, below + above, blocks);
  if (below > 0) AddPagesBelow(below, blocks);
  const std::uint64_t end = PlaceOf(std::max(range.greatest, least_));
  for (; end >= places_; places_ += kPagePlaces) pages_.push_back(NewPage(kPagePlaces, blocks));
}

void DenseIndex::AddPagesBelow(std::uint64_t places, TableBlocks& blocks) {
  std::vector<std::uint32_t*> pages((places + kPagePlaces - 1) / kPagePlaces);
  const std::uint64_t more = pages.size() * kPagePlaces;
  for (std::uint32_t*& page : pages) page = NewPage(kPagePlaces, blocks);
  pages.insert(pages.end(), pages_.begin(), pages_.end());
  pages_ = std::move(pages);
  places_ += more;
  least_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(least_) - more);
}

void DenseIndex::Rebuild(std::int64_t least, std::uint64_t places, TableBlocks& blocks) {
  DenseIndex old(*this);
  const std::uint64_t before = static_cast<std::uint64_t>(least_) - static_cast<std::uint64_t>(least);
  pages_ = {};
  least_ = least;
  if (places <= kFlatPlaces) {
    pages_.push_back(NewPage(places, blocks));
    places_ = places;
  } else {
    for (places_ = 0; places_ < places; places_ += kPagePlaces) pages_.push_back(NewPage(kPagePlaces, blocks));
  }
  const std::uint64_t kept = std::min(old.places_, places_ - (old.is_empty() ? 0 : before));
  if (kept > 0 && is_flat() && old.is_flat()) {
    std::copy_n(old.pages_.front(), kept, pages_.front() + before);
    return old.Clear(blocks);
  }
  for (std::uint64_t place = 0; place < kept; ++place) {
    const auto value = static_cast<std::int64_t>(static_cast<std::uint64_t>(old.least_) + place);
    if (const std::uint32_t group = old.Find(value); group != kNone) Set(value, group);
  }
  old.Clear(blocks);
}

void DenseIndex::Compact(std::int64_t greatest, TableBlocks& blocks) {
  if (is_flat() && PlaceOf(greatest) + 1 < places_) Rebuild(least_, PlaceOf(greatest) + 1, blocks);
}

}  // namespace hyprstream::aggregate
