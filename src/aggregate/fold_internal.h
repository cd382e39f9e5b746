// How a batch finds its slices and its groups: the first two steps of a fold, and the room they work in.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregate/block_internal.h"
#include "aggregate/group_table_internal.h"
#include "aggregate/row_keys_internal.h"
#include "aggregate/slice_internal.h"

namespace arrow {
class Array;
class RecordBatch;
}  // namespace arrow

namespace hyprstream::aggregate {

// The rows of a batch by slice, in their order. Time-ordered data gives one range a slice; rows that are late do not
// break it but make a list.
class SliceRows {
 public:
  // Invalid when a row's window begins outside its type.
  static arrow::Result<SliceRows> Make(const ViewSpec& spec, const arrow::RecordBatch& batch);

  struct Part {
    SliceKey key;
    RowRange range;
  };
  // In the order of their first rows.
  const std::vector<Part>& parts() const { return parts_; }
  // What ranges that are lists point into; null when none is.
  std::shared_ptr<const std::vector<std::uint32_t>> list() const { return list_; }

 private:
  struct Run {
    std::uint32_t first;
    std::uint32_t count;
    std::size_t part;
  };
  template <class V>
  arrow::Status FindRuns(const ViewSpec& spec, const arrow::Array& column);
  std::size_t PartOf(SliceKey key);
  void ListRuns();

  struct HashKey {
    std::size_t operator()(const SliceKey& key) const {
      return std::hash<std::int64_t>{}(key.start) ^ (key.is_null ? 1U : 0U);
    }
  };

  std::vector<Part> parts_;
  std::unordered_map<SliceKey, std::size_t, HashKey> part_of_;
  std::vector<Run> runs_;
  std::shared_ptr<std::vector<std::uint32_t>> list_;  // rows of the parts that are several runs
};

// Finds the groups of a batch's rows in a table, block by block.
class GroupFinder {
 public:
  explicit GroupFinder(const KeyCodec& codec) : codec_(codec), integer_(codec.integer()), keys_(codec.width()) {}

  // `columns`: the keys of a batch, in the codec's order; they outlive the blocks. `rows`: all that are to come.
  void Start(std::span<const std::shared_ptr<arrow::Array>> columns, const RowRange& rows, GroupTable& table);
  // Of the keys, when they are one integer column; else empty.
  IntegerRange RangeOf(std::span<const std::shared_ptr<arrow::Array>> columns, const RowRange& rows) const;
  // The groups of up to kBlockRows of those rows, new ones added.
  void Find(const RowRange& block, GroupTable& table, std::span<std::uint32_t> groups);

 private:
  template <class V>
  void FindIntegers(const RowRange& block, GroupTable& table, std::span<std::uint32_t> groups);
  // Of the one key column; `values` has room for those of a block.
  template <class V, class Value>
  void FindValues(const RowRange& block, GroupTable& table, std::span<std::uint32_t> groups,
                  std::array<Value, kBlockRows>& values);

  const KeyCodec& codec_;
  const std::optional<IntegerKey> integer_;
  std::span<const std::shared_ptr<arrow::Array>> columns_;
  RowKeys keys_;
  std::array<std::int64_t, kBlockRows> integers_;
  std::array<std::string_view, kBlockRows> texts_;
};

// What the parts of a layout take of a batch.
class PartInputs {
 public:
  // Both outlive it.
  PartInputs(const RecordLayout& layout, const arrow::RecordBatch& batch);

  enum class Parts { kAll, kSmall, kLarge };  // by StateOps::is_large

  // Adds rows to those parts of the records of their groups: at most kBlockRows.
  void Update(const RowRange& rows, std::span<const Record> records, BlockScratch& scratch, HeapAccount& heap,
              Parts parts = Parts::kAll) const;

 private:
  const RecordLayout& layout_;
  std::vector<const arrow::Array*> arguments_;
  std::vector<BlockInput> inputs_;
};

// What adding rows to slices needs, kept from slice to slice.
struct FoldScratch {
  explicit FoldScratch(const ViewSpec& spec) : finder(spec.codec) {}

  GroupFinder finder;
  BlockScratch block;
  std::array<std::uint32_t, kBlockRows> groups;
  std::array<Record, kBlockRows> records;
};

}  // namespace hyprstream::aggregate
