// Naming a backend, over DuckDB's tokens:
//
//   ATTACH [DATABASE] [IF NOT EXISTS] 'uri' AS name (TYPE adbc, DRIVER 'name', option value, "adbc.option" 'value',
//   ...) DETACH [DATABASE] [IF EXISTS] name
//   REFRESH BACKEND name
//
// DuckDB's own grammar would not say which options were quoted. No error shows any of an ATTACH's text: wherever it is
// wrong, a password may stand there.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "engine/statement.h"
#include "engine/tokens_internal.h"

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::engine {

struct BackendStatement {
  std::shared_ptr<const Statement> statement;  // an ATTACH of another type is kForbidden
  std::size_t end = 0;                         // index of the token that ends it: a terminator, or the sentinel
};

// Does one of these begin at this token?
bool StartsBackendStatement(const Tokens& tokens, std::size_t begin);

// Parses the statement that begins there. Invalid with what is wrong and where.
arrow::Result<BackendStatement> ParseBackendStatement(const std::string& sql, const Tokens& tokens, std::size_t begin);

// May the text hold what an ATTACH or a CREATE SECRET says? Then no error shows any of it. The second is for text that
// has no tokens.
bool MayNameSecrets(const Tokens& tokens);
bool MayNameSecrets(std::string_view sql);
inline constexpr const char* kNotShown = " (the text is not shown: it may hold a password)";

}  // namespace hyprstream::engine
