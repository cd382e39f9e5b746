// What a scan of a table, or of a statement's rows, selects at a database, and how its values become those of the
// schema.
//
// Values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace arrow {
class DataType;
class Schema;
}  // namespace arrow

namespace hyprstream::backend {

// How a column that arrives becomes the column of the schema. The name says what arrives.
enum class Reading {
  kAsIs,
  kTimestamp,    // microseconds; with what the driver makes of infinity and of what Arrow cannot say
  kDate,         // days, likewise
  kDecimalText,  // digits: into the decimal of the schema
  kBoolean,      // 0 or 1
  kDateText,     // `2013-01-02`
  kUuidText,     // `550e8400-e29b-41d4-a716-446655440000`
  kTimeText,     // `2013-01-02 03:04:05.000006`, the fraction of up to six digits or none, or T for the blank
  kSumParts,     // `high:low`, two integers: high * 2^32 + low
};

// How a comparison with a column is said in SQL; kNone where that may mean something else than here.
enum class Comparable {
  kNone,
  kBoolean,
  kInteger,
  kFloat,
  kDouble,
  kDecimal,
  kText,  // equality only
  kDate,
  kTime,
  kTimestamp,
  kTimestampTz,
  kUuid,
};

// Which conditions on a column a database takes that has no expressions.
enum class Conditions {
  kAll,
  kKey,    // equality and IN
  kRange,  // all comparisons, no IN
};

struct ColumnLayout {
  std::string name;
  std::string expression;                     // what is selected
  std::shared_ptr<arrow::DataType> arriving;  // what the driver gives for it; null: the driver is asked
  Reading reading = Reading::kAsIs;
  Comparable comparable = Comparable::kNone;
  std::string compared = {};  // in conditions; empty: as what is selected
  // Not empty: selected beside it. True or 2 for a value that would be changed on its way, an error then; 1 for NULL.
  std::string check = {};
  std::string refusal = {};
  Conditions conditions = Conditions::kAll;
  std::string declared = {};  // the database's name of its type, for people; empty: not known
  // Within a larger query: NULL where it is NULL, and the statement fails where it would be refused. Empty: it is not
  // part of any.
  std::string value = {};
  Comparable computed = Comparable::kNone;  // what may be done with it there; kNone: it is handed on
};

struct TableLayout {
  std::shared_ptr<arrow::Schema> schema;
  std::vector<ColumnLayout> columns;  // as the schema's fields
  std::string from;                   // quoted; empty: a statement's rows as it gives them
  std::optional<std::int64_t> rows;   // an estimate
  std::vector<int> key = {};          // the columns of its primary key; none: it has none, or that is not known
  bool types_come_with_rows = false;  // the driver says int64 of every column of no rows
};

}  // namespace hyprstream::backend
