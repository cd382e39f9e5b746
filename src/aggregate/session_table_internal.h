// Sessions by key, and their states: rows of one key, each less than the gap after the one before it.
//
// Whatever the order in which rows and sessions come, those that lie less than the gap apart become one: a row between
// two sessions joins them. Sessions of a key are kept in their order and lie the gap or more apart.
//
// Thread safety: none; const methods from any thread while nobody writes.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "aggregate/fold_internal.h"
#include "aggregate/group_table_internal.h"
#include "aggregate/slice_internal.h"

namespace hyprstream::aggregate {

// What a view over sessions is, beside its ViewSpec. Immutable.
struct SessionSpec {
  std::shared_ptr<const ViewSpec> view;
  std::shared_ptr<const RecordLayout> keys;  // without states
  std::int64_t gap;                          // > 0, in the units of event time

  static std::shared_ptr<const SessionSpec> Make(std::shared_ptr<const ViewSpec> view);

  // Of event time that is in sessions at all; their ends are times, too.
  bool IsTime(std::int64_t time) const { return time > -std::numeric_limits<std::int64_t>::max(); }
  std::int64_t last_time() const { return std::numeric_limits<std::int64_t>::max() - 1 - gap; }
  // The rows that are in sessions.
  std::vector<std::uint32_t> RowsWithTime(const arrow::Array& times) const;
};

struct Session {
  std::int64_t first;
  std::int64_t last;
  Record record;  // of the view's layout, without its key

  bool Meets(const Session& other, std::int64_t gap) const {
    return first < other.last + gap && other.first < last + gap;
  }
};

// Records of a view that are made and given back one by one; they do not move.
class SessionRecords {
 public:
  explicit SessionRecords(std::shared_ptr<const RecordLayout> layout);
  SessionRecords(const SessionRecords&) = delete;
  SessionRecords& operator=(const SessionRecords&) = delete;

  // One that has seen nothing.
  Record Make();
  void Free(Record record);  // with what it owns
  const RecordLayout& layout() const { return *layout_; }
  HeapAccount& heap() { return heap_; }
  std::int64_t bytes() const;

 private:
  static constexpr std::size_t kChunkRecords = 256;

  const std::shared_ptr<const RecordLayout> layout_;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::size_t made_ = 0;  // of the chunks' records
  std::vector<Record> free_;
  HeapAccount heap_;
};

class SessionTable {
 public:
  explicit SessionTable(std::shared_ptr<const SessionSpec> spec);
  SessionTable(const SessionTable& other);
  ~SessionTable();
  SessionTable& operator=(const SessionTable&) = delete;

  // Rows of a batch of the evaluated schema, in order; those of no finite time are left out. Invalid when a session
  // would end beyond the last time.
  arrow::Status Add(const arrow::RecordBatch& batch, FoldScratch& scratch);

  const GroupTable& keys() const { return keys_; }
  std::span<const Session> Of(std::uint32_t key) const { return sessions_[key]; }
  std::uint32_t FindOrAdd(std::string_view key);

  // A session of so many rows and no states yet, after those that the key has; null when it meets them.
  Record Append(std::uint32_t key, std::int64_t first, std::int64_t last, std::int64_t rows);
  HeapAccount& heap() { return records_.heap(); }
  // A copy of the session, which meets none that the key has; its place.
  std::size_t Insert(std::uint32_t key, const Session& session);
  // The key's session at this place gets what the other one has, and is widened to it; it then meets none.
  void Absorb(std::uint32_t key, std::size_t place, const Session& session);
  // Rows of a batch that lie in that session: at most kBlockRows.
  void AddRowsTo(std::uint32_t key, std::size_t place, const PartInputs& inputs, const RowRange& rows,
                 BlockScratch& scratch);
  void Remove(std::uint32_t key, std::size_t place);
  // All sessions that it says yes to.
  void RemoveIf(const std::function<bool(const Session&)>& gone);

  std::int64_t session_count() const { return count_; }
  std::int64_t row_count() const { return rows_; }
  std::int64_t bytes() const;
  // Bounds of what is there; of a table that had more, they may be too wide.
  std::int64_t least_last() const { return least_last_; }
  std::int64_t greatest_last() const { return greatest_last_; }

 private:
  Record Place(std::uint32_t key, std::int64_t time, const std::function<void()>& before_merge);
  void Merge(Record from, Record to);
  void Widen(const Session& session);

  const std::shared_ptr<const SessionSpec> spec_;
  GroupTable keys_;
  std::vector<std::vector<Session>> sessions_;  // by key, ascending
  SessionRecords records_;
  std::int64_t count_ = 0;
  std::int64_t rows_ = 0;
  std::int64_t least_last_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t greatest_last_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace hyprstream::aggregate
