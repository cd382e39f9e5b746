// Is a bound plan computed row by row, from the row alone?
#pragma once

#include <string>

namespace arrow {
class Status;
}

namespace duckdb {
class ClientContext;
class LogicalOperator;
class ParsedExpression;
}  // namespace duckdb

namespace hyprstream::engine {

// OK when the plan only scans, filters and projects, and every function gives the same result for the same row at any
// time; else NotImplemented naming the function. It sees what macros expanded to.
arrow::Status CheckRowWise(const duckdb::LogicalOperator& plan);

// The name of a function that the text calls and whose result may be another one at another time, macros included;
// empty: there is none. It sees what a bound plan no longer shows: DuckDB evaluates constant arguments while it binds a
// call, the now() of `now() - INTERVAL '1 day'` among them.
std::string UnstableCall(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression);
// The name of a client's macro that it calls; likewise.
std::string MacroCall(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression);
// NotImplemented, as of a view, where there is one.
arrow::Status CheckStable(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression);

}  // namespace hyprstream::engine
