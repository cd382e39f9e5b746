// One DuckDB connection, in Arrow's terms: parse, prepare, run, append, capture, commit. DuckDB stays behind it.
//
// Every statement runs inside a transaction that its owner opened with Begin(); DuckDB's autocommit is never used. A
// transaction's snapshot is taken by Begin() itself (DuckDB's own is lazy), so that the owner can pin the states of
// views beside it.
//
// Thread safety: one thread at a time, but for Interrupt(), which any thread may call. A connection carries at most one
// open ResultStream; running another statement ends it.
// Ownership: prepared statements and streams must not outlive their connection, connections not their Engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/request_context.h"
#include "core/row_changes.h"
#include "core/snapshot.h"
#include "core/table_ref.h"
#include "engine/statement.h"

namespace arrow {
class DataType;
class RecordBatch;
class RecordBatchReader;
class Schema;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::engine {

class Engine;

// Whose statement it is: a client's is held to the gate's list, ours is not. What is ours sees the tables of this
// server alone when it lists tables, but for what tells a client which there are.
enum class Trust { kClient, kInternal, kListing };

// How a query's rows are handed out.
enum class ResultMode {
  kStreaming,  // computed while they are read; the connection is busy until the stream ends
  kBuffered,   // computed at once into DuckDB's buffer manager (counted, may spill); the connection is free at once
};

struct ParameterInfo {
  std::string name;                       // "1", "2", ... for positional ones
  std::shared_ptr<arrow::DataType> type;  // null when DuckDB cannot tell: any type binds
};

// ALTER TABLE ... RENAME of a lasting table or of one of its columns.
struct Renaming {
  TableRef table;
  std::string column;  // empty: the table itself
  std::string name;    // the new one
};

// What a statement reads at a backend: a table, or with an empty name what a statement of the backend's own gives.
struct BackendRead {
  std::string backend;
  TableRef table;

  friend bool operator==(const BackendRead&, const BackendRead&) = default;
};

// Where rows of an ingest go that names a backend.
struct BackendTarget {
  std::string backend;
  TableRef table;        // with an empty schema: the only one that the backend has
  bool create = false;   // when it is missing
  bool append = true;    // when it exists; else AlreadyExists
  bool replace = false;  // what exists, by an empty one with the columns of the rows
};

// What a prepared statement is and touches.
struct PreparedInfo {
  StatementKind kind;
  std::shared_ptr<arrow::Schema> schema;  // of its rows; no fields when it returns none
  std::vector<ParameterInfo> parameters;
  std::vector<TableRef> reads;   // local tables and views named by the bound plan
  std::vector<TableRef> writes;  // local tables that it changes
  bool changes_rows = false;     // INSERT, UPDATE, DELETE, MERGE, also inside a CTE
  bool temporary = false;        // touches a temporary table: must run on the connection that made it
  std::optional<Renaming> renaming = {};
  std::vector<BackendRead> backend_reads = {};    // such a plan holds for the transaction that made it
  std::optional<BackendRead> backend_write = {};  // the backend's table that it changes, makes or drops
  // Aggregations over a table that views answer, and how; those that none does, and why.
  std::vector<std::string> roll_ups = {};
  std::vector<std::string> no_roll_ups = {};
  // Parts of it that a backend answers as a whole (`warehouse: public.a, public.b`), and why others are not.
  std::vector<std::string> pushed = {};
  std::vector<std::string> not_pushed = {};
};

class Prepared {
 public:
  virtual ~Prepared() = default;
  virtual const PreparedInfo& info() const = 0;
};

// What a statement gave: rows, or the number of rows it changed.
struct Execution {
  std::shared_ptr<arrow::RecordBatchReader> rows;  // null for statements without rows
  std::int64_t rows_changed = 0;                   // -1 where DuckDB gives no count (DDL)
};

// What a transaction has done so far.
struct TransactionFacts {
  struct ChangedTable {
    TableRef table;
    std::int64_t rows_inserted = 0;
    bool stored = true;  // false: its rows were only taken
  };
  struct ChangedEntry {
    TableRef entry;        // a table or a view
    bool existed;          // before the transaction, under this name
    bool exists;           // after it
    bool dropped = false;  // what existed is no more, whether or not something else has taken its name
    std::vector<std::string> lost_columns = {};  // that were dropped, renamed or given another type, at whatever step
  };
  bool changes = false;               // anything at all
  bool catalog_changes = false;       // tables, views, schemas, macros, ...
  std::vector<ChangedTable> tables;   // whose rows it changed
  std::vector<ChangedEntry> entries;  // that it created, altered or dropped; each once
};

class Connection {
 public:
  virtual ~Connection() = default;

  // ---- transactions
  // Opens a transaction and takes its snapshot. Invalid when one is open.
  virtual arrow::Status Begin() = 0;
  virtual arrow::Status Commit() = 0;    // on error nothing was committed and the transaction is over
  virtual arrow::Status Rollback() = 0;  // OK when none is open
  virtual bool in_transaction() const = 0;
  // From now on the open transaction can only be rolled back: what a caller had half done in it must not be committed.
  virtual void Invalidate(std::string_view why) = 0;
  // What view scans of this transaction read; returns what they read before. Dropped at the transaction's end.
  virtual std::shared_ptr<const Snapshot> Attach(std::shared_ptr<const Snapshot> snapshot) = 0;
  virtual std::shared_ptr<const Snapshot> snapshot() const = 0;  // the attached one; null: none

  // ---- statements
  // Binds and plans. Errors: SerializationError never; Invalid for text that does not bind (the message is DuckDB's,
  // cut to 4 KB), KeyError for an unknown table (with a suggestion), AlreadyExists, NotImplemented. For Trust::kClient
  // the bound plan must pass the gate, else Invalid that says what is not allowed. Runs inside the open transaction.
  virtual arrow::Result<std::unique_ptr<Prepared>> Prepare(const Statement& statement, Trust trust) = 0;
  // Runs once with one row of parameters (a batch of one row, columns by position; null for none). Cancelled after
  // Interrupt().
  virtual arrow::Result<Execution> Execute(Prepared& prepared, const std::shared_ptr<arrow::RecordBatch>& parameters,
                                           ResultMode mode) = 0;
  // The same for each row of the batches of parameters, with a statement that changes a backend: one write of them all.
  virtual arrow::Result<Execution> ExecuteTogether(
      Prepared& prepared, const std::vector<std::shared_ptr<arrow::RecordBatch>>& parameters) = 0;
  // Parse, prepare, run and collect, as Trust::kInternal; for our own statements.
  virtual arrow::Result<Execution> Run(std::string_view sql) = 0;
  // The session's time zone. Cheap.
  virtual arrow::Result<std::string> TimeZone() = 0;
  // Sets it to one that TimeZone() gave before, also in a transaction that an error has aborted.
  virtual arrow::Status SetTimeZone(const std::string& zone) = 0;
  // Where names without a schema are looked up. Cheap.
  virtual arrow::Result<std::string> SearchPath() = 0;
  // Sets it to one that SearchPath() gave before, on any connection. It need not be there any longer: then nothing is
  // found in it, as when it was dropped afterwards.
  virtual arrow::Status SetSearchPath(const std::string& path) = 0;

  // ---- rows in
  // Appends batches whose columns are named by `columns` (the rest take their defaults); other types than the table's
  // are cast, and a value that does not fit is an error. Constraint errors that can be known now come now; the caller
  // rolls back.
  virtual arrow::Status Append(const TableRef& table, const std::vector<std::string>& columns,
                               const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) = 0;
  // The same for a table that keeps no rows: they are checked, and Facts() and Changes() tell of them, but nothing is
  // stored unless it must be: because the transaction does something else to rows, or takes more than memory is for.
  virtual arrow::Status Take(const TableRef& table, const std::vector<std::string>& columns,
                             const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) = 0;
  // Writes all rows to a table of a backend, inside the open transaction; how many there were. KeyError: there is no
  // such backend, or no such table and none is to be made. An error ends the transaction, but for those that come
  // before anything was sent.
  virtual arrow::Result<std::int64_t> IngestInto(const BackendTarget& target, arrow::RecordBatchReader& rows) = 0;
  virtual bool IsBackend(const std::string& name) const = 0;
  // The backend that the open transaction has changed: it changes nothing else. Empty: none.
  virtual std::string written_backend() const = 0;
  // Stores what was only taken.
  virtual arrow::Status StoreTaken() = 0;
  // Tells a table from another that takes its name later; KeyError and Invalid as ArrowSchemaOf.
  virtual arrow::Result<std::uint64_t> TableId(const TableRef& table) = 0;
  // The table's columns as Arrow; KeyError when there is no such table (with a suggestion), Invalid for a
  // view.
  virtual arrow::Result<std::shared_ptr<arrow::Schema>> ArrowSchemaOf(const TableRef& table) = 0;
  // Where a table without a schema is looked up and made.
  virtual std::string CurrentSchema() = 0;
  // How SQL names this lasting table or view, database included: `main.t` alone would find a temporary t first.
  virtual std::string LastingName(const TableRef& table) const = 0;
  // `batches` as a relation named `hyprstream_input` for the statement `sql` (Trust::kInternal): how expressions of a
  // view are evaluated over a batch, and how batches of other types are cast. All batches share `schema`.
  virtual arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> Evaluate(
      std::string_view sql, const std::shared_ptr<arrow::Schema>& schema,
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) = 0;
  // The same, each batch given to `sink` as it is computed: for more rows than memory holds. An error of `sink` ends
  // the statement and is returned.
  virtual arrow::Status EvaluateEach(
      std::string_view sql, const std::shared_ptr<arrow::Schema>& schema,
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
      const std::function<arrow::Status(const std::shared_ptr<arrow::RecordBatch>&)>& sink) = 0;

  // Which of the attached snapshot's views over the same table has states that those of `view` are made of, as a
  // query would be answered by it, and these states: batches as ViewState::FoldScannedStates() takes them. Of a view
  // that has lost windows it can, when no window of `view` that ends after `needed_after` (event time in microseconds)
  // would have rows of those. Without a sink nothing is read. Invalid where there is none such: the message names the
  // one that comes nearest, and what it lacks; empty when there is no other view. NotImplemented for windows that
  // overlap or join one another.
  virtual arrow::Result<TableRef> ReadStates(
      const AggregateQuery& view, std::optional<std::int64_t> needed_after,
      const std::function<arrow::Status(const std::shared_ptr<arrow::RecordBatch>&)>& sink) = 0;

  // ---- change capture
  // The net row changes of the open transaction in the tables that `wanted` names; see capture_internal.h. The
  // transaction must not be changed between this and Commit().
  virtual arrow::Result<RowChanges> Changes(const std::function<bool(const TableRef&)>& wanted) = 0;
  // New images alone, in batches that have the column: what the open transaction has inserted into the table or changed
  // there. Nothing when it has no such column.
  virtual arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> NewValues(const TableRef& table,
                                                                                    const std::string& column) = 0;
  // What the open transaction has done so far. Goes through all tables and the rows that it changed.
  virtual arrow::Result<TransactionFacts> Facts() = 0;

  // Whose rows system tables show to statements of this connection.
  virtual void ActFor(const Identity& reader) = 0;

  // Stops the running statement from any thread; it ends with Cancelled. No effect when none runs, and none on Commit()
  // and Rollback(): a commit that has begun is not to be told apart from one that was stopped.
  virtual void Interrupt() = 0;
  // Since the last statement began: for work of the statement's that other connections do.
  virtual bool interrupted() const = 0;
};

}  // namespace hyprstream::engine
