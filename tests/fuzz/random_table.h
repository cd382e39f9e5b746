// Random tables and rows, as SQL text.
#pragma once

#include <string>
#include <vector>

#include "fuzz/random.h"

namespace hyprstream::fuzz {

enum class Family { kNumber, kFloat, kText, kTime, kBool, kOther };

struct Column {
  std::string name;
  std::string type;
  Family family;
  bool has_far_times = true;  // the ends of its type among them
};

struct RandomTable {
  std::string name;
  std::vector<Column> columns;  // the first is the event time, the second an integer, the rest anything
  bool has_key = false;         // the integer column is a primary key
  bool keeps_rows = true;

  std::string CreateSql() const;                                                   // as any DuckDB reads it
  std::string OptionsSql() const;                                                  // what this server takes beside it
  std::string SelectSql(const std::string& rows) const;                            // of RowTexts, in the columns' types
  const Column& AnyOf(Random& random, const std::vector<Family>& families) const;  // the integer when there is none
};

// Types that some of the tables use.
inline constexpr const char* kTypesSql = "CREATE TYPE mood AS ENUM ('bad', 'so so', 'good')";

RandomTable MakeTable(Random& random, const std::string& name);

// A value that can be put into the column, as cheap to parse as there is; NULL now and then.
std::string Literal(Random& random, const Column& column);
// The same as an expression of the column's type.
std::string Value(Random& random, const Column& column);
// `(v, v, ...)` each: rows in the order of the table's columns.
std::vector<std::string> RowTexts(Random& random, const RandomTable& table, int count);
// Some of them, for VALUES.
std::string Joined(const std::vector<std::string>& rows, std::size_t begin, std::size_t end);
// A condition over a few of the rows, over old and new ones alike.
std::string Condition(Random& random, const RandomTable& table);

}  // namespace hyprstream::fuzz
