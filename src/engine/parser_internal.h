// SQL text to statements, by DuckDB's own tokenizer and parser, with our statements beside its own.
//
// DuckDB's ParserExtension would see CREATE MATERIALIZED VIEW, but not DROP (DuckDB's grammar knows that one and
// refuses it) and no offsets; so its tokens are walked here, and every statement that does not begin like one of ours
// is DuckDB's.
//
// Thread safety: all functions, from any thread; no database is needed.
#pragma once

#include <cstddef>
#include <duckdb/common/unique_ptr.hpp>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/statement.h"

namespace arrow {
template <class T>
class Result;
}

namespace duckdb {
class SQLStatement;
}

namespace hyprstream::engine {

struct ParseLimits {
  std::size_t sql_bytes_max = 1 << 20;
  int expression_depth_max = 1000;
  bool own_functions = false;  // may call hyprstream_…(), which expect what the server itself gives them
};

// Splits and parses; see Engine::Parse for the contract. Never throws.
arrow::Result<std::vector<std::shared_ptr<const Statement>>> ParseStatements(std::string_view sql,
                                                                             const ParseLimits& limits);

// A copy of the tree that DuckDB is to bind and run. A CREATE TABLE's WITH options have been taken off it. Throws
// DuckDB's InternalException for the kinds that are our own (materialized views): whoever owns those runs them.
duckdb::unique_ptr<duckdb::SQLStatement> CopySql(const Statement& statement);

}  // namespace hyprstream::engine
