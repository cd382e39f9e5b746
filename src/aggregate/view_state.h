// The states of one materialized view: per slice, per group, mergeable; folded outside the commit gate, merged under
// it.
//
// A slice holds the groups of one window start (the whole view is one slice when it has no window). Slices are
// copy-on-write while a pinned ViewVersion refers to them.
//
// Thread safety: Fold and scans from any thread. Merge, Replace, ReplaceAll, DropOldest and Restore wait for one
// another; of a view that is read they are called only by the holder of the commit gate; Pin by the gate's holders,
// shared or not, so that what it sees is a whole commit (beside a Merge it is safe, and shows that delta whole or not
// at all). Stats, Windows and Serialize from any thread; they may wait for a Merge to end, never for a scan. A
// ViewVersion is immutable and may outlive its ViewState.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/window_start.h"
#include "core/aggregate_query.h"
#include "core/table_source.h"

namespace arrow {
class Buffer;
class DataType;
class RecordBatch;
class Status;
}  // namespace arrow

namespace hyprstream::aggregate {

struct WindowRows {
  WindowStart window;
  std::int64_t rows = 0;
};

// Rows of a delta in one session of its own, and the session that this is part of once it is merged.
struct SessionRows {
  std::int64_t first = 0;
  std::int64_t end = 0;
  std::int64_t rows = 0;
  bool is_first = false;  // they come before all that it meets
};

enum class Expiry { kExpired, kNotYet, kNever };
using WindowsGone = std::function<void(WindowStart first, WindowStart last)>;

// Pre-aggregated batches of one ViewState, not yet visible. Immutable; merge it only into the state it came from.
class Delta {
 public:
  virtual ~Delta() = default;
  virtual std::int64_t rows() const = 0;
  virtual std::int64_t groups() const = 0;
  virtual std::int64_t bytes() const = 0;
  // Ascending, the NULL window last; none of a view over sessions.
  virtual std::vector<WindowRows> Windows() const = 0;
};

// Evaluated batches on their way into one delta, so that more rows than memory holds can be folded. Thread safety:
// none.
class DeltaBuilder {
 public:
  virtual ~DeltaBuilder() = default;
  // In order. Invalid when the batch is not of the query's evaluated_schema's types.
  virtual arrow::Status Add(const std::shared_ptr<arrow::RecordBatch>& evaluated) = 0;
  virtual std::int64_t bytes() const = 0;  // of the states so far; costs a look at every slice
  virtual std::unique_ptr<Delta> Finish() = 0;
};

// What readers see of a view at one position: immutable, its slices are kept while it lives. Scanned through
// MakeViewSource.
class ViewVersion;

struct ViewStats {
  std::int64_t windows = 0;
  std::int64_t groups = 0;
  std::int64_t rows = 0;   // rows accepted into it
  std::int64_t bytes = 0;  // of its states
};

struct WindowStats {
  WindowStart start;
  std::string window;  // its start as ISO text (in UTC, "+00", when it has a zone), "NULL"; empty without windows
  std::int64_t groups = 0;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  std::optional<std::int64_t> last_end = std::nullopt;  // of sessions: when the last of them ends
};

// Of a view over sessions a window is a session, which has no end before it is over: windows to leave out of a merge
// are sessions of the delta, by their numbers in SessionsOf(); windows to drop are asked for by their ends; windows to
// replace are all sessions of the keys in a batch that begins with the view's other keys, in their order.
class ViewState {
 public:
  // NotImplemented when a key or argument type cannot be maintained (the message names column and type); Invalid when
  // the query's parts contradict each other. A view without keys has its one group from the start.
  static arrow::Result<std::unique_ptr<ViewState>> Make(std::shared_ptr<const AggregateQuery> query);
  virtual ~ViewState() = default;

  virtual const AggregateQuery& query() const = 0;

  // Groups and aggregates evaluated batches, in order. Takes no lock. Invalid when a batch is not of
  // query().evaluated_schema's types, see FoldsAs; CapacityError when states that keep every distinct value pass
  // query().exact_bytes_max.
  virtual arrow::Result<std::unique_ptr<Delta>> Fold(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& evaluated) const = 0;
  // What Fold would make of the rows that `finer` folded to `delta`, but for the last bits of floating sums: at the
  // cost of its groups instead of their rows. Null where it cannot be made of them; it can where both views have the
  // same keys, conditions and aggregates, and windows of one size each, and finer's lie in this one's.
  virtual std::unique_ptr<Delta> FoldFrom(const ViewState& /*finer*/, const Delta& /*delta*/) const { return nullptr; }
  // As Fold, batch by batch. The builder may outlive the state.
  virtual std::unique_ptr<DeltaBuilder> BuildDelta() const = 0;
  // Adds a delta. Cannot fail: a sum beyond its type is kept exactly, and reading that group is the error while it is.
  // The same deltas in the same order give bit-identical states.
  virtual void Merge(const Delta& delta) { Merge(delta, {}); }
  // The same, but for the delta's windows that are in `without`.
  virtual void Merge(const Delta& delta, const std::set<WindowStart>& without) = 0;
  // Can rows be taken out again without the others of their groups?
  virtual bool can_subtract() const { return false; }
  // Takes out what was added with other deltas, but for the windows in `without`. Groups without a row vanish, and
  // slices without a group. Cannot fail.
  virtual void Subtract(const Delta& /*delta*/, const std::set<WindowStart>& /*without*/) {}
  // Groups whose states come from elsewhere: batches of the view's columns, in order, with sealed states where it has
  // aggregates. Invalid, naming column and row, when they are none of this view's. NotImplemented of sessions.
  virtual arrow::Result<std::unique_ptr<Delta>> FoldStates(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) const;
  // The same for states that a scan of another view over the same rows gives (ScanRequest), and one more column of
  // them: of each row, any state of the view that it came from, which says how many rows are behind it. A NULL in the
  // place of another state stands for the state of no row. Several rows may be of one group.
  virtual arrow::Result<std::unique_ptr<Delta>> FoldScannedStates(
      const std::shared_ptr<arrow::RecordBatch>& batch) const;
  // Takes windows away that have expired, asked in ascending order until one has not yet; never the NULL window. What
  // they held is returned. Costs next to nothing when the oldest is to stay. `gone` is told, ascending, the first and
  // the last of windows that follow one another and go, each once; nothing of sessions.
  virtual ViewStats DropOldest(const std::function<Expiry(WindowStart)>& expired, const WindowsGone& gone = {}) = 0;
  // Of a view over sessions, where a delta's sessions would be. Other views have none.
  virtual std::vector<SessionRows> SessionsOf(const Delta&) const { return {}; }
  // At most this many bytes more than now once the delta is merged; of rows that were not
  // grouped, their texts are not counted.
  virtual std::int64_t GrowthBound(const Delta& delta) const = 0;
  // Replaces the slices of `windows` (a batch of one column, the window key, in any order, repeats allowed; ignored and
  // may be null when the view has no window: all is replaced) by the delta's. Windows that the delta does not mention
  // vanish. Invalid, and nothing is changed, when the delta holds a window that is not among `windows`.
  virtual arrow::Status Replace(const std::shared_ptr<arrow::RecordBatch>& windows, const Delta& delta) = 0;
  // Replaces everything by the delta's. Cannot fail.
  virtual void ReplaceAll(const Delta& delta) = 0;
  // The same for slices that `among` says yes to, the rest of the delta left out. Of sessions it is asked nothing: all
  // are replaced.
  virtual void ReplaceAmong(const std::function<bool(WindowStart)>& among, const Delta& delta) = 0;
  // A state of the same view without a row; either takes the other's deltas.
  virtual std::unique_ptr<ViewState> MakeEmpty() const = 0;
  // All that it holds now.
  virtual arrow::Result<std::unique_ptr<Delta>> ToDelta() const = 0;
  // The windows of a batch of one column, as Replace() takes it; in its order. Invalid when the column is another one.
  virtual arrow::Result<std::vector<WindowStart>> StartsOf(
      const std::shared_ptr<arrow::RecordBatch>& windows) const = 0;
  // The row keys of the delta's groups, by slice: a window, unless windows hop. For ViewSelection, nothing else.
  // None of sessions.
  virtual std::map<WindowStart, std::vector<std::string>> GroupsOf(const Delta& delta) const = 0;
  // Cheap; pins without a change between them share one version.
  virtual std::shared_ptr<const ViewVersion> Pin() = 0;

  // Of states that are kept for this pin of it, and for younger ones: what was replaced or copied since it was made. 0
  // where it is another state's.
  virtual std::int64_t CopiedSince(const ViewVersion& version) const = 0;

  virtual ViewStats Stats() const = 0;  // of windows that hop, `windows` counts slices
  virtual std::int64_t CountWindows() const { return Stats().windows; }
  // Ascending, the NULL window last. Of sessions those that begin in one stretch of time are put together.
  virtual std::vector<WindowStats> Windows() const = 0;

  // The one versioned state format (docs/state_format.md): magic, version, the query's fingerprint, slices, checksum.
  virtual arrow::Result<std::shared_ptr<arrow::Buffer>> Serialize() const = 0;
  // Invalid when the bytes are damaged or belong to another definition; then the state is unchanged.
  virtual arrow::Status Restore(std::string_view bytes) = 0;
  // A delta in the same format, and back (errors as Restore).
  virtual arrow::Result<std::shared_ptr<arrow::Buffer>> SerializeDelta(const Delta& delta) const = 0;
  virtual arrow::Result<std::unique_ptr<Delta>> RestoreDelta(std::string_view bytes) const = 0;
};

// May a column of `actual` stand where an evaluated batch has one of `expected`? Yes when values lie alike in both: a
// timestamp's zone does not matter, nor how texts are laid out.
bool FoldsAs(const arrow::DataType& expected, const arrow::DataType& actual);

// What scans of a source have looked at.
struct ScanVisits {
  std::atomic<std::int64_t> slices = 0;
  std::atomic<std::int64_t> groups = 0;
};

// A scannable source over a version: output columns in SELECT order with projection, windows ascending with the NULL
// window last. Filters on the window key skip slices, equality, IN and IS NULL on the other keys skip groups (a look-up
// when all of them are given); other filters are left to the caller. Batches have at most 65,536 rows. A sum out of
// range is Invalid, naming view and column, when its group and column are read. `visits` may be null.
std::shared_ptr<TableSource> MakeViewSource(std::shared_ptr<const ViewVersion> version,
                                            std::shared_ptr<ScanVisits> visits = nullptr);

}  // namespace hyprstream::aggregate
