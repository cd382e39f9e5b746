#include "aggregate/table_blocks_internal.h"

#include <iterator>
#include <utility>

namespace hyprstream::aggregate {

TableBlocks::TableBlocks(TableBlocks* older) : layout_(older->layout_), bytes_(older->bytes_) {
  if (older->place_ == nullptr) {
    older->place_ = std::make_unique<Place>(std::make_shared<Line>(), 1);
    Line& line = *older->place_->line;
    const MutexLock lock(line.mutex);
    line.copies.try_emplace(1);
  }
  older->EndWrite();
  Line& line = *older->place_->line;
  const MutexLock lock(line.mutex);
  place_ = std::make_unique<Place>(older->place_->line, ++line.last);
  oldest_own_ = older->number() + 1;
  line.copies.try_emplace(number());
}

std::int64_t TableBlocks::TakeReplacedBytes() {
  return place_ == nullptr ? 0 : std::exchange(place_->replaced_bytes, 0);
}

std::byte* TableBlocks::New(std::size_t bytes, std::uint16_t records) {
  auto* const memory = static_cast<std::byte*>(::operator new(kBeside + bytes));
  new (memory) Header(number() << kRecordsBits | records);
  bytes_ += static_cast<std::int64_t>(kBeside + bytes);
  return memory + kBeside;
}

void TableBlocks::Drop(std::byte* block, std::size_t bytes) {
  bytes_ -= static_cast<std::int64_t>(kBeside + bytes);
  if (IsOwn(block)) return Free(block);
  place_->replaced.push_back(block);
  place_->replaced_bytes += static_cast<std::int64_t>(kBeside + bytes);
}

void TableBlocks::Free(std::byte* block) const {
  const std::size_t records = HeaderOf(block) & ((Header{1} << kRecordsBits) - 1);
  if (records != 0 && layout_->has_heap()) {
    for (const RecordLayout::Part& part : layout_->parts()) {
      for (std::size_t i = 0; i < records; ++i) part.ops->Release(block + i * layout_->width());
    }
  }
  ::operator delete(block - kBeside);
}

bool TableBlocks::is_newest() const {
  if (place_ == nullptr) return true;
  Line& line = *place_->line;
  const MutexLock lock(line.mutex);
  return line.last == number();
}

std::uint64_t TableBlocks::OlderThan(const Line& line, std::uint64_t copy) {
  const auto at = line.copies.lower_bound(copy);
  return at == line.copies.begin() ? 0 : std::prev(at)->first;
}

void TableBlocks::HandOver(Line& line, const std::vector<std::byte*>& blocks, std::vector<std::byte*>& free) {
  const std::uint64_t older = OlderThan(line, number());
  for (std::byte* const block : blocks) {
    (MadeFor(block) <= older ? line.copies[older] : free).push_back(block);
  }
}

void TableBlocks::BeginWrite() {
  if (place_ == nullptr) return;
  Line& line = *place_->line;
  const MutexLock lock(line.mutex);
  oldest_own_ = OlderThan(line, number()) + 1;
}

void TableBlocks::EndWrite() {
  if (place_ == nullptr || place_->replaced.empty()) return;
  std::vector<std::byte*> free;
  {
    Line& line = *place_->line;
    const MutexLock lock(line.mutex);
    HandOver(line, place_->replaced, free);
  }
  place_->replaced = {};
  for (std::byte* const block : free) Free(block);
}

std::optional<std::uint64_t> TableBlocks::LeaveLine(Line& line, std::vector<std::byte*>& free) {
  HandOver(line, place_->replaced, free);
  const auto own = line.copies.find(number());
  const bool is_newest = std::next(own) == line.copies.end();
  const std::vector<std::byte*> kept = std::move(own->second);
  line.copies.erase(own);
  if (!is_newest) {
    HandOver(line, kept, free);
    return std::nullopt;
  }
  const std::uint64_t older = OlderThan(line, number());
  // What it does not share with this one is the next older's in any case: it is the newest now.
  if (older != 0) line.copies[older].clear();
  return older;
}

}  // namespace hyprstream::aggregate
