// From row keys to dense group numbers: an open-addressing table over an arena of keys with their hashes stored.
//
// Groups are numbered in the order of their first row, so the same rows in the same order give the same numbers. At
// most 2^32 - 2 groups. A value: copying it copies the groups.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "aggregate/row_keys_internal.h"

namespace hyprstream::aggregate {

class GroupIndex {
 public:
  explicit GroupIndex(std::int64_t key_width) : keys_(key_width) {}

  std::int64_t size() const { return keys_.size(); }
  const RowKeys& keys() const { return keys_; }
  std::int64_t bytes() const;

  // The group of keys.Row(rows[i]) for each i, new ones added. hashes[row] is HashRow of the row's key.
  std::vector<std::uint32_t> FindOrAdd(const RowKeys& keys, std::span<const std::uint64_t> hashes,
                                       std::span<const std::uint32_t> rows);
  // The same for all groups of another index.
  std::vector<std::uint32_t> FindOrAddAll(const GroupIndex& other);
  // Adds a key that must be new; false when it is not.
  bool Add(std::string_view key);
  std::optional<std::uint32_t> Find(std::string_view key) const;

 private:
  struct Slot {
    std::uint32_t group = kEmpty;
    std::uint32_t tag = 0;  // the hash's upper half
  };
  static constexpr std::uint32_t kEmpty = 0xffffffff;

  std::uint32_t FindOrAddOne(std::string_view key, std::uint64_t hash);
  void Grow(std::size_t slots);

  RowKeys keys_;
  std::vector<std::uint64_t> hashes_;  // of each group
  std::vector<Slot> slots_;            // a power of two, or none
};

}  // namespace hyprstream::aggregate
