// SQL text to statements, by DuckDB's own parser with ours plugged into it (ParserExtension).
//
// Thread safety: all functions, from any thread; no database is needed.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include <duckdb/common/unique_ptr.hpp>

#include "engine/statement.h"

namespace arrow {
template <class T>
class Result;
}

namespace duckdb {
struct DBConfig;
class SQLStatement;
}  // namespace duckdb

namespace hyprstream::engine {

struct ParseLimits {
  std::size_t sql_bytes_max = 1 << 20;
  int expression_depth_max = 1000;
};

// Splits and parses; see Engine::Parse for the contract. Never throws.
arrow::Result<std::vector<std::shared_ptr<const Statement>>> ParseStatements(std::string_view sql,
                                                                             const ParseLimits& limits);

// A copy of the tree that DuckDB is to bind and run. A CREATE TABLE's WITH options have been taken off it. For kinds of
// our own (materialized views) it is an ExtensionStatement, which DuckDB refuses to plan: their owner runs them.
duckdb::unique_ptr<duckdb::SQLStatement> CopySql(const Statement& statement);

// Makes text that reaches DuckDB directly know our statements too (it then says that they run elsewhere).
void RegisterParser(duckdb::DBConfig& config);

}  // namespace hyprstream::engine
