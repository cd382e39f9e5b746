// A table's name as it is typed, taken apart.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::cli {

// `name` or `schema.name`; a part that holds a dot or a quote is written in double quotes, as in SQL. Invalid for
// anything else.
arrow::Result<std::vector<std::string>> ParseTableName(std::string_view text);

}  // namespace hyprstream::cli
