// What a SELECT, or the WHERE of a DELETE, asks of a table, checked against its columns.
//
// Thread safety: values.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cell.h"
#include "sql.h"
#include "table.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace adbc_redis {

struct SelectPlan {
  std::shared_ptr<const Table> table;
  std::vector<int> columns;  // of the table, as they are given
  std::shared_ptr<arrow::Schema> schema;
  std::vector<sql::Condition> key_conditions;   // equalities and IN
  std::vector<sql::Condition> time_conditions;  // all others
  bool ordered = false;                         // by the time column
  bool descending = false;
  std::optional<sql::Value> limit;

  // NOT_FOUND: an unknown column. NOT_IMPLEMENTED: a condition or an order by a column that is neither key nor time.
  static arrow::Result<SelectPlan> Make(const sql::Select& select, std::shared_ptr<const Table> table);
};

// The plan with values for its parameters: those of one row.
struct Scan {
  bool empty = false;                            // no row can match
  std::optional<std::vector<std::string>> keys;  // none given: all
  std::optional<Wide> least;                     // of the time in nanoseconds; both ends belong to it
  std::optional<Wide> most;
  int64_t limit = INT64_MAX;

  bool has_time() const { return least.has_value() || most.has_value(); }
};

// `row` of `parameters`, which may be null where there are none.
arrow::Result<Scan> ResolveScan(const SelectPlan& plan, const arrow::RecordBatch* parameters, int64_t row);

// Keys that equalities and IN leave, without repetition.
arrow::Result<std::vector<std::string>> ResolveKeys(const Table& table, const std::vector<sql::Condition>& conditions,
                                                    const arrow::RecordBatch* parameters, int64_t row);

// The type that each parameter of a statement should have; null where any will do.
arrow::Result<std::shared_ptr<arrow::Schema>> ParameterSchema(const sql::Statement& statement, const Table* table);

// INVALID_STATE: the statement takes parameters, and none or too few are bound.
arrow::Status CheckBound(int parameters, const arrow::RecordBatch* bound);

// The column, or NOT_FOUND with the columns that there are.
arrow::Result<int> FindColumn(const Table& table, const std::string& name);

}  // namespace adbc_redis
