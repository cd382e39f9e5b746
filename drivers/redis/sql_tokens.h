// SQL text in words.
#pragma once

#include <arrow/result.h>

#include <string>
#include <string_view>
#include <vector>

namespace adbc_redis::sql {

struct Token {
  enum class Kind { kWord, kQuotedName, kNumber, kString, kBytes, kSymbol, kParameter, kEnd };
  Kind kind = Kind::kEnd;
  std::string text;     // of a word in lower case; of strings, bytes and quoted names what they mean
  size_t position = 0;  // in the text, from 0
};

// Ends with a kEnd token. INVALID_ARGUMENT: a quote or comment that does not end.
arrow::Result<std::vector<Token>> Tokenize(std::string_view text);

}  // namespace adbc_redis::sql
