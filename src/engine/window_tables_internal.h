// tumble, hop and session in FROM: written out as queries over what they name, before DuckDB binds the statement.
//
// DuckDB's binder would take a table's and a column's name in a table function's arguments for columns of the tables
// to its left. As a subquery the call works wherever a table may stand, over tables, views and common table
// expressions, with parameters; and the gate sees nothing but the plan of that query.
#pragma once

#include <duckdb/common/unique_ptr.hpp>

namespace duckdb {
class SQLStatement;
class TableRef;
}  // namespace duckdb

namespace hyprstream::engine {

// Replaces every call in the statement, and in what it stores (a view's or a macro's query). Throws DuckDB's
// ParserException for a call with wrong arguments.
void WriteOutWindowTables(duckdb::SQLStatement& statement);
// The same for what stands in a FROM clause.
void WriteOutWindowTables(duckdb::unique_ptr<duckdb::TableRef>& table);

}  // namespace hyprstream::engine
