// What of a query a database means just as the engine does, and how that is written: the tested part of its SQL.
//
// Thread safety: immutable; all methods, from any thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "backend/table_layout.h"

namespace arrow {
class DataType;
class Scalar;
}  // namespace arrow

namespace hyprstream::backend {

// `boolean`, `int16`, `decimal`, `text`, ...: what values are told apart by here. Empty: no query computes with them.
std::string_view TypeWord(const arrow::DataType& type);
Comparable ComparableOf(std::string_view word);

// Where a database agrees with the engine. What is not listed it does not.
struct Capability {
  std::string_view construct;  // as core/remote_query.h calls it, or `group by`, `order by`, `count distinct`
  std::string_view types;      // of its first argument that is a value: type words with blanks between
  std::string_view pattern;    // its SQL, with $1, $2 for arguments
};

// How a result arrives.
struct Arrival {
  std::shared_ptr<arrow::DataType> arriving;
  Reading reading = Reading::kAsIs;
};

class QueryDialect {
 public:
  virtual ~QueryDialect() = default;

  virtual std::span<const Capability> capabilities() const = 0;
  // Null: it does not.
  const Capability* Find(std::string_view construct, std::string_view word) const;

  // A value of a type that has a word, of exactly that type; nullopt: it cannot be written, or is another there.
  virtual std::optional<std::string> Literal(const arrow::DataType& type, const arrow::Scalar& value) const = 0;
  // Computed SQL as a value of exactly that type, which has a word.
  virtual std::string Typed(const std::string& sql, const arrow::DataType& type) const = 0;
  // As something to be put in the engine's order.
  virtual std::string Ordered(const std::string& sql, std::string_view word) const = 0;
  // May values of one be cast to the other, always and exactly?
  virtual bool Casts(const arrow::DataType& from, const arrow::DataType& to) const = 0;
  // Are its sums only to be selected, in another form?
  virtual std::optional<Arrival> SumArrival(std::string_view) const { return std::nullopt; }
  virtual Arrival ArrivalOf(const std::shared_ptr<arrow::DataType>& type) const = 0;
  // A column of a query as the outermost SELECT gives it.
  virtual ColumnLayout Selected(const std::string& column, const Arrival& arrival) const = 0;
  // Does its driver say the types only with rows?
  virtual bool types_come_with_rows() const { return false; }
};

const QueryDialect& PostgresQueries();
const QueryDialect& SqliteQueries();
// For whatever speaks DuckDB's SQL and runs it as the engine does: a DuckDB file, another Hyprstream. It expects of the
// layouts that a column of texts has `COLLATE "binary"` in its `value`, a UUID is one there (and arrives as its text),
// and of the database that no `default_collation` is set.
const QueryDialect& DuckdbQueries();

}  // namespace hyprstream::backend
