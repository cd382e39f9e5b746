// What the database file remembers of ours: table options, view definitions, saved states; in the schema __hyprstream.
//
// Plain SQL over a connection's open transaction, so that options and definitions commit and roll back with the tables
// they belong to. Thread safety: stateless.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "commit/commit_path.h"

namespace arrow {
class Buffer;
class Schema;
}  // namespace arrow

namespace hyprstream::commit {

inline constexpr const char* kCatalogSchema = "__hyprstream";

// Is it in a schema of the server's own, where no client makes anything?
bool IsServersOwn(const TableRef& table);

struct StoredView {
  TableRef view;
  TableRef base;
  TableRef source;  // see AggregateQuery
  std::string definition;
  std::string time_zone;
  ViewOptions options = {};
  bool partial = false;                       // see MaintainedView
  bool merged = false;                        // likewise
  TableRef filled_from = {};                  // likewise
  std::optional<EventTime> lost_before = {};  // likewise
};

using TableOptionsMap = std::map<TableRef, TableOptions>;

// Does the database live in a file?
arrow::Result<bool> IsLasting(engine::Connection& connection);

// Makes the schema and its tables where they are missing.
arrow::Status CreateCatalog(engine::Connection& connection);

arrow::Status StoreTableOptions(engine::Connection& connection, const TableRef& table, const TableOptions& options);
// With all that is known of the table beside them.
arrow::Status RenameTableOptions(engine::Connection& connection, const TableRef& from, const TableRef& to,
                                 const std::string& time_column);
arrow::Status RemoveTableOptions(engine::Connection& connection, const TableRef& table);
// Options of tables that exist.
arrow::Result<TableOptionsMap> LoadTableOptions(engine::Connection& connection);
// Forgets options of tables that are gone.
arrow::Status PruneTableOptions(engine::Connection& connection);

// How far a table with an event-time column has come.
struct TableMarks {
  std::optional<EventTime> mark;
  bool mark_is_last = false;             // no row came after it was stored
  std::optional<EventTime> rows_before;  // up to where its retention has deleted rows
};
// The marks of a server that did not end in order are not the last.
arrow::Result<std::map<TableRef, TableMarks>> TakeTableMarks(engine::Connection& connection);
arrow::Status StoreTableMark(engine::Connection& connection, const TableRef& table, std::optional<EventTime> mark,
                             bool mark_is_last);
arrow::Status StoreRowsBefore(engine::Connection& connection, const TableRef& table, EventTime rows_before);

// Which tables had accepted rows without keeping them when the server ended; those of a server that did not end in
// order may have. Until StoreRowsGone says otherwise, the file says so of all of them.
struct RowsGoneAtStart {
  std::set<TableRef> tables;
  std::set<TableRef> unknown;  // of these: the server did not end in order
};
arrow::Result<RowsGoneAtStart> TakeRowsGone(engine::Connection& connection);
arrow::Status StoreRowsGone(engine::Connection& connection, const TableRef& table, bool gone);

arrow::Status StoreView(engine::Connection& connection, const StoredView& view);
arrow::Status StoreViewOptions(engine::Connection& connection, const TableRef& view, const ViewOptions& options);
arrow::Status RemoveView(engine::Connection& connection, const TableRef& view);
// From now on it is one that does not have all rows of its table.
arrow::Status StorePartial(engine::Connection& connection, const TableRef& view, bool partial = true);
// Each after the view that it reads.
arrow::Result<std::vector<StoredView>> LoadViews(engine::Connection& connection);

// What is stored of it meets no transaction that drops or replaces it: one of the two is refused. (In DuckDB updates of
// one column conflict that change it, but no update conflicts with a delete: so who deletes updates first.)
arrow::Status HoldView(engine::Connection& connection, const TableRef& view);

// What a view has counted and left out; text that only LateRows reads.
arrow::Status StoreLateRows(engine::Connection& connection, const TableRef& view, const std::string& late_rows);
// Empty when there is none.
arrow::Result<std::string> LoadLateRows(engine::Connection& connection, const TableRef& view);

inline constexpr std::int64_t kStatePieceBytes = 64 << 20;

// In rows of at most `piece_bytes`: a value of Arrow's and DuckDB's is bounded, a state is not.
arrow::Status StoreState(engine::Connection& connection, const TableRef& view,
                         const std::shared_ptr<arrow::Buffer>& state, std::int64_t piece_bytes = kStatePieceBytes);
// The saved state; nullopt when there is none.
arrow::Result<std::optional<std::string>> LoadState(engine::Connection& connection, const TableRef& view);
// Forgets the saved state and late rows.
arrow::Status RemoveSaved(engine::Connection& connection, const TableRef& view);

// States of rows that a table's retention has deleted: of a view over a table that keeps its rows, all that cannot be
// folded again at a start. They go with the view.
arrow::Status AddGoneState(engine::Connection& connection, const TableRef& view,
                           const std::shared_ptr<arrow::Buffer>& state);
arrow::Result<std::int64_t> CountGoneStates(engine::Connection& connection, const TableRef& view);
arrow::Result<std::vector<std::string>> LoadGoneStates(engine::Connection& connection, const TableRef& view);
arrow::Status RemoveGoneStates(engine::Connection& connection, const TableRef& view);

// States that came from other servers, not yet part of a saved state. They go with the view.
arrow::Status AddMergedState(engine::Connection& connection, const TableRef& view,
                             const std::shared_ptr<arrow::Buffer>& state);
arrow::Result<std::int64_t> CountMergedStates(engine::Connection& connection, const TableRef& view);
arrow::Result<std::vector<std::string>> LoadMergedStates(engine::Connection& connection, const TableRef& view);
arrow::Status RemoveMergedStates(engine::Connection& connection, const TableRef& view);
// From now on it is one that has some.
arrow::Status StoreMerged(engine::Connection& connection, const TableRef& view);

}  // namespace hyprstream::commit
