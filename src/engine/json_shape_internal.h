// How large JSON is as a tree, and how far a path of JSON reaches, from their texts and without parsing them.
#pragma once

#include <string_view>

namespace hyprstream::engine {

struct JsonShape {
  double nodes = 1;  // at least as many as there are values and keys
  double depth = 0;  // arrays and objects inside one another
};
// Of a text that is JSON. (What is not, its function refuses before it goes anywhere.)
JsonShape ShapeOfJson(std::string_view json);

// Of a path such as $.a[*]..b. A path without wildcards leads to one value; what the others do, DuckDB does by
// recursion.
struct PathShape {
  bool wildcard = false;
  int recursive = 0;  // steps to all values below, `..` and `**`
  int after = 0;      // steps behind the first of these
};
PathShape ShapeOfPath(std::string_view path);

}  // namespace hyprstream::engine
