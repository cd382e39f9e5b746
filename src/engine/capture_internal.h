// Change capture: the net row changes of an open DuckDB transaction, read from where DuckDB itself keeps them.
//
// A transaction's inserted rows are in its LocalStorage; the row ids of the rows it deleted or updated are in its undo
// buffer. Every statement that changes rows (INSERT, UPDATE, DELETE, TRUNCATE, MERGE, ON CONFLICT, writing CTEs, the
// Appender) ends there, so that nothing has to be rewritten or triggered and nothing can be missed. Old images are
// fetched by row id through a second transaction, to which this one's changes are invisible; the EditLog sees to it
// that nobody else changed those rows in between.
//
// DuckTransaction's undo buffer is private: capture reads it through a pointer to member obtained by explicit
// instantiation. This leans on one release's layout; the tests of sessions hold every kind of statement against views.
#pragma once

#include <functional>
#include <string>

#include "core/row_changes.h"
#include "engine/appended_rows_internal.h"
#include "engine/connection.h"
#include "engine/edit_log_internal.h"

namespace duckdb {
class ClientContext;
}

namespace hyprstream::engine {

// What the transaction of `context` in `database` has done so far. Throws DuckDB's exceptions.
TransactionFacts InspectTransaction(duckdb::ClientContext& context, const std::string& database);

// The rows of lasting tables that it has changed or deleted, but for those of the server's own.
EditedRows EditedRowsOf(duckdb::ClientContext& context, const std::string& database);

struct CaptureRequest {
  const std::string& database;
  const std::function<bool(const TableRef&)>& wanted;  // the tables
  const AppendedRows& appended;                        // by this transaction
  // Gives a context of the same database, inside a transaction of its own; called when there are old images to fetch.
  std::function<duckdb::ClientContext&()> other;
};

RowChanges CaptureChanges(duckdb::ClientContext& context, const CaptureRequest& request);

// New images of one column of a table; no batches when it has no such table or column.
struct NewValuesRequest {
  const std::string& database;
  const AppendedRows& appended;  // by this transaction
};
std::vector<std::shared_ptr<arrow::RecordBatch>> CaptureNewValues(duckdb::ClientContext& context,
                                                                  const NewValuesRequest& request,
                                                                  const TableRef& table, const std::string& column);

}  // namespace hyprstream::engine
