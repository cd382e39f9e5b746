// MERGE INTO a backend's table, as a query for what is to be done and three writes.
//
// The query joins the source with the target's rows, which have names, and says of each pair which action it is for.
// Its rows are held in memory; then what is deleted, updated and inserted goes to core::BackendWriter, in this order.
// Each WHEN has its own count of rows in errors.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <cstdint>
#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/parser/parsed_expression.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/tableref.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/backend_writer.h"
#include "core/table_ref.h"

namespace arrow {
class RecordBatchReader;
template <class T>
class Result;
}  // namespace arrow

namespace duckdb {
class ClientContext;
class MergeQueryNode;
}  // namespace duckdb

namespace hyprstream::engine {

struct MergeAction {
  enum class Kind { kUpdate, kDelete, kInsert };

  Kind kind;
  std::vector<std::string> columns = {};  // that get values, in the query's order
};

// The target as the query reads it, and how a row of it is named there.
struct MergeTarget {
  std::string backend;
  std::vector<std::string> columns;
  duckdb::unique_ptr<duckdb::TableRef> rows;
  duckdb::unique_ptr<duckdb::ParsedExpression> row_name;
};

// Takes `merge` apart. The query's columns: the action's number, the name of the target's row, and the values of each
// action, in the actions' order. Refuses what is not done, by name.
duckdb::unique_ptr<duckdb::SelectNode> MergeQuery(duckdb::ClientContext& context, duckdb::MergeQueryNode& merge,
                                                  MergeTarget target, bool has_parameters,
                                                  std::vector<MergeAction>& actions);

// Rows under the names of the target's columns, as the writer is to take them.
using CastPart = std::function<std::shared_ptr<arrow::RecordBatchReader>(std::shared_ptr<arrow::RecordBatchReader>)>;

struct MergeRun {
  const TableRef& table;
  const std::vector<MergeAction>& actions;
  const CastPart& cast;
};

// How many rows it changed. Errors as those of the writer; Invalid, and nothing is written, where a row of the target
// is found more than once.
arrow::Result<std::int64_t> RunMerge(BackendWriter& writer, const MergeRun& run, arrow::RecordBatchReader& rows);

}  // namespace hyprstream::engine
