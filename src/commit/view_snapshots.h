// What a transaction reads of views: the versions pinned at its position, under what its own DDL made of them.
//
// Thread safety: all methods; immutable but for expiry. Ownership: shared by the transaction's connection and its
// running scans.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "commit/commit_path.h"
#include "commit/view_catalog.h"
#include "commit/view_maintenance.h"
#include "core/snapshot.h"

namespace arrow {
class Buffer;
}

namespace hyprstream::commit {

// The views' versions at one position, until it expires: then its versions are let go, but for running scans.
class PinnedSnapshot : public Snapshot {
 public:
  struct Pinned {
    std::shared_ptr<TableSource> source;
    std::string problem;           // not empty: the view cannot be read
    ClosedWindows closed = {};     // without a type: its windows do not close
    AnsweringView answering = {};  // without a query: it answers nothing but queries on itself
    std::shared_ptr<const aggregate::ViewVersion> version = nullptr;  // that the source reads
  };

  explicit PinnedSnapshot(Position position) : position_(position) {}
  void Add(const TableRef& view, Pinned pinned) EXCLUDES(mutex_) {  // before it is shared
    const MutexLock lock(mutex_);
    views_[view] = std::move(pinned);
  }

  Position position() const override { return position_; }
  arrow::Result<std::shared_ptr<TableSource>> View(const TableRef& view) const override EXCLUDES(mutex_);
  std::vector<AnsweringView> ViewsOver(const TableRef& table) const override EXCLUDES(mutex_);
  arrow::Result<ClosedWindows> Closed(const TableRef& view) const override EXCLUDES(mutex_);
  // Errors as View().
  arrow::Result<std::shared_ptr<const aggregate::ViewVersion>> Version(const TableRef& view) const EXCLUDES(mutex_);
  // From now on every View() is Invalid, with this reason.
  void Expire(std::string why) const EXCLUDES(mutex_);

 private:
  Position position_;
  mutable Mutex mutex_;
  mutable std::map<TableRef, Pinned> views_ GUARDED_BY(mutex_);
  mutable std::string expired_ GUARDED_BY(mutex_);
};

// A view that an open transaction has created.
struct CreatedView {
  std::shared_ptr<MaintainedView> view;  // what its commit publishes
  std::string problem = {};              // not empty: why its transaction cannot read it
  std::shared_ptr<TableSource> seen;     // what its transaction reads: its table as it was when the view was created
  // Of one filled from another's states: what a start could not get from the rows of its table. Null: nothing.
  std::shared_ptr<arrow::Buffer> gone_state = nullptr;
  // What it was made of, by which another of the same name is told: its table, and the materialized view that it reads
  // (null: none).
  std::uint64_t table_id = 0;
  std::shared_ptr<const AggregateQuery> source = nullptr;
};

// A view whose windows an open transaction has computed again.
struct RefreshedView {
  std::shared_ptr<MaintainedView> view;
  std::shared_ptr<MaintainedView> fresh;  // what it folded, and what commits have added since; of other windows, too
  std::function<bool(aggregate::WindowStart)> among = {};  // the windows that it is about; empty: all of them

  bool Concerns(aggregate::WindowStart window) const { return !among || among(window); }
};

// States of other servers that an open transaction adds to a view.
struct MergedStates {
  std::shared_ptr<MaintainedView> view;
  std::shared_ptr<const aggregate::Delta> delta;
};

// A transaction's own DDL, seen by nobody else until it commits. Each statement makes a new one.
class TransactionSnapshot : public Snapshot {
 public:
  explicit TransactionSnapshot(std::shared_ptr<const Snapshot> below) : below_(std::move(below)) {}

  Position position() const override { return below_ ? below_->position() : Position(); }
  arrow::Result<std::shared_ptr<TableSource>> View(const TableRef& view) const override;
  std::vector<AnsweringView> ViewsOver(const TableRef& table) const override;
  arrow::Result<ClosedWindows> Closed(const TableRef& view) const override;

  // This transaction creates the view, or computes its windows again.
  bool Fills(const MaintainedView& view) const;
  // What others call a table of the transaction's; none: it has made it.
  std::optional<TableRef> CommittedName(const TableRef& table) const;

  std::map<TableRef, CreatedView> created;
  std::set<TableRef> dropped;                        // before anything of `created`
  std::map<TableRef, ViewOptions> altered;           // committed views that are not among `dropped`
  std::multimap<TableRef, RefreshedView> refreshed;  // of a view all of it, or some windows after others
  std::multimap<TableRef, MergedStates> merged;
  TableOptionsMap options;               // of tables made, renamed or with a column renamed by the transaction
  std::map<TableRef, TableRef> renamed;  // those of them that are committed: by their names now, what they were before

 private:
  std::shared_ptr<const Snapshot> below_;
};

// The DDL of the connection's open transaction; an empty one when there was none yet.
std::shared_ptr<TransactionSnapshot> CopyDdl(engine::Connection& connection);

}  // namespace hyprstream::commit
