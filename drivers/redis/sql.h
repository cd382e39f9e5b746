// The SQL that this driver answers itself, as values.
//
//   CREATE TABLE [IF NOT EXISTS] t (column type [NOT NULL] [PRIMARY KEY], … [, PRIMARY KEY (column)])
//     [WITH (time = 'column', retention = '7 days')] or WITH (hashes = 'user:*') or WITH (stream = 'events' [, time])
//   DROP TABLE [IF EXISTS] t
//   INSERT INTO t [(column, …)] VALUES (value, …), …
//   DELETE FROM t [WHERE column = value | column IN (value, …)]
//   UPDATE t SET column = value, … WHERE column = value | column IN (value, …)
//   SELECT * | column, … FROM t [WHERE condition AND …] [ORDER BY column [ASC | DESC]] [LIMIT n]
//     condition: column = | < | <= | > | >= value, column BETWEEN value AND value, column IN (value, …)
//
// Values are literals, TIMESTAMP '…' and DATE '…', and parameters: `?` in order, or `$1`. Names are folded to lower
// case unless quoted. A table may be written main.t.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace arrow {
class DataType;
}

namespace adbc_redis::sql {

struct Value {
  enum class Kind { kNull, kNumber, kString, kBytes, kBoolean, kParameter };
  Kind kind = Kind::kNull;
  std::string text;   // of a number as it was written, of a boolean "true" or "false"
  int parameter = 0;  // from 0

  bool operator==(const Value&) const = default;
};

struct Column {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  bool nullable = true;
};

struct CreateTable {
  std::string table;
  bool if_not_exists = false;
  std::vector<Column> columns;
  std::string key;   // empty: none
  std::string time;  // empty: none
  int64_t retention_ms = 0;
  std::string hashes;  // a pattern of their keys; empty: none
  std::string stream;  // a key; empty: none
};

struct DropTable {
  std::string table;
  bool if_exists = false;
};

struct Insert {
  std::string table;
  std::vector<std::string> columns;  // empty: all, in their order
  std::vector<std::vector<Value>> rows;
};

struct Condition {
  enum class Kind { kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kBetween, kIn };
  std::string column;
  Kind kind = Kind::kEqual;
  std::vector<Value> values;  // one; two of BETWEEN; of IN at least one
};

struct Delete {
  std::string table;
  std::optional<Condition> where;  // an equality or IN
};

struct Update {
  std::string table;
  std::vector<std::string> columns;
  std::vector<Value> values;  // as many
  Condition where;            // an equality or IN
};

struct Select {
  std::string table;
  std::vector<std::string> columns;  // empty: *
  std::vector<Condition> where;      // all must hold
  std::string order_by;              // empty: any order
  bool descending = false;
  std::optional<Value> limit;
};

struct Statement {
  std::variant<CreateTable, DropTable, Insert, Delete, Update, Select> command;
  int parameters = 0;  // how many it takes
};

// NOT_IMPLEMENTED for SQL outside of this subset, also where it is none: the message names the place and what is
// understood there.
arrow::Result<Statement> Parse(std::string_view text);

// "7 days", "36 hours" in milliseconds.
arrow::Result<int64_t> ReadDuration(std::string_view text);

}  // namespace adbc_redis::sql
