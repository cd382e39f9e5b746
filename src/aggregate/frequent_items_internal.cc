#include "aggregate/frequent_items_internal.h"

#include <algorithm>
#include <functional>

#include "arrow/result.h"

namespace hyprstream::aggregate {

std::int64_t FrequentItems::BytesOf(std::string_view item) {
  constexpr std::int64_t kNode = 72;  // a string, a count, a hash and two pointers
  return kNode + (item.size() < 16 ? 0 : static_cast<std::int64_t>(item.size()) + 1);
}

void FrequentItems::Add(std::string_view item, std::uint64_t count) {
  const auto known = counters_.find(item);
  if (known != counters_.end()) {
    known->second += count;
    return;
  }
  counters_.emplace(item, count);
  bytes_ += BytesOf(item);
  if (counters_.size() > std::size_t{2} * capacity_) Shrink();
}

// Takes the (capacity + 1)-th largest count off all: at most `capacity` counters are left. Each time as many rows as
// that, capacity + 1 times, stop being counted: so the error is bounded.
void FrequentItems::Shrink() {
  std::vector<std::uint64_t> counts;
  counts.reserve(counters_.size());
  for (const auto& [item, count] : counters_) counts.push_back(count);
  const auto cut = counts.begin() + capacity_;
  std::nth_element(counts.begin(), cut, counts.end(), std::greater<>());
  const std::uint64_t taken = *cut;
  std::erase_if(counters_, [&](auto& counter) {
    if (counter.second > taken) {
      counter.second -= taken;
      return false;
    }
    bytes_ -= BytesOf(counter.first);
    return true;
  });
}

void FrequentItems::Merge(const FrequentItems& other) {
  for (const auto& [item, count] : other.counters_) {
    const auto [known, is_new] = counters_.try_emplace(item, 0);
    known->second += count;
    if (is_new) bytes_ += BytesOf(item);
  }
  if (counters_.size() > std::size_t{2} * capacity_) Shrink();
}

std::vector<std::string_view> FrequentItems::Top(std::size_t most) const {
  std::vector<const Counters::value_type*> sorted;
  sorted.reserve(counters_.size());
  for (const auto& counter : counters_) sorted.push_back(&counter);
  const std::size_t kept = std::min(most, sorted.size());
  std::ranges::partial_sort(sorted, sorted.begin() + static_cast<std::ptrdiff_t>(kept),
                            [](const auto* a, const auto* b) {
                              return a->second != b->second ? a->second > b->second : a->first < b->first;
                            });
  std::vector<std::string_view> items;
  for (std::size_t i = 0; i < kept; ++i) items.push_back(sorted[i]->first);
  return items;
}

std::uint64_t FrequentItems::total() const {
  std::uint64_t total = 0;
  for (const auto& [item, count] : counters_) total += count;
  return total;
}

bool FrequentItems::All(const std::function<bool(std::string_view)>& is_one) const {
  return std::ranges::all_of(counters_, [&](const auto& counter) { return is_one(counter.first); });
}

std::uint64_t FrequentItems::CountOf(std::string_view item) const {
  const auto known = counters_.find(item);
  return known == counters_.end() ? 0 : known->second;
}

void FrequentItems::Save(StateWriter& writer) const {
  std::vector<const Counters::value_type*> sorted;
  for (const auto& counter : counters_) sorted.push_back(&counter);
  std::ranges::sort(sorted, {}, [](const auto* counter) -> const std::string& { return counter->first; });
  writer.Put(static_cast<std::uint64_t>(sorted.size()));
  for (const auto* counter : sorted) {
    writer.Put(static_cast<std::uint64_t>(counter->first.size()));
    writer.PutBytes(counter->first);
    writer.Put(counter->second);
  }
}

arrow::Status FrequentItems::Load(StateReader& reader) {
  constexpr std::uint64_t kCountMax = std::uint64_t{1} << 48;
  ARROW_ASSIGN_OR_RAISE(const auto items, reader.Take<std::uint64_t>());
  if (items > std::uint64_t{2} * capacity_) return arrow::Status::Invalid("View state: more items than there can be");
  for (std::uint64_t i = 0; i < items; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto size, reader.Take<std::uint64_t>());
    ARROW_ASSIGN_OR_RAISE(const std::string_view item, reader.TakeBytes(size));
    ARROW_ASSIGN_OR_RAISE(const auto count, reader.Take<std::uint64_t>());
    if (count == 0 || count > kCountMax || counters_.contains(item)) {
      return arrow::Status::Invalid("View state: a count that cannot be");
    }
    counters_.emplace(item, count);
    bytes_ += BytesOf(item);
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::aggregate
