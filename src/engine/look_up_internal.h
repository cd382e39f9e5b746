// Queries that are nothing but a look-up in a materialized view: columns of the one row of a window and keys that are
// given, or of the first rows of a window, or of the whole view, in the order of a column. They are answered from the
// states without DuckDB, which takes longer to get under way than for all the rest.
//
// Whatever is more than that, or not certain to give the same, is DuckDB's. Throws DuckDB's exceptions; stays inside
// the room.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/table_ref.h"
#include "engine/first_rows_internal.h"
#include "engine/parameter_values_internal.h"
#include "engine/scan_filters_internal.h"

namespace duckdb {
class ClientContext;
class LogicalOperator;
}  // namespace duckdb

namespace hyprstream::engine {

struct LookUp {
  TableRef view;
  std::vector<int> columns;            // of the view, in the order of the result
  std::vector<PlannedFilter> filters;  // each an equality
  std::optional<RowOrder> order;       // of the first rows; its column is the view's
};

// What a bound plan is before it is optimized; nullopt: something else than columns of a view where columns of it equal
// what is given, and first rows of them.
std::optional<LookUp> ReadLookUp(const duckdb::LogicalOperator& plan);

// The rows of the snapshot that the connection has attached, as a batch of `schema`. Null when DuckDB must answer: the
// conditions do not name one row, or one window to order, a value is of another type than what it is compared with, a
// column is not carried as `schema` has it, or is of a type that only DuckDB orders.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> RunLookUp(duckdb::ClientContext& context,
                                                                   const LookUp& look_up,
                                                                   const BoundParameters& parameters,
                                                                   const std::shared_ptr<arrow::Schema>& schema);

}  // namespace hyprstream::engine
