// A view's immutable spec, one slice's groups and states, and the sorted map of slices that state, delta and version
// all are.
//
// Thread safety: a ViewSpec is immutable. A Slice is written by one thread while no other has it; who may write is
// decided by ViewState.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aggregate/accumulator_internal.h"
#include "aggregate/group_index_internal.h"
#include "aggregate/row_keys_internal.h"
#include "core/aggregate_query.h"

namespace arrow {
class RecordBatch;
class Scalar;
}  // namespace arrow

namespace hyprstream::aggregate {

// A window's start in the units of its key's type; 0 for a view without windows. Ascending, the NULL window last.
struct SliceKey {
  bool is_null = false;
  std::int64_t start = 0;

  friend auto operator<=>(const SliceKey&, const SliceKey&) = default;
};

struct ViewSpec {
  std::shared_ptr<const AggregateQuery> query;
  KeyCodec codec;                  // of the keys that are not the window
  std::vector<int> codec_columns;  // per query key: its column in the codec, -1 for the window
  std::vector<int> group_keys;     // per codec column: its query key
  std::optional<Physical> window;  // of the window key, if there is one

  // NotImplemented (naming column and type) and Invalid as ViewState::Make.
  static arrow::Result<std::shared_ptr<const ViewSpec>> Make(std::shared_ptr<const AggregateQuery> query);

  std::shared_ptr<arrow::DataType> EvaluatedType(int column) const;
  // For messages: how the SELECT calls it.
  std::string KeyName(int key) const;
  // A window's start as a scalar of its key's type, and as text.
  arrow::Result<std::shared_ptr<arrow::Scalar>> WindowScalar(SliceKey key) const;
  std::string WindowText(SliceKey key) const;
  // The window of each row.
  std::vector<SliceKey> WindowsOf(const arrow::Array& window_column) const;
};

class Slice {
 public:
  explicit Slice(const ViewSpec& spec);

  // Adds the given rows of a batch: their keys and hashes (of all rows of the batch), and all its columns.
  void Add(const ViewSpec& spec, const RowKeys& keys, std::span<const std::uint64_t> hashes,
           std::span<const std::uint32_t> rows, const arrow::RecordBatch& batch);
  void Merge(const Slice& other);
  std::shared_ptr<Slice> Clone() const;
  // The one group of a view without keys, before any row.
  void AddEmptyGroup();

  std::int64_t group_count() const { return groups_.size(); }
  std::int64_t row_count() const { return rows_; }
  std::int64_t bytes() const;
  const GroupIndex& groups() const { return groups_; }
  const Accumulator& accumulator(int aggregate) const { return *accumulators_[static_cast<std::size_t>(aggregate)]; }

  void Save(StateWriter& writer) const;
  // Into a fresh slice. Invalid when the bytes are no slice of this view.
  arrow::Status Load(const ViewSpec& spec, StateReader& reader);

 private:
  Slice(const Slice& other);
  void ResizeStates();

  GroupIndex groups_;
  std::vector<std::unique_ptr<Accumulator>> accumulators_;  // per aggregate
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
inline SliceMap::iterator LowerBound(SliceMap& slices, SliceKey key) {
  return std::ranges::lower_bound(slices, key, {}, &SliceEntry::key);
}

// Groups a batch of the evaluated schema into the slices, its rows in order. All slices must be writable.
arrow::Status AddBatch(const ViewSpec& spec, const arrow::RecordBatch& batch, SliceMap& slices);

// What a view holds before any row: nothing, or the one group of a view without keys.
SliceMap EmptySlices(const ViewSpec& spec);

}  // namespace hyprstream::aggregate
