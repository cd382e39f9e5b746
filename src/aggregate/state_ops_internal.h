// What a view keeps for one group: a record of fixed width, and the operations on blocks of records.
//
// A record is the number of rows (48 bits), the row key (or where it is), and the part of each StateOps. Aggregates of
// one family over the same arguments with one FILTER share a part (sum, avg, min, max and count of `amount` are read
// from one), so that a row touches one stretch of memory once.
//
// Thread safety: StateOps and RecordLayout are immutable. Merging the same records in the same order gives the same
// bits: integers and decimals are exact in any order and split, floating sums are double-doubles (the sum and the
// rounding errors it lost), whose last bits may depend on order.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aggregate/block_internal.h"
#include "aggregate/state_bytes_internal.h"
#include "arrow/status.h"
#include "core/aggregate_query.h"

namespace arrow {
class Array;
class ArrayBuilder;
class DataType;
}  // namespace arrow

namespace hyprstream::aggregate {

// Rows accepted into the group, at most 2^48 - 1; in the two bytes above them a fixed-width key begins.
inline constexpr std::uint64_t kRowsMask = (std::uint64_t{1} << 48) - 1;
inline std::int64_t RowsOf(const std::byte* record) {
  return static_cast<std::int64_t>(*reinterpret_cast<const std::uint64_t*>(record) & kRowsMask);
}
inline void AddRows(Record record, std::int64_t rows) {
  *reinterpret_cast<std::uint64_t*>(record) += static_cast<std::uint64_t>(rows);
}

// All rows of a view that has taken states from elsewhere, at most: so far from what a record counts that the rows
// which come do not get there.
inline constexpr std::int64_t kForeignRowsMax = std::int64_t{1} << 47;

// What CheckForeign says.
inline arrow::Status TooManyCounted() { return arrow::Status::Invalid("it counts more than its rows"); }
inline arrow::Status NotOfType() { return arrow::Status::Invalid("it has a value that is none of its type"); }

// What a slice owns outside its records, counted in bytes.
struct HeapAccount {
  std::int64_t bytes = 0;
};

class StateOps {
 public:
  virtual ~StateOps() = default;

  // Of its part, a multiple of 8.
  virtual std::size_t width() const = 0;
  // Where the part begins in a record; set once, by RecordLayout.
  void Place(std::size_t offset) { offset_ = offset; }

  // The part of a group that has seen nothing.
  virtual void Init(Record record) const = 0;
  // Row i of the range is of the group of records[i].
  virtual void Update(const BlockInput& input, std::span<const Record> records, BlockScratch& scratch,
                      HeapAccount& heap) const = 0;
  // from[i] is added to to[i].
  virtual void Merge(std::span<const Record> from, std::span<const Record> to, HeapAccount& heap) const = 0;
  // The same where the rows of from[i] came before those of to[i].
  virtual void MergeBefore(std::span<const Record> from, std::span<const Record> to, HeapAccount& heap) const {
    Merge(from, to, heap);
  }
  // Takes from[i] out of to[i] again, to which it was added: exactly what it was without. Only where it can.
  virtual bool can_subtract() const { return false; }
  virtual void Subtract(std::span<const Record> /*from*/, std::span<const Record> /*to*/) const {}
  // Appends an aggregate's results to a builder of MakePhysicalBuilder(its result type). Invalid ("... out of range
  // ...") when one does not fit.
  virtual arrow::Status Read(const AggregateColumn& aggregate, std::span<const Record> records,
                             arrow::ArrayBuilder& builder) const = 0;

  // The payload of the state format.
  virtual void Save(std::span<const Record> records, StateWriter& writer) const = 0;
  // Into records that Init made.
  virtual arrow::Status Load(StateReader& reader, std::span<const Record> records, HeapAccount& heap) const = 0;

  // Of a record that Load made of bytes from elsewhere: can rows have made it, as many as it says? Says what is wrong.
  virtual arrow::Status CheckForeign(Record) const { return arrow::Status::OK(); }

  // Of one record that another view saved for the same argument: its part may keep more, of which this one takes what
  // it keeps, or nothing at all (an empty payload) where every row of the group counts.
  virtual arrow::Status LoadWider(std::string_view payload, Record record, HeapAccount& heap) const;
  // No row of the record's counts for it; as Init made it otherwise.
  virtual void SkipRows(Record) const {}

  // Is its state larger than a few rows, and do rows come to the same in any order? Then a delta keeps the rows
  // themselves, rather than a state that is made, filled with few of them, and merged; see RowLog.
  virtual bool is_large() const { return false; }
  // About as many bytes more, at most, once `rows` more were added to groups of which `groups` are new.
  virtual std::int64_t GrowthBound(std::int64_t /*rows*/, std::int64_t /*groups*/) const { return 0; }

  // Does a part point to memory of its own? Then a copied record must be detached from its original before use, and
  // released at the end.
  virtual bool has_heap() const { return false; }
  virtual void Detach(Record, HeapAccount&) const {}
  virtual void Release(Record) const {}

 protected:
  std::size_t offset() const { return offset_; }

 private:
  std::size_t offset_ = 0;
};

// Of an aggregate's arguments; none for count(*).
using ArgumentTypes = std::vector<std::shared_ptr<arrow::DataType>>;

// Can it be maintained? NotImplemented says why not; Invalid when the result type is not what the aggregate gives.
arrow::Status CheckAggregate(const AggregateColumn& aggregate, const ArgumentTypes& arguments);

// The records of one view.
class RecordLayout {
 public:
  // For a query whose aggregates passed CheckAggregate. `key_width`: of a row key, RowKeys::kVariable when they vary.
  // `only`: with the part of that aggregate alone, laid out as it is among all of them, which ops(0) then gives.
  RecordLayout(const AggregateQuery& query, std::int64_t key_width, std::optional<std::size_t> only = std::nullopt);

  // Where a fixed-width row key lies; of one that varies there is a KeyRef at the next multiple of 8.
  static constexpr std::size_t kKeyOffset = 6;
  struct KeyRef {
    const char* data;  // in the table's key bytes
    std::uint64_t size;
  };

  std::size_t width() const { return prototype_.size(); }
  const std::byte* prototype() const { return prototype_.data(); }

  struct Part {
    std::unique_ptr<const StateOps> ops;
    std::vector<int> arguments;  // columns of the evaluated batch
    int filter;                  // likewise, -1 for none
  };
  const std::vector<Part>& parts() const { return parts_; }
  bool has_heap() const { return has_heap_; }
  bool has_large() const { return has_large_; }
  // What states that keep every distinct value hold, in all records of this layout, pinned ones included.
  std::int64_t exact_bytes() const { return exact_bytes_->load(std::memory_order_relaxed); }
  // The part that an aggregate is read from; null: it is count(*).
  const StateOps* ops(std::size_t aggregate) const { return ops_of_[aggregate]; }

 private:
  std::vector<Part> parts_;
  std::vector<const StateOps*> ops_of_;
  std::vector<std::byte> prototype_;
  bool has_heap_ = false;
  bool has_large_ = false;
  const std::shared_ptr<std::atomic<std::int64_t>> exact_bytes_ = std::make_shared<std::atomic<std::int64_t>>(0);
};

// CapacityError, naming the view, the column and what to use instead, when exact_bytes() is beyond what the query
// allows.
arrow::Status CheckExactBytes(const AggregateQuery& query, const RecordLayout& layout);

}  // namespace hyprstream::aggregate
