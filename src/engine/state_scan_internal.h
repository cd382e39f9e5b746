// Scans of views that give states beside values.
#pragma once

#include <duckdb/planner/operator/logical_get.hpp>
#include <memory>
#include <optional>
#include <string>

#include "core/mergeable_state.h"
#include "core/table_ref.h"
#include "engine/declared_schema_internal.h"

namespace hyprstream::engine {

// The states behind a view's column.
struct StateColumn {
  TableRef view;
  int index;  // in the view
  std::string name;
  std::shared_ptr<const MergeableState> states;
  std::shared_ptr<const DeclaredSchema> value_schema;  // of the one column of values that are read from them
};

// A view's columns, and after them the states of each: what its scan can give.
std::shared_ptr<arrow::Schema> WithStates(const std::shared_ptr<arrow::Schema>& schema);

struct AddedColumn {
  duckdb::ProjectionIndex projected;  // among the scan's columns
  StateColumn column;
};
// Makes a scan give the states of a column as well, as BLOBs. Nothing where there are none. Throws DuckDB's exceptions.
std::optional<AddedColumn> AddStateColumn(duckdb::ClientContext& context, duckdb::LogicalGet& get,
                                          duckdb::idx_t column);

}  // namespace hyprstream::engine
