// What differs between databases: how their metadata are asked for, what their types become, how a value is written.
//
// Thread safety: immutable; all methods, from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/table_layout.h"
#include "core/backend.h"

namespace arrow {
class Scalar;
class Schema;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::backend {

// Rows of a metadata query, each value as text.
using TextRow = std::vector<std::optional<std::string>>;
using TextRows = std::vector<TextRow>;

class QueryDialect;
class WritingDialect;
struct NamedSchema;

class Dialect {
 public:
  virtual ~Dialect() = default;

  // How it is asked more than the rows of one table; null: it is not.
  virtual const QueryDialect* queries() const { return nullptr; }
  // How its tables are changed; null: they are not, or not so.
  virtual const WritingDialect* writing() const { return nullptr; }
  // Are they changed by the keys of their rows instead (redis_writing.h)?
  virtual bool writes_by_key() const { return false; }
  // Are rows the values of statements (snowflake_writing.h)?
  virtual bool writes_by_values() const { return false; }
  // Do BEGIN, COMMIT and ROLLBACK begin and end its transactions? Else the driver's option does.
  virtual bool begins_by_statement() const { return false; }

  // What each new connection runs, one after the other.
  virtual std::vector<std::string> SessionStatements() const = 0;
  // A query that no other database takes, which each new connection is asked; empty: it is not.
  virtual std::string OwnQuery() const { return {}; }
  // Options of each statement that reads.
  virtual std::vector<std::pair<std::string, std::string>> StatementOptions() const = 0;
  // Instead of these, of one that reads a row by its primary key.
  virtual std::vector<std::pair<std::string, std::string>> LookUpOptions() const { return StatementOptions(); }

  // Does the driver say that it has connected before it has? Then a new connection is tried, and whatever the database
  // answers to CheckQuery() will do.
  virtual bool connects_late() const { return false; }

  // Does the driver give the schema of a statement without running it?
  virtual bool describes_statements() const { return true; }

  // Shows that the database answers, be it that there is no such table.
  virtual std::string CheckQuery() const { return "SELECT 1"; }

  // Has it a catalog that SQL asks? Else its one schema is `main`, the driver says the rest, and LayoutAsDescribed()
  // reads it.
  virtual bool has_catalog() const { return true; }
  // Where there is no catalog: has the driver schemas to tell? Then NameOf() is how SQL names their tables.
  virtual bool names_schemas() const { return false; }
  virtual std::string NameOf(const NamedSchema& schema, const std::string& table) const;
  // Does it know LIMIT?
  virtual bool takes_limit() const { return true; }
  // How many values may IN have?
  virtual std::size_t values_max() const { return 10'000; }
  // Does it take any expression where a condition or a column may stand? Else a SELECT has names of columns, and
  // conditions as their ColumnLayout allows them.
  virtual bool takes_expressions() const { return true; }
  // Without expressions: does it give the first rows in the order of a column of Conditions::kRange, which has no
  // NULLs?
  virtual bool gives_first_rows() const { return false; }

  // One column: the name.
  virtual std::string SchemasQuery() const = 0;
  // Name, and `view` or something else.
  virtual std::string TablesQuery(const std::string& schema) const = 0;
  // What Layout() reads; no row: there is no such table.
  virtual std::string ColumnsQuery(const std::string& schema, const std::string& table) const = 0;
  virtual arrow::Result<TableLayout> Layout(const std::string& schema, const std::string& table,
                                            const TextRows& columns) const = 0;
  // What KeysOf() reads (table_keys.h), of all tables; empty: there is nothing to ask like that.
  virtual std::string KeysQuery() const { return {}; }
  // Then: is the driver asked, which may look at every table for it?
  virtual bool driver_tells_keys() const { return false; }
  virtual arrow::Result<TableLayout> LayoutAsDescribed(const std::string& table, const arrow::Schema& schema) const;
  // May a client's statement be passed on? Invalid, saying what may: it would do more than read.
  virtual arrow::Status CheckPassedOn(const std::string& statement) const = 0;
  // Of the rows of a statement, by what the driver says of them. Invalid, naming the column: a value might be changed
  // on its way.
  virtual arrow::Result<TableLayout> LayoutOfStatement(const arrow::Schema& schema) const = 0;
  // Where a database looks into a statement itself, and its rows are those of a table. One row of one text: why it may
  // not be passed on; NULL: it may. Empty: CheckPassedOn() and LayoutOfStatement() are all.
  virtual std::string PassedOnQuery(const std::string&) const { return {}; }
  // What LayoutOfPassedOn() reads.
  virtual std::string PassedOnColumnsQuery(const std::string&) const { return {}; }
  virtual arrow::Result<TableLayout> LayoutOfPassedOn(const std::string& statement, const TextRows& columns) const;
  // What the connection runs before a client's words, so that these only read.
  virtual std::vector<std::string> PassedOnSession() const { return {}; }

  // A value as SQL, so that a comparison with it means what it means here; nullopt where there is none. Not NULL.
  virtual std::optional<std::string> Literal(Comparable comparable, const arrow::Scalar& value) const = 0;
};

std::unique_ptr<const Dialect> MakePostgresDialect();
std::unique_ptr<const Dialect> MakeSqliteDialect();
std::unique_ptr<const Dialect> MakeDuckdbDialect();
std::unique_ptr<const Dialect> MakeRedisDialect();
// Of whatever database is behind a driver: what the driver says of it, and the SQL that all have.
std::unique_ptr<const Dialect> MakeGenericDialect();
std::unique_ptr<const Dialect> MakeSnowflakeDialect();
// Of another Hyprstream, by the Flight SQL driver.
std::unique_ptr<const Dialect> MakeHyprstreamDialect();

}  // namespace hyprstream::backend
