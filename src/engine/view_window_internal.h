// Which key of a view's SELECT is its window, and what the expression says about when a window ends.
#pragma once

#include <optional>
#include <string>

namespace duckdb {
class ParsedExpression;
}

namespace hyprstream::engine {

struct WindowExpression {
  std::string time_column;  // that it is over; empty when it is over more than a column
  std::string width_sql;    // of every window, a constant INTERVAL; empty when there is none such
  bool shifted = false;     // by an offset, an origin or a time zone
};

// time_bucket, date_trunc or datetrunc with a constant width or part, over columns; nullopt for anything else.
// `expression` is resolved: its columns are named by alias and name.
std::optional<WindowExpression> WindowOf(const duckdb::ParsedExpression& expression);

}  // namespace hyprstream::engine
