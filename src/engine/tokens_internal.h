// SQL text as DuckDB's own tokenizer sees it, and the bounds that are checked on tokens before anything is parsed.
//
// DuckDB's parser, binder and optimizer are safe against deep nesting (depth limits, no recursion in the matcher) but
// slow: time grows with the square of the depth, and nothing interrupts them. The bounds keep any one statement to
// seconds.
#pragma once

#include <cstddef>
#include <duckdb/parser/peg/matcher_token.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace arrow {
class Status;
}

namespace hyprstream::engine {

// Open brackets and CASEs at one place. Below expression_depth_max, because a list type 900 deep takes 16 s to bind.
inline constexpr int kNestingMax = 250;
// The sum of all tokens' nesting: what parsing time is proportional to in the worst case (1.6 us each).
inline constexpr std::size_t kNestingWorkMax = 4'000'000;
// Set operations in one statement (3,000 take 2 s to plan, 10,000 half a minute) and parts of one dotted name.
inline constexpr int kSetOperationsMax = 1000;
inline constexpr int kNamePartsMax = 100;

using Tokens = duckdb::vector<duckdb::MatcherToken>;

// The tokens of `sql` (normalized by duckdb::Parser::NormalizeSQLString), a sentinel last. Throws DuckDB's exceptions.
Tokens Tokenize(const std::string& sql);

// Is the token this word, in any case, not quoted?
bool IsWord(const duckdb::MatcherToken& token, std::string_view lower_case_word);
// Is the token this operator or punctuation?
bool IsSymbol(const duckdb::MatcherToken& token, std::string_view symbol);
bool EndsStatement(const duckdb::MatcherToken& token);

// Invalid when the text nests deeper than `depth_max`, or is beyond one of the bounds above; says where.
arrow::Status CheckBounds(const std::string& sql, const Tokens& tokens, int depth_max);

// Invalid when the text calls a function that is not for a client to call: the server's own, whose arguments are what
// it makes of hop(), session(), ..., and DuckDB's internal ones.
arrow::Status CheckFunctions(const std::string& sql, const Tokens& tokens);

// UNIONs, EXCEPTs and INTERSECTs of the whole text.
std::size_t SetOperationsOf(const Tokens& tokens);

// "line 3, column 7" of a byte offset; columns count characters, both start at 1.
std::string PlaceOf(std::string_view sql, std::size_t offset);

}  // namespace hyprstream::engine
