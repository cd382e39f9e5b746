// Functions whose time is not in proportion to their arguments, and which nothing can stop within a value: those that
// compare JSON with JSON, look for all that a path with wildcards reaches, or match patterns. One value may cost so
// many steps; the rows of a vector that cost many are worked on in parts, between which a statement stops.
#pragma once

#include <duckdb/function/scalar_function.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace hyprstream::engine {

// Steps of one value of functions that compare each character with each (levenshtein, ...): a second or two.
inline constexpr double kStepsMax = 1e9;
// What recursion over JSON may go down, and a path with wildcards have: DuckDB recurses for each of its steps.
inline constexpr double kJsonDepthMax = 1000;
inline constexpr double kWildcardPathBytesMax = 1000;

enum class Work {
  kContains,  // the second JSON is looked for everywhere in the first
  kMerge,     // the keys of each JSON are looked up in those before it
  kPath,      // of a path, or many, in a JSON
  kMatch,     // a regular expression, once
  kMatches,   // again and again, each time perhaps to the end of the text
  kCompare,   // a text with a pattern's text (LIKE), or with each of many
  kSquare,    // a text, to its end from each of its parts
};

// By the function's name in lower case; and all of them.
std::optional<Work> WorkOf(std::string_view function);
std::vector<std::string_view> FunctionsOfWork();

// Calls `inner` when the arguments are within the bounds; throws where they are not.
struct BoundedWork {
  Work work;
  std::string name;
  duckdb::scalar_function_t inner;

  void operator()(duckdb::DataChunk& arguments, duckdb::ExpressionState& state, duckdb::Vector& result) const;
};

}  // namespace hyprstream::engine
