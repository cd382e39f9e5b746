// The states of one materialized view: per slice, per group, mergeable; folded outside the commit gate, merged under it.
//
// A slice holds the groups of one window start (the whole view is one slice when it has no window). Slices are
// copy-on-write while a pinned ViewVersion refers to them.
//
// Thread safety: Fold and Scan from any thread; Merge, Replace and Pin only by the holder of the commit gate (Pin may
// run beside other Pins). A ViewVersion is immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/aggregate_query.h"
#include "core/table_source.h"

namespace arrow {
class Buffer;
class RecordBatch;
class Status;
}  // namespace arrow

namespace hyprstream::aggregate {

// Pre-aggregated batches, not yet visible.
class Delta;

// What readers see of a view at one position: immutable, scanned straight from states with projection and with equality
// and range filters on the window key and equality on the other keys applied; output columns in SELECT order.
class ViewVersion;

struct ViewStats {
  std::int64_t windows = 0;
  std::int64_t groups = 0;
  std::int64_t rows = 0;   // rows accepted into it
  std::int64_t bytes = 0;  // of its states
};

struct WindowStats {
  std::string window;  // its start, as text; empty when the view has none
  std::int64_t groups = 0;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
};

class ViewState {
 public:
  // NotImplemented when a key or argument type cannot be maintained (the message names column and type).
  static arrow::Result<std::unique_ptr<ViewState>> Make(std::shared_ptr<const AggregateQuery> query);
  virtual ~ViewState() = default;

  virtual const AggregateQuery& query() const = 0;

  // Groups and aggregates evaluated batches (query().evaluated_schema). Takes no lock.
  virtual arrow::Result<std::unique_ptr<Delta>> Fold(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& evaluated) const = 0;
  // Adds a delta. Cannot fail half-way: a sum beyond its type marks its group, and reading that group is the error.
  virtual void Merge(const Delta& delta) = 0;
  // Replaces the slices of `windows` (a batch of one column, the window key; ignored when the view has no window: all is
  // replaced) by the delta's. Windows that the delta does not mention vanish.
  virtual arrow::Status Replace(const std::shared_ptr<arrow::RecordBatch>& windows, const Delta& delta) = 0;
  virtual std::shared_ptr<const ViewVersion> Pin() = 0;

  virtual ViewStats Stats() const = 0;  // any thread
  virtual std::vector<WindowStats> Windows() const = 0;

  // The one versioned state format (docs/state_format.md): magic, version, the query's fingerprint, slices.
  virtual arrow::Result<std::shared_ptr<arrow::Buffer>> Serialize() const = 0;
  // Invalid when the bytes are damaged or belong to another definition; then the state is unchanged.
  virtual arrow::Status Restore(std::string_view bytes) = 0;
};

// A scannable source over a version.
std::shared_ptr<TableSource> MakeViewSource(std::shared_ptr<const ViewVersion> version);

}  // namespace hyprstream::aggregate
