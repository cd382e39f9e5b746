// Which key of a view's SELECT is its window, and what the expression says about when a window ends.
#pragma once

#include <optional>
#include <string>

namespace duckdb {
class Expression;
class ParsedExpression;
}  // namespace duckdb

namespace hyprstream::engine {

struct WindowExpression {
  std::string time_column;   // that it is over; empty when it is over more than a column
  std::string width_sql;     // of every window, a constant INTERVAL; empty when there is none such
  bool shifted = false;      // by an offset, an origin or a time zone that is not a constant
  std::string zone;          // that it names
  bool zone_varies = false;  // a column or an expression over columns says it, if that is a text
  bool local = false;        // starts are times of that zone, and the column a TIMESTAMPTZ if they are plain timestamps
};

// What a bound window key tells beyond that.
struct BoundZone {
  bool is_utc = false;        // its windows are days or months of UTC
  bool is_text = false;       // where an argument may be a zone, it is one
  bool time_is_made = false;  // a TIMESTAMPTZ that is no column, but made of one without a zone
};
BoundZone ZoneOf(const duckdb::Expression& key);

// time_bucket, date_trunc or datetrunc with a constant width or part, over columns; nullopt for anything else.
// `expression` is resolved: its columns are named by alias and name.
std::optional<WindowExpression> WindowOf(const duckdb::ParsedExpression& expression);

}  // namespace hyprstream::engine
