#include "aggregate/group_index_internal.h"

#include <algorithm>
#include <numeric>

namespace hyprstream::aggregate {
namespace {

constexpr std::size_t kSlotsMin = 16;
constexpr std::size_t kPrefetchDistance = 16;

std::uint32_t TagOf(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

}  // namespace

std::int64_t GroupIndex::bytes() const {
  return keys_.bytes() +
         static_cast<std::int64_t>(hashes_.capacity() * sizeof(std::uint64_t) + slots_.capacity() * sizeof(Slot));
}

void GroupIndex::Grow(std::size_t slots) {
  slots_.assign(slots, Slot{});
  const std::size_t mask = slots - 1;
  for (std::size_t group = 0; group < hashes_.size(); ++group) {
    std::size_t at = hashes_[group] & mask;
    while (slots_[at].group != kEmpty) at = (at + 1) & mask;
    slots_[at] = {static_cast<std::uint32_t>(group), TagOf(hashes_[group])};
  }
}

std::uint32_t GroupIndex::FindOrAddOne(std::string_view key, std::uint64_t hash) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  for (; slots_[at].group != kEmpty; at = (at + 1) & mask) {
    if (slots_[at].tag == TagOf(hash) && EqualRows(keys_.Row(slots_[at].group), key)) return slots_[at].group;
  }
  const auto group = static_cast<std::uint32_t>(keys_.size());
  slots_[at] = {group, TagOf(hash)};
  keys_.Append(key);
  hashes_.push_back(hash);
  if (hashes_.size() * 3 > slots_.size() * 2) Grow(slots_.size() * 2);
  return group;
}

std::vector<std::uint32_t> GroupIndex::FindOrAdd(const RowKeys& keys, std::span<const std::uint64_t> hashes,
                                                 std::span<const std::uint32_t> rows) {
  if (slots_.empty()) Grow(kSlotsMin);
  std::vector<std::uint32_t> groups(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kPrefetchDistance < rows.size()) {
      __builtin_prefetch(&slots_[hashes[rows[i + kPrefetchDistance]] & (slots_.size() - 1)]);
    }
    groups[i] = FindOrAddOne(keys.Row(rows[i]), hashes[rows[i]]);
  }
  return groups;
}

std::vector<std::uint32_t> GroupIndex::FindOrAddAll(const GroupIndex& other) {
  std::vector<std::uint32_t> rows(other.hashes_.size());
  std::iota(rows.begin(), rows.end(), 0U);
  return FindOrAdd(other.keys_, other.hashes_, rows);
}

bool GroupIndex::Add(std::string_view key) {
  if (slots_.empty()) Grow(kSlotsMin);
  const auto before = static_cast<std::uint32_t>(size());
  return FindOrAddOne(key, HashRow(key)) == before;
}

std::optional<std::uint32_t> GroupIndex::Find(std::string_view key) const {
  if (slots_.empty()) return std::nullopt;
  const std::uint64_t hash = HashRow(key);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].group != kEmpty; at = (at + 1) & mask) {
    if (slots_[at].tag == TagOf(hash) && EqualRows(keys_.Row(slots_[at].group), key)) return slots_[at].group;
  }
  return std::nullopt;
}

}  // namespace hyprstream::aggregate
