// A maintained aggregate in plain values: what a CREATE MATERIALIZED VIEW's SELECT means, with no trace of DuckDB.
//
// The engine makes it from a checked SELECT; the aggregation engine maintains it. Two queries are run for it by the
// engine: `evaluate` turns raw rows into key and argument columns, the aggregation engine does the rest.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/table_ref.h"
#include "core/window_spec.h"

namespace arrow {
class DataType;
class Schema;
}  // namespace arrow

namespace hyprstream {

// Defined in core/aggregate_functions.h.
enum class AggregateKind : std::uint8_t;

// One aggregate of the SELECT; `arguments` and `filter` are columns in the evaluated batch.
struct AggregateColumn {
  AggregateKind kind;
  std::vector<int> arguments = {};               // none for count(*)
  std::vector<double> parameters = {};           // the constants of its call, lists of them one after the other
  std::shared_ptr<arrow::DataType> result_type;  // of its states: sum(int) decimal128(38, 0), avg double, count int64
  bool of_argument_type = false;  // its result is one of the first argument's values, and carried like them
  int filter = -1;                // BOOLEAN; rows where it is true count; -1: all rows
  bool decimal_sum = false;       // of DECIMAL, which ends at 38 digits; other exact sums end at 128 bits
};

// Where an output column comes from.
struct OutputColumn {
  std::string name;
  bool is_key;
  int index;                     // of the key, or of the aggregate
  std::int64_t after_start = 0;  // of the window key: the window's start plus this, as window_end is
};

// Windows of one size: the start of a value's is origin + floor((value - origin) / size) * size. In the units of the
// window key's type; size > 0. Values at the ends of int64 (DuckDB's infinite timestamps) are windows of their own.
struct FixedWindow {
  std::int64_t size;
  std::int64_t origin;
  // Values beyond these have no window: the SELECT fails with them.
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
};

// A view's SELECT over its base table in parts, with which a coarser view is put together: the items in SELECT order
// and the condition (empty: none), their columns qualified, and what stands after FROM.
struct WrittenSelect {
  std::vector<std::string> items;
  std::string from;
  std::string condition;
};

// What the parts of a view's SELECT mean, as texts that the engine compares with those of a query: equal texts, equal
// values in every row.
struct SelectShapes {
  std::vector<std::string> output;      // in SELECT order; empty where there is no text; none at all: unknown
  std::vector<std::string> conditions;  // of WHERE: all of them hold for the rows that the view has
  std::string rows;  // what window functions below it were over, as of session(); empty: there are none
  std::vector<std::string> arguments = {};  // of argument_sql; empty where there is no text
};

struct AggregateQuery {
  TableRef view;
  TableRef base;
  TableRef source;  // what FROM names: the base table, or the materialized view that this one is a coarser one of
  // The SELECT as its author wrote it, but for macros and types of the user's making: they are written out, so that it
  // goes on meaning the same. Over raw rows it is the view's oracle.
  std::string definition;
  std::string time_zone;                  // frozen at CREATE; expressions that depend on a zone are evaluated in it
  std::vector<std::string> key_sql;       // over the base table's columns
  std::vector<std::string> argument_sql;  // likewise, and the conditions of FILTER clauses
  std::string from_sql;                   // the base table with its alias, `"db"."main"."sales" AS "s"`
  std::string alias;                      // how the expressions name the base table
  std::string where_sql;                  // empty: all rows
  std::int64_t exact_bytes_max = std::int64_t{256} << 20;  // of states that keep every distinct value
  std::string time_column;                                 // the base table's, when first or last go by it
  int window_key = -1;                                     // which key is the window's start, -1: all of history
  std::string window_time;                                 // the column that the windows are over; empty: an expression
  // How long every window is, a constant INTERVAL (a month or a day of a time zone may have several lengths); empty:
  // not known.
  std::string window_width_sql;
  bool window_shifted = false;      // by an offset, an origin or a time zone of their own that is not known
  std::string window_zone = {};     // a time zone of their own; empty: that of the view
  bool window_zone_varies = false;  // it is a column's
  bool window_local = false;        // the window key is the time there
  // When set, the window key of evaluated batches holds the starts of slices, and each window is put together from the
  // slices in it.
  std::optional<WindowSpec> hopping = std::nullopt;
  // When set, the view's windows are sessions: the window key of evaluated batches (and of key_sql) holds event times,
  // and a session ends where the next row of its other keys is this much or more away. Its output is the first row's
  // time or, with after_start, the last one's plus that.
  std::optional<std::int64_t> session_gap = std::nullopt;
  // Of views over sessions: the aggregate that counts the rows which WHERE takes; a session has other rows, too, and a
  // row in the view only where it has such. -1: all rows count.
  int shown_count = -1;
  bool finite_times_only = false;  // rows whose window key is NULL or infinite are in no window, and left out
  // When set, the window key of evaluated batches holds times (time_sql, of the key's type), and their windows are
  // still to be found; key_sql has the windows all the same.
  std::optional<FixedWindow> fixed_window = std::nullopt;
  std::string time_sql = {};
  // Keys first, then arguments: the schema of evaluated batches.
  std::shared_ptr<arrow::Schema> evaluated_schema;
  // For each of these, the column of the base table whose values it has, unchanged; empty: it is to be evaluated. None
  // when nothing is known.
  std::vector<std::string> plain_columns = {};
  std::vector<AggregateColumn> aggregates;
  std::vector<OutputColumn> output;  // in SELECT order
  std::shared_ptr<arrow::Schema> output_schema;
  std::vector<std::string> output_types;  // DuckDB's own, in SELECT order: those of the SELECT
  std::vector<std::string> base_columns;  // of the base table that it reads
  WrittenSelect written = {};
  SelectShapes shapes = {};
  // The SELECT over `base` that another view's states are read by (Connection::ReadStates): its columns, with calls of
  // hyprstream_state in the place of aggregates' values, and one column more. Empty where no view's states are read.
  std::string states_sql = {};
  // When set, readers of the view see this SELECT over view_scan of it, which gives the rest of what is said here: of a
  // view over a view of sessions, which are what it keeps.
  std::string shown_sql = {};

  int key_count() const { return static_cast<int>(key_sql.size()); }
};

}  // namespace hyprstream
