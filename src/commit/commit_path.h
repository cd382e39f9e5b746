// The one commit path: every accepted row, from whichever door, becomes visible here, in tables and views at once.
//
// A commit captures the transaction's row changes, folds them into view deltas outside the gate, then under the gate
// takes the next position, commits DuckDB and publishes the deltas; a read passes the gate for a moment to pin DuckDB's
// snapshot and the views' versions together. So every statement sees one prefix of commits.
//
// Thread safety: all methods, from any thread; each call needs a connection of its own.
// Ownership: outlives no Engine; transactions pinned by it must end before it is destroyed.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commit/late_counts.h"
#include "commit/time_options.h"
#include "core/position.h"
#include "core/table_ref.h"
#include "engine/engine.h"

namespace arrow {
class RecordBatchReader;
}

namespace hyprstream {
class Clock;
}

namespace hyprstream::commit {

class Subscription;
struct SubscribeOptions;

struct CommitReceipt {
  Position position;  // of the last batch of this commit
};

struct TableInfo {
  TableRef table;
  TableOptions options;
  std::int64_t rows_accepted = 0;             // since the server started
  std::optional<EventTime> mark = {};         // the high-water mark
  std::optional<EventTime> rows_before = {};  // up to where its retention has deleted rows
  std::string problem = {};                   // why it could not
  std::vector<TableRef> views;
};

enum class ViewStatus {
  kReady,
  kFilling,  // it gets the rows of its table, and cannot be read before it has them all
  kBroken
};

struct ViewInfo {
  TableRef view;
  TableRef base;
  TableRef source;  // what its FROM names: the base, or another materialized view
  std::string definition;
  TableRef filled_from;  // the view whose states it was made of, where rows of its table were gone; or no name
  ViewStatus status = ViewStatus::kReady;
  std::string problem;  // why it is broken
  ViewOptions options = {};
  std::optional<EventTime> watermark = {};  // none without windows over event time, or without a mark
  LateCounts late = {};
  std::int64_t rows_filled = 0, rows_to_fill = 0;  // while it is filled
  std::int64_t windows = 0, groups = 0, rows = 0, bytes = 0;
};

struct CommitLimits {
  // Of the states of all views together. A commit or CREATE whose new states might not fit is refused.
  std::int64_t state_bytes_max = std::numeric_limits<std::int64_t>::max();
};

// kAtEnd: no commit follows, so that the file may say which tables never lost a row.
enum class Saving { kMeanwhile, kAtEnd };

struct WindowInfo {
  TableRef view;
  std::string window;
  std::int64_t groups = 0, rows = 0, bytes = 0;
  bool closed = false;
};

class CommitPath {
 public:
  // Reads table options and view definitions that the database file holds and rebuilds (or, where rows are not kept,
  // restores) their states before it returns.
  // A file whose states are beyond the limit opens all the same.
  // Times are the system's without a clock, which outlives the path.
  static arrow::Result<std::unique_ptr<CommitPath>> Make(engine::Engine& engine, CommitLimits limits = {},
                                                         const Clock* clock = nullptr);
  virtual ~CommitPath() = default;

  // Opens a transaction on the connection, its snapshot and the views pinned at one position.
  virtual arrow::Status Begin(engine::Connection& connection) = 0;
  // Commits what the open transaction did. `batches` positions are taken (one per acknowledged batch, at least one).
  // On error nothing of it is visible, and the transaction is over; CapacityError when the states of views would exceed
  // their limit. A transaction that changed nothing takes none and
  // reports the current position.
  virtual arrow::Result<CommitReceipt> Commit(engine::Connection& connection, int batches = 1) = 0;

  // DDL of ours, inside the open transaction; it takes effect at Commit(). Until then only its own transaction can read
  // the view: its table as that transaction saw it when the view was created. Others' commits reach it from its
  // creation on. `time_zone` is frozen into the definition. False when IF [NOT] EXISTS made it a no-op.
  virtual arrow::Result<bool> CreateView(engine::Connection& connection, const engine::CreateMaterializedView& create,
                                         const std::string& time_zone) = 0;
  virtual arrow::Result<bool> DropView(engine::Connection& connection, const engine::DropMaterializedView& drop) = 0;
  // Options that hold from Commit() on. Errors as CREATE's; Invalid for an option that only CREATE takes. What has
  // expired or was left out stays so.
  virtual arrow::Result<bool> AlterView(engine::Connection& connection, const engine::AlterMaterializedView& alter) = 0;
  // Computes windows (or all) again from the rows of their table, at Commit(); what was left out of them counts then.
  // Invalid, naming the first of them, where their rows are gone.
  virtual arrow::Status RefreshView(engine::Connection& connection, const engine::RefreshMaterializedView& refresh) = 0;
  // Adds states that states('view') has given elsewhere: batches of the view's columns, in order, with states where it
  // has aggregates. They are there from Commit() on, and after a restart. How many rows there were. Invalid, naming the
  // column, for states of other aggregates or types, and for damaged ones.
  virtual arrow::Result<std::int64_t> MergeStates(engine::Connection& connection, const engine::InsertStates& insert,
                                                  arrow::RecordBatchReader& rows) = 0;
  // Stores the options beside the table just created in the open transaction; they hold from its commit on. Invalid for
  // an unknown option (with the nearest) or a time column that the table does not have.
  virtual arrow::Status SetTableOptions(engine::Connection& connection, const engine::CreateTableOptions& options) = 0;
  // Before the renaming runs in the open transaction: the table's options go with it. If it fails then, the transaction
  // must not be committed.
  virtual arrow::Status CarryOptions(engine::Connection& connection, const engine::Renaming& renaming) = 0;
  // May this statement run on its tables? Refuses UPDATE, DELETE and MERGE where rows are not kept. That no table
  // is dropped, replaced or altered under a view, and no view by other than DROP MATERIALIZED VIEW, Commit() checks.
  virtual arrow::Status CheckStatement(const engine::Statement& statement, const engine::PreparedInfo& info) = 0;

  // As committed; true for what is no table. Rows for a table that keeps none need only be taken (Connection::Take).
  virtual bool KeepsRows(const TableRef& table) const = 0;
  virtual bool IsView(const TableRef& table) const = 0;
  virtual Position position() const = 0;
  // Changes with every commit that changed tables, views or other definitions.
  virtual std::uint64_t catalog_version() const = 0;
  virtual std::vector<TableInfo> Tables() const = 0;
  virtual std::vector<ViewInfo> Views() const = 0;
  virtual std::vector<WindowInfo> Windows() const = 0;

  // What changes in a view from now on, or since a token. KeyError when there is no such view (with a suggestion),
  // Invalid for a table, a token that is none of this subscription's, `on_close` where no window closes, or a filter
  // of other columns than keys. Ends before the path does.
  virtual arrow::Result<std::unique_ptr<Subscription>> Subscribe(const SubscribeOptions& options) = 0;

  // Saves what a restart could not rebuild: states of views over tables that keep no rows, each view for itself. The
  // error names those that could not be saved, and why.
  virtual arrow::Status SaveStates(Saving saving) = 0;
};

}  // namespace hyprstream::commit
