// Our statements over DuckDB's tokens:
//
//   CREATE [OR REPLACE] MATERIALIZED VIEW [IF NOT EXISTS] [schema.]name [WITH (option = value, ...)] AS SELECT ...
//   DROP MATERIALIZED VIEW [IF EXISTS] [schema.]name [CASCADE | RESTRICT]
//   ALTER MATERIALIZED VIEW [IF EXISTS] [schema.]name {SET (option = value, ...) | RESET (option, ...)}
//   REFRESH MATERIALIZED VIEW [schema.]name [WINDOW 'from' [TO] 'to']
//   INSERT INTO states('[schema.]view') SELECT ...
//
// Option values and the SELECT are parsed by DuckDB; the SELECT's text is kept exactly as written.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>

#include "engine/statement.h"
#include "engine/tokens_internal.h"

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::engine {

// Of InsertStates `rows` is still to be parsed, from `rows_sql`.
struct MaterializedViewStatement {
  std::variant<CreateMaterializedView, DropMaterializedView, AlterMaterializedView, RefreshMaterializedView,
               InsertStates>
      what;
  std::string rows_sql = {};
  std::size_t end = 0;  // index of the token that ends it: a terminator, or the sentinel
};

// Does a statement of ours begin at this token?
bool StartsMaterializedView(const Tokens& tokens, std::size_t begin);

// Parses the statement that begins there. Invalid with what is wrong and where. May throw DuckDB's exceptions.
arrow::Result<MaterializedViewStatement> ParseMaterializedView(const std::string& sql, const Tokens& tokens,
                                                               std::size_t begin);

}  // namespace hyprstream::engine
