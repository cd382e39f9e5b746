// Refused functions that refuse as soon as a statement names them.
//
// The gate looks at a bound plan, which is too late for what works while it is bound: table functions look at their
// arguments then (sql_auto_complete parses a text without a bound, json_execute_serialized_sql binds one), and DuckDB
// evaluates those arguments: range(sleep_ms(…)), query('…' || current_setting('temp_directory')).
#pragma once

namespace duckdb {
class Connection;
}

namespace hyprstream::engine {

// Replaces the refused scalar functions by ones that no client's statement can bind, and current_setting by one that it
// can bind for its own settings only. They are volatile, for the gate to see them: DuckDB evaluates constant arguments
// of a call while it binds it, so that `current_setting('x') || ''` would be one text by then. Inside a transaction.
void RefuseFunctions(duckdb::Connection& connection);

// Replaces the refused table functions that take arguments by ones that cannot be bound. The others are left, and are
// the gate's to refuse: DuckDB's own views call them. Inside a transaction.
void RefuseTableFunctions(duckdb::Connection& connection);

}  // namespace hyprstream::engine
