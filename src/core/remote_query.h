// A query over tables of one backend, as a tree of plain values: what the engine asks a backend to answer as a whole.
//
// It means what DuckDB makes of the same operations over the tables' rows, types included. Types are Arrow's; a HUGEINT
// is decimal128(38, 0). No order of rows is asked for: whoever needs one sorts what comes.
//
// Values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/table_source.h"

namespace arrow {
class DataType;
}

namespace hyprstream {

// A column of its input by number (of a join's: first those of the left one), a value, or a call of one of
//   =, <>, <, <=, >, >=, is distinct from, is not distinct from, and, or, not, is null, is not null,
//   in (what, then the values), case (when, then, ..., else), cast, coalesce,
// or of the function that DuckDB calls so.
struct RemoteExpression {
  enum class Kind { kColumn, kLiteral, kCall };

  Kind kind = Kind::kColumn;
  std::shared_ptr<arrow::DataType> type = nullptr;  // null: one that is handed on and nothing else
  int column = -1;
  std::shared_ptr<arrow::Scalar> value = nullptr;
  std::string function = {};
  std::vector<RemoteExpression> arguments = {};
};

struct RemoteAggregate {
  std::string function;  // count_star, count, sum, min, max
  bool distinct = false;
  std::vector<RemoteExpression> arguments = {};
  std::vector<RemoteExpression> conditions = {};  // of the rows that it takes
  std::shared_ptr<arrow::DataType> type = nullptr;
};

struct RemoteOrder {
  RemoteExpression by;
  bool descending = false;
  bool nulls_first = false;
};

struct RemoteRelation {
  enum class Kind {
    kTable,      // some columns of a table
    kFilter,     // the rows for which all conditions hold
    kProject,    // expressions
    kJoin,       // two inputs; its columns are the left's and then the right's, unless it says otherwise
    kAggregate,  // expressions, which are the keys, and then the aggregates; without keys one row
    kDistinct,   // each row once
    kUnionAll,   // two inputs of the same columns
    kTop,        // the first rows_max in an order; whichever, where there is none
  };
  enum class Join {
    kCross,
    kInner,
    kLeft,
    kSemi,  // rows of the left one alone that have a partner
    kAnti,  // or have none
    kMark,  // the left one's, and whether they have a partner: what SQL's IN and EXISTS say
  };

  Kind kind = Kind::kTable;
  std::vector<RemoteRelation> inputs = {};

  std::shared_ptr<const TableSource> table = nullptr;  // as the backend gave it
  std::vector<int> columns = {};                       // of its schema

  std::vector<RemoteExpression> conditions = {};  // of a filter or a join
  std::vector<RemoteExpression> expressions = {};
  std::vector<RemoteAggregate> aggregates = {};
  Join join = Join::kInner;
  std::vector<RemoteOrder> order = {};
  std::int64_t rows_max = 0;
};

}  // namespace hyprstream
