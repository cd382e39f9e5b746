// The name of a table or view of the local database.
//
// A value; compare and hash freely. Names are kept as their owner spelled them; DuckDB compares identifiers without
// regard to case, and so do operator== and the hash.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace hyprstream {

struct TableRef {
  std::string schema = "main";
  std::string name;

  // `schema.name`, each part quoted for SQL where it needs to be (`"we ird"."t.x"`).
  std::string ToSql() const;
  // For messages: `name`, or `schema.name` when the schema is not main; never quoted.
  std::string ToString() const;

  friend bool operator==(const TableRef& a, const TableRef& b);
  friend bool operator<(const TableRef& a, const TableRef& b);
};

// An identifier, always in double quotes, quotes inside doubled.
std::string QuoteIdentifier(std::string_view name);
// A string literal in single quotes, quotes inside doubled.
std::string QuoteLiteral(std::string_view text);
// ASCII lower case; DuckDB folds identifiers this way.
std::string FoldIdentifier(std::string_view name);
// SQL for FoldIdentifier of a VARCHAR expression: DuckDB's lower() folds the letters of all scripts, its identifiers
// ASCII's.
std::string FoldedSql(std::string_view expression);

struct TableRefHash {
  std::size_t operator()(const TableRef& ref) const;
};

}  // namespace hyprstream
