// The texts that query() and query_table() make SQL of, held to the limits of a statement's own text.
//
// They are parsed while a statement is bound, where nothing interrupts DuckDB, and come from anywhere: a macro, a view,
// repeat(). What they name inside is looked at in the bound plan like everything else.
#pragma once

namespace duckdb {
class Connection;
}

namespace hyprstream::engine {

struct ParseLimits;

// Replaces both functions by ones that refuse a text beyond `limits`, one that calls the server's own functions, and
// texts that are together larger than one statement may be. Inside a transaction.
void BoundQueriedTexts(duckdb::Connection& connection, const ParseLimits& limits);

}  // namespace hyprstream::engine
