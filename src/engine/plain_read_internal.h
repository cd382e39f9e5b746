// Queries that are nothing but columns of a backend's table, of rows that the backend itself picks. They come to the
// client as they come from the backend, without DuckDB, which takes longer to get under way than most databases take
// for a row, and copies every row twice.
//
// Whatever is more than that, or not certain to give the same, is DuckDB's. Throws DuckDB's exceptions; stays inside
// the room.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/table_ref.h"
#include "engine/parameter_values_internal.h"
#include "engine/scan_filters_internal.h"

namespace arrow {
class RecordBatchReader;
class Schema;
template <class T>
class Result;
}  // namespace arrow

namespace duckdb {
class ClientContext;
class LogicalOperator;
}  // namespace duckdb

namespace hyprstream::engine {

struct PlainRead {
  std::string backend;
  TableRef table;
  std::vector<int> columns;            // of the table, in the order of the result
  std::vector<PlannedFilter> filters;  // all that is asked of its rows
  // The table's columns when it was planned, and as DuckDB reads them.
  std::shared_ptr<const arrow::Schema> schema;
  std::shared_ptr<const arrow::Schema> declared;
};

// What a bound plan is before it is optimized; nullopt: something else.
std::optional<PlainRead> ReadPlainRead(duckdb::ClientContext& context, const duckdb::LogicalOperator& plan);

// The rows as batches of `schema`, which are read while the connection lives and has no other statement; they end soon
// after it is interrupted. Null when DuckDB must answer: the transaction has written to a backend, the table has
// other columns than it was planned with, the backend does not apply all conditions exactly, a value is of another type
// than what it is compared with, or a column is not carried as `schema` has it.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> RunPlainRead(duckdb::ClientContext& context,
                                                                      const PlainRead& read,
                                                                      const BoundParameters& parameters,
                                                                      const std::shared_ptr<arrow::Schema>& schema);

}  // namespace hyprstream::engine
