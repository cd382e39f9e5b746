// Rows of a delta that the large parts of its states have not taken yet: their groups are found, and they go straight
// to the states that the delta is merged into.
//
// A sketch that is made for a handful of rows costs more to make and to merge than they cost to add. And sketches do
// not all fit into the cache, so that one is better done with before the next.
//
// Thread safety: none; const methods from any thread while nobody writes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "aggregate/block_internal.h"

namespace arrow {
class RecordBatch;
}

namespace hyprstream::aggregate {

class GroupTable;
class RecordLayout;

// Rows of a batch, those of a group together, in their order.
struct LoggedRows {
  struct Run {
    std::uint32_t group;
    std::uint32_t rows;
  };

  // `groups`: of each of the rows, below `group_count`.
  static LoggedRows Of(std::shared_ptr<arrow::RecordBatch> batch, const RowRange& rows,
                       std::span<const std::uint32_t> groups, std::uint32_t group_count);

  std::shared_ptr<arrow::RecordBatch> batch;
  std::shared_ptr<const std::vector<std::uint32_t>> rows;
  std::vector<Run> runs;
  std::int64_t bytes = 0;
};

class RowLog {
 public:
  RowLog() = default;
  RowLog(const RowLog& other) : entries_(other.empty() ? nullptr : std::make_unique<Entries>(*other.entries_)) {}
  RowLog& operator=(const RowLog&) = delete;

  bool empty() const { return entries_ == nullptr; }
  std::int64_t rows() const;
  std::int64_t bytes() const;
  // See StateOps::GrowthBound.
  std::int64_t GrowthBound(const RecordLayout& layout, std::int64_t groups) const;

  void Add(LoggedRows rows);
  // All of another's, whose i-th group is groups[i] here.
  void AddAll(const RowLog& other, std::span<const std::uint32_t> groups);
  // The large parts of the table's groups take the rows, in order; then the log is empty.
  void Drain(const RecordLayout& layout, GroupTable& table);

 private:
  using Entries = std::vector<LoggedRows>;

  std::unique_ptr<Entries> entries_;  // null: none, as in nearly all slices, of which there may be many small ones
};

}  // namespace hyprstream::aggregate
