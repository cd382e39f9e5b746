#include "engine/tokens_internal.h"

#include <arrow/status.h>

#include <algorithm>
#include <duckdb/parser/peg/keyword_helper/duckdb_keyword_helper.hpp>
#include <duckdb/parser/peg/tokenizer/parser_tokenizer.hpp>

#include "core/table_ref.h"
#include "engine/error_internal.h"

namespace hyprstream::engine {

Tokens Tokenize(const std::string& sql) {
  Tokens tokens;
  duckdb::ParserTokenizerBehavior behavior(sql, tokens);
  duckdb::Tokenizer(duckdb::DuckDBKeywordHelper::Instance()).TokenizeInput(behavior);
  return tokens;
}

bool IsWord(const duckdb::MatcherToken& token, std::string_view lower_case_word) {
  using duckdb::TokenType;
  if (token.type != TokenType::KEYWORD && token.type != TokenType::IDENTIFIER) return false;
  return token.text.size() == lower_case_word.size() && FoldIdentifier(token.text) == lower_case_word;
}

bool IsSymbol(const duckdb::MatcherToken& token, std::string_view symbol) {
  using duckdb::TokenType;
  return token.type != TokenType::STRING_LITERAL && token.type != TokenType::IDENTIFIER && token.text == symbol;
}

bool EndsStatement(const duckdb::MatcherToken& token) {
  using duckdb::TokenType;
  return token.type == TokenType::TERMINATOR || token.type == TokenType::END_OF_INPUT;
}

namespace {

bool Opens(const duckdb::MatcherToken& token) {
  return IsSymbol(token, "(") || IsSymbol(token, "[") || IsSymbol(token, "{") || IsWord(token, "case");
}

bool Closes(const duckdb::MatcherToken& token) {
  return IsSymbol(token, ")") || IsSymbol(token, "]") || IsSymbol(token, "}") || IsWord(token, "end");
}

bool CombinesQueries(const duckdb::MatcherToken& token) {
  return IsWord(token, "union") || IsWord(token, "except") || IsWord(token, "intersect");
}

// What CheckBounds counts.
struct Counts {
  int depth = 0;
  std::size_t work = 0;
  int set_operations = 0;
  int dots = 0;  // of the dotted name at hand
  bool after_dot = false;

  void Add(const duckdb::MatcherToken& token) {
    if (EndsStatement(token)) depth = set_operations = 0;
    if (Opens(token)) ++depth;
    if (Closes(token)) depth = std::max(0, depth - 1);
    work += static_cast<std::size_t>(depth);
    if (CombinesQueries(token)) ++set_operations;
    const bool dot = IsSymbol(token, ".");
    if (dot) ++dots;
    if (!dot && !after_dot) dots = 0;
    after_dot = dot;
  }
};

}  // namespace

arrow::Status CheckBounds(const std::string& sql, const Tokens& tokens, int depth_max) {
  const int limit = std::min(depth_max, kNestingMax);
  Counts counts;
  for (const auto& token : tokens) {
    counts.Add(token);
    const auto refuse = [&](const std::string& what) {
      return arrow::Status::Invalid("The statement ", what, " (at ", PlaceOf(sql, token.offset), ")");
    };
    if (counts.depth > limit) {
      return refuse("nests deeper than " + std::to_string(limit) + " levels; use fewer brackets, CASEs or subqueries");
    }
    if (counts.work > kNestingWorkMax) {
      return refuse("is too long for how deep it nests; split it, or bind values instead of writing them out");
    }
    if (counts.set_operations > kSetOperationsMax) {
      return refuse("combines more than " + std::to_string(kSetOperationsMax) + " queries; split it");
    }
    if (counts.dots >= kNamePartsMax) {
      return refuse("has a name of more than " + std::to_string(kNamePartsMax) + " parts");
    }
  }
  return arrow::Status::OK();
}

arrow::Status CheckFunctions(const std::string& sql, const Tokens& tokens) {
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (!IsSymbol(tokens[i + 1], "(")) continue;
    auto name = FoldIdentifier(sql.substr(tokens[i].offset, tokens[i].length));
    if (name.starts_with('"')) name = name.substr(1, name.size() - 2);
    if (name.starts_with("hyprstream_") || name.starts_with("__internal_"))
      return arrow::Status::Invalid("Function ", CutText(name, 80), " is not allowed here");
  }
  return arrow::Status::OK();
}

std::size_t SetOperationsOf(const Tokens& tokens) {
  return static_cast<std::size_t>(std::ranges::count_if(tokens, CombinesQueries));
}

std::string PlaceOf(std::string_view sql, std::size_t offset) {
  const auto before = sql.substr(0, std::min(offset, sql.size()));
  const auto line = 1 + std::ranges::count(before, '\n');
  const auto start = before.rfind('\n') + 1;  // npos + 1 is 0
  const auto column = 1 + std::ranges::count_if(before.substr(start),
                                                [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

}  // namespace hyprstream::engine
