// The memory of a table, in blocks that copies of the table share until one of them is written to.
//
// Copies stand in a line by age, and only the newest is ever written to. A block remembers for which copy it was made;
// the newest may write to it in place when no older copy that is still there is as young, else it makes a block to
// replace it, and the old one goes with the last copy that sees it. So a copy costs its lists of blocks, and what is
// written to afterwards. Indexes are added to in place all the same, see HashIndex.
//
// Thread safety: none, but that copies may be destroyed by other threads at any time; what such a thread read before
// happens before a block is written to in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "aggregate/state_ops_internal.h"
#include "base/mutex.h"

namespace hyprstream::aggregate {

class TableBlocks {
 public:
  explicit TableBlocks(std::shared_ptr<const RecordLayout> layout) : layout_(std::move(layout)) {}
  // The copy after `older`, which is the newest of its line and shall not be written to any more. Sees all its blocks.
  explicit TableBlocks(TableBlocks* older);
  TableBlocks(const TableBlocks&) = delete;
  TableBlocks& operator=(const TableBlocks&) = delete;

  // Bytes beside each block, so many that records lie in as few cache lines as malloc's alignment allows.
  static constexpr std::size_t kBeside = 16;
  const RecordLayout& layout() const { return *layout_; }
  const std::shared_ptr<const RecordLayout>& shared_layout() const { return layout_; }
  // Of all blocks that this copy sees, with what is beside each.
  std::int64_t bytes() const { return bytes_; }
  // Of blocks that were replaced because an older copy sees them, since the last call.
  std::int64_t TakeReplacedBytes();

  // `records`: of the layout, at its begin, whose heap memory goes with it.
  std::byte* New(std::size_t bytes, std::uint16_t records = 0);
  // When it is no longer part of this copy.
  void Drop(std::byte* block, std::size_t bytes);
  // May there be older copies? Then records are written to only where IsOwn() holds.
  bool has_older() const { return oldest_own_ != 1; }
  bool IsOwn(const std::byte* block) const { return MadeFor(block) >= oldest_own_; }
  // Its records have moved elsewhere.
  static void Forget(std::byte* block) { HeaderOf(block) = MadeFor(block) << kRecordsBits; }

  // Was there never a copy of it? Else it is not to be written to, even when that copy is gone.
  bool is_newest() const;
  // Before and after writing; cheap while there is no copy. In between, blocks that could be let go are kept.
  void BeginWrite();
  void EndWrite();

  // At the end: `for_each` calls a function of a block for every block that this copy sees, each once.
  template <class ForEach>
  void Leave(const ForEach& for_each);

 private:
  // Before each block: for which copy it was made, above 16 bits for the number of its records.
  using Header = std::uint64_t;
  static constexpr int kRecordsBits = 16;
  // Each copy that is there, and the blocks that it sees and the next one does not.
  struct Line {
    Mutex mutex;
    std::map<std::uint64_t, std::vector<std::byte*>> copies GUARDED_BY(mutex);
    std::uint64_t last GUARDED_BY(mutex) = 1;
  };

  static Header& HeaderOf(std::byte* block) { return *reinterpret_cast<Header*>(block - kBeside); }
  static Header MadeFor(const std::byte* block) {
    return *reinterpret_cast<const Header*>(block - kBeside) >> kRecordsBits;
  }
  void Free(std::byte* block) const;
  // The youngest of the older copies; 0: none.
  static std::uint64_t OlderThan(const Line& line, std::uint64_t copy) REQUIRES(line.mutex);
  // Blocks that a copy leaves go to the next older one where it sees them, else to `free`.
  void HandOver(Line& line, const std::vector<std::byte*>& blocks, std::vector<std::byte*>& free) REQUIRES(line.mutex);
  // What this copy alone keeps goes to `free`. The newest's blocks are left to see to, those made for younger copies
  // than what is returned.
  std::optional<std::uint64_t> LeaveLine(Line& line, std::vector<std::byte*>& free) REQUIRES(line.mutex);

  // Of a table that has copies.
  struct Place {
    std::shared_ptr<Line> line;
    std::uint64_t number;  // in it
    std::vector<std::byte*> replaced = {};
    std::int64_t replaced_bytes = 0;
  };
  std::uint64_t number() const { return place_ == nullptr ? 1 : place_->number; }

  const std::shared_ptr<const RecordLayout> layout_;
  std::unique_ptr<Place> place_;  // null: there was never a copy
  std::uint64_t oldest_own_ = 1;
  std::int64_t bytes_ = 0;
};

// A block of `count` values.
template <class T>
T* NewBlock(TableBlocks& blocks, std::size_t count) {
  return reinterpret_cast<T*>(blocks.New(count * sizeof(T)));
}
template <class T>
void DropBlock(TableBlocks& blocks, T* block, std::size_t count) {
  blocks.Drop(reinterpret_cast<std::byte*>(block), count * sizeof(T));
}
template <class ForEach>
void TableBlocks::Leave(const ForEach& for_each) {
  if (place_ == nullptr) {
    for_each([this](std::byte* block) { Free(block); });
    return;
  }
  std::vector<std::byte*> free;
  {
    Line& line = *place_->line;
    const MutexLock lock(line.mutex);
    // Under the lock, so that the next older copy, which sees some of them, does not go meanwhile.
    if (const auto older = LeaveLine(line, free)) {
      for_each([&](std::byte* block) {
        if (MadeFor(block) > *older) free.push_back(block);
      });
    }
  }
  for (std::byte* const block : free) Free(block);
}

}  // namespace hyprstream::aggregate
