// The rows that Flight SQL's commands for keys answer: those of DuckDB's catalog, and those of backends beside them.
//
// Pure functions. Names are compared as DuckDB compares identifiers.
#pragma once

#include <arrow/flight/sql/server.h>

#include <memory>
#include <vector>

#include "session/session.h"

namespace hyprstream::flight {

// The primary keys of `table`. Both in one batch, in the specification's order.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithPrimaryKeys(const arrow::RecordBatchVector& here,
                                                                   const std::vector<session::CatalogKeys>& backends,
                                                                   const arrow::flight::sql::TableRef& table);
// The foreign keys between `parent` and `child`; null: any. `schema` is the specification's.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithForeignKeys(const arrow::RecordBatchVector& here,
                                                                   const std::vector<session::CatalogKeys>& backends,
                                                                   const arrow::flight::sql::TableRef* parent,
                                                                   const arrow::flight::sql::TableRef* child,
                                                                   const std::shared_ptr<arrow::Schema>& schema);

}  // namespace hyprstream::flight
