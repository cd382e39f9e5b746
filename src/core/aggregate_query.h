// A maintained aggregate in plain values: what a CREATE MATERIALIZED VIEW's SELECT means, with no trace of DuckDB.
//
// The engine makes it from a checked SELECT; the aggregation engine maintains it. Two queries are run for it by the
// engine: `evaluate` turns raw rows into key and argument columns, the aggregation engine does the rest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/table_ref.h"

namespace arrow {
class DataType;
class Schema;
}  // namespace arrow

namespace hyprstream {

enum class AggregateKind { kCountStar, kCount, kSum, kAvg, kMin, kMax };

// One aggregate of the SELECT. `argument` is its column in the evaluated batch, -1 for count(*).
struct AggregateColumn {
  AggregateKind kind;
  int argument = -1;
  std::shared_ptr<arrow::DataType> result_type;  // as DuckDB's: sum(int) decimal128(38, 0), avg double, count int64
};

// Where an output column comes from.
struct OutputColumn {
  std::string name;
  bool is_key;
  int index;  // of the key, or of the aggregate
};

struct AggregateQuery {
  TableRef view;
  TableRef base;
  std::string definition;                 // the SELECT as its author wrote it; over raw rows it is the view's oracle
  std::string time_zone;                  // frozen at CREATE; expressions that depend on a zone are evaluated in it
  std::vector<std::string> key_sql;       // over the base table's columns
  std::vector<std::string> argument_sql;  // likewise; FILTER clauses are folded in (CASE WHEN … THEN … END)
  std::string from_sql;                   // the base table with its alias, `"db"."main"."sales" AS "s"`
  std::string alias;                      // how the expressions name the base table
  std::string where_sql;                  // empty: all rows
  int window_key = -1;                    // which key is the window's start, -1: all of history
  // Keys first, then arguments: the schema of evaluated batches.
  std::shared_ptr<arrow::Schema> evaluated_schema;
  std::vector<AggregateColumn> aggregates;
  std::vector<OutputColumn> output;  // in SELECT order
  std::shared_ptr<arrow::Schema> output_schema;

  int key_count() const { return static_cast<int>(key_sql.size()); }
};

}  // namespace hyprstream
