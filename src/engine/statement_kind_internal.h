// Which kind a parsed DuckDB statement is, to us.
#pragma once

#include <string>

#include "engine/statement.h"

namespace duckdb {
class SQLStatement;
}

namespace hyprstream::engine {

struct StatementClass {
  StatementKind kind;
  std::string target;  // see Statement::target()
};

// `use` says that the text began with USE, which DuckDB parses as a SET of the schema. Everything that is not known to
// be harmless is kForbidden. EXPLAIN and PREPARE of a forbidden kind are forbidden.
StatementClass Classify(const duckdb::SQLStatement& statement, bool use);

}  // namespace hyprstream::engine
