// The bytes of keys that vary in width, in blocks. They neither move nor change, so that copies of a table share them.
//
// Thread safety: none; copies may be read while the newest of them is added to.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace hyprstream::aggregate {

class KeyBytes {
 public:
  KeyBytes() = default;
  // Of the next copy of a table; the other is not added to any more.
  KeyBytes(const KeyBytes& other) = default;
  KeyBytes& operator=(const KeyBytes&) = delete;
  // Both may be added to.
  static KeyBytes Fork(const KeyBytes& other) {
    KeyBytes fork(other);
    fork.used_ = fork.room_ = 0;
    return fork;
  }

  // Where it is from now on: `head`, and `tail` behind it; not both empty.
  const char* Add(std::string_view head, std::string_view tail) {
    const std::size_t size = head.size() + tail.size();
    if (used_ + size > room_) AddBlock(std::max(size, BlockAfter(total_)));
    char* const to = blocks_.back().get() + used_;
    if (!head.empty()) std::memcpy(to, head.data(), head.size());
    if (!tail.empty()) std::memcpy(to + head.size(), tail.data(), tail.size());
    used_ += size;
    total_ += static_cast<std::int64_t>(size);
    return to;
  }
  // No more room than is used. Keys in [first, first + size) are at `now` from then on.
  struct Moved {
    std::shared_ptr<char[]> kept;  // while keys are asked for where they were
    std::size_t size = 0;
    const char* now = nullptr;

    const char* Of(const char* key) const {
      const auto distance = reinterpret_cast<std::uintptr_t>(key) - reinterpret_cast<std::uintptr_t>(kept.get());
      return distance < size ? now + distance : key;
    }
  };
  Moved Compact() {
    if (used_ == room_) return {};
    Moved moved{.kept = blocks_.back(), .size = used_};
    blocks_.back() = std::make_shared_for_overwrite<char[]>(used_);
    std::memcpy(blocks_.back().get(), moved.kept.get(), used_);
    bytes_ -= static_cast<std::int64_t>(room_ - used_);
    room_ = used_;
    moved.now = blocks_.back().get();
    return moved;
  }

  std::int64_t total() const { return total_; }
  std::int64_t bytes() const { return bytes_ + static_cast<std::int64_t>(blocks_.capacity() * sizeof(blocks_[0])); }
  // At most so many more bytes once so many more are added, unless keys are longer than a block.
  std::int64_t GrowthBound(std::int64_t added) const {
    return added == 0 ? 0 : added * 2 + static_cast<std::int64_t>(BlockAfter(total_ + added));
  }

 private:
  static constexpr std::int64_t kBlockMin = 64;
  static constexpr std::int64_t kBlockMax = std::int64_t{1} << 16;

  static std::size_t BlockAfter(std::int64_t total) {
    return static_cast<std::size_t>(std::clamp(total / 2, kBlockMin, kBlockMax));
  }
  void AddBlock(std::size_t room) {
    blocks_.push_back(std::make_shared_for_overwrite<char[]>(room));
    bytes_ += static_cast<std::int64_t>(room);
    room_ = room;
    used_ = 0;
  }

  std::vector<std::shared_ptr<char[]>> blocks_;
  std::size_t used_ = 0;  // of the last block
  std::size_t room_ = 0;  // in it
  std::int64_t total_ = 0;
  std::int64_t bytes_ = 0;  // of all blocks
};

}  // namespace hyprstream::aggregate
