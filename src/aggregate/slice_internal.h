// A view's immutable spec, one slice's groups and states, and the sorted map of slices that state, delta and version
// all are.
//
// Thread safety: a ViewSpec is immutable. A Slice is written by one thread while no other has it; who may write is
// decided by ViewState.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aggregate/group_table_internal.h"
#include "aggregate/row_keys_internal.h"
#include "aggregate/row_log_internal.h"
#include "aggregate/window_start.h"
#include "core/aggregate_query.h"

namespace arrow {
class Array;
class RecordBatch;
class Scalar;
}  // namespace arrow

namespace hyprstream::aggregate {

using SliceKey = WindowStart;

struct ViewSpec {
  std::shared_ptr<const AggregateQuery> query;
  KeyCodec codec;  // of the keys that are not the window
  std::shared_ptr<const RecordLayout> layout;
  std::vector<int> codec_columns;  // per query key: its column in the codec, -1 for the window
  std::vector<int> group_keys;     // per codec column: its query key
  std::optional<Physical> window;  // of the window key, if there is one
  std::string family;              // see FamilyOf
  bool in_order;                   // its states learn from rows in their order: deltas keep rows, too

  // NotImplemented (naming column and type) and Invalid as ViewState::Make.
  static arrow::Result<std::shared_ptr<const ViewSpec>> Make(std::shared_ptr<const AggregateQuery> query);

  std::shared_ptr<arrow::DataType> EvaluatedType(int column) const;
  // The keys of evaluated rows in the codec's order.
  std::vector<std::shared_ptr<arrow::Array>> KeyColumns(const arrow::RecordBatch& evaluated) const;
  // For messages: how the SELECT calls it.
  std::string KeyName(int key) const;
  // A window's start as a scalar of its key's type, and as text.
  arrow::Result<std::shared_ptr<arrow::Scalar>> WindowScalar(SliceKey key) const;
  std::string WindowText(SliceKey key) const;
  // The window of each row.
  std::vector<SliceKey> WindowsOf(const arrow::Array& window_column) const;
};

struct FoldScratch;

class Slice {
 public:
  explicit Slice(const ViewSpec& spec);

  // Adds rows of a batch of the evaluated schema, in order.
  void Add(const ViewSpec& spec, const arrow::RecordBatch& batch, const RowRange& rows, FoldScratch& scratch);
  // The same, but that large parts take the rows when TakeLogged is called.
  void AddLogged(const ViewSpec& spec, const std::shared_ptr<arrow::RecordBatch>& batch, const RowRange& rows,
                 FoldScratch& scratch);
  void TakeLogged(const RecordLayout& layout) { log_.Drain(layout, groups_); }
  const RowLog& log() const { return log_; }
  // What the other has logged is logged here.
  void Merge(const RecordLayout& layout, const Slice& other) { MergeAll(layout, other, &StateOps::Merge); }
  // The same where the other's rows came before these.
  void MergeBefore(const RecordLayout& layout, const Slice& other) { MergeAll(layout, other, &StateOps::MergeBefore); }
  // Only these groups of the other.
  void Merge(const RecordLayout& layout, const Slice& other, std::span<const std::uint32_t> groups);
  // Adds what a record of the layout has seen to the group of that row key.
  void AddGroup(const RecordLayout& layout, std::string_view key, Record record);
  // Takes out what was added with the other; its groups are all here. Only where every part can.
  void Subtract(const RecordLayout& layout, const Slice& other);
  // Without the groups that have no row.
  std::shared_ptr<Slice> WithoutEmpty(const ViewSpec& spec) const;
  bool has_empty_group() const;
  // When no more rows are expected for a while.
  void Settle() { groups_.Settle(); }
  // When few more groups are expected: in no more room than it needs.
  void Compact() { groups_.Compact(); }
  std::shared_ptr<Slice> Clone() const;
  // A copy to be written to instead of this one, which nobody shall write to any more; shares what does not change.
  std::shared_ptr<Slice> NextCopy();
  // May it be written to? Not once there was a next copy.
  bool is_newest() const { return groups_.is_newest(); }
  // Around writing, where there may be copies.
  void BeginWrite() { groups_.BeginWrite(); }
  void EndWrite() { groups_.EndWrite(); }
  // What writing has left to older copies alone, since the last call.
  std::int64_t TakeReplacedBytes() { return groups_.TakeReplacedBytes(); }
  // The one group of a view without keys, before any row.
  void AddEmptyGroup();

  std::int64_t group_count() const { return groups_.size(); }
  std::int64_t row_count() const { return rows_; }
  std::int64_t bytes() const;
  const GroupTable& groups() const { return groups_; }

  void Save(const RecordLayout& layout, StateWriter& writer) const;
  // Into a fresh slice. Invalid when the bytes are no slice of this view.
  arrow::Status Load(const ViewSpec& spec, StateReader& reader);

 private:
  using MergeOp = void (StateOps::*)(std::span<const Record>, std::span<const Record>, HeapAccount&) const;

  Slice(const Slice& other) = default;
  void MergeAll(const RecordLayout& layout, const Slice& other, MergeOp op);
  // `found`: room for the groups of all rows, or null.
  void AddBlocks(const ViewSpec& spec, const arrow::RecordBatch& batch, const RowRange& rows, FoldScratch& scratch,
                 std::uint32_t* found);
  explicit Slice(Slice* older) : groups_(&older->groups_), rows_(older->rows_) {}

  GroupTable groups_;
  RowLog log_;
  std::int64_t rows_ = 0;
};

struct SliceEntry {
  SliceKey key;
  std::shared_ptr<Slice> slice;
  std::uint64_t created = 0;  // the state's generation when it was made for writing; 0: never write to it
};

// Ascending by key, each once.
using SliceMap = std::vector<SliceEntry>;

// The first entry whose key is not less.
inline auto LowerBound(auto& slices, SliceKey key) {
  return std::ranges::lower_bound(slices, key, {}, &SliceEntry::key);
}

// Rows of one slice that are not grouped yet: where nearly every row is a group of its own, grouping them twice (into a
// delta, then into the state) costs more than it saves.
struct RawRows {
  SliceKey key;
  std::shared_ptr<arrow::RecordBatch> batch;
  RowRange rows;
  std::shared_ptr<const std::vector<std::uint32_t>> list;  // what rows.rows points into
  IntegerRange range;                                      // of their keys, when these are one integer column
};

// What a fold makes of batches: slices and, beside them, rows to be added to slices when they are merged.
struct Folded {
  SliceMap slices;
  std::vector<RawRows> raw;  // in the order of their batches
};

// Invalid when a batch is not of the evaluated schema's types.
arrow::Status CheckBatch(const ViewSpec& spec, const arrow::RecordBatch& batch);

// Groups a batch of the evaluated schema, its rows in order. All slices must be writable. `may_defer`: rows that would
// hardly be reduced may be left raw; which depends on nothing but the batches so far.
arrow::Status AddBatch(const ViewSpec& spec, const std::shared_ptr<arrow::RecordBatch>& batch, bool may_defer,
                       FoldScratch& scratch, Folded& folded);

// What a view holds before any row: nothing, or the one group of a view without keys.
SliceMap EmptySlices(const ViewSpec& spec);

}  // namespace hyprstream::aggregate
