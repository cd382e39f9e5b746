// Scans of a backend's rows: of its tables, and of what a statement in its own language gives.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/function/table_function.hpp>
#include <functional>
#include <memory>
#include <string>

#include "core/table_ref.h"
#include "core/table_source.h"

namespace arrow {
class RecordBatchReader;
class Schema;
}  // namespace arrow

namespace duckdb {
class ClientContext;
class Connection;
class LogicalGet;
class TableCatalogEntry;
}  // namespace duckdb

namespace hyprstream::engine {

// A table, or with an empty name the rows of a statement.
struct BackendRows {
  std::string backend;
  TableRef table;
  std::shared_ptr<const TableSource> source;
  duckdb::TableCatalogEntry* entry = nullptr;  // of a table
  std::string statement = {};                  // what a part of the plan was made into
};

// As DuckDB reads them.
std::shared_ptr<const arrow::Schema> DeclareRows(duckdb::ClientContext& context, const TableSource& source);

// True once the connection is interrupted, or gone; from any thread.
std::function<bool()> OnceInterrupted(duckdb::ClientContext& context);

// Starts reading them; `schema`: DeclareRows() of the source. The batches have the columns that are asked for, or an
// error is given that names the backend.
std::shared_ptr<arrow::RecordBatchReader> OpenBackendRows(const BackendRows& rows, const arrow::Schema& schema,
                                                          ScanRequest request);

duckdb::TableFunction MakeBackendScan(duckdb::ClientContext& context, BackendRows rows,
                                      duckdb::unique_ptr<duckdb::FunctionData>& bind_data);

// backend_query('backend', 'statement')
void RegisterBackendQuery(duckdb::Connection& connection);

// What it reads, if it reads a backend.
const BackendRows* BackendRowsOf(const duckdb::LogicalGet& get);

}  // namespace hyprstream::engine
