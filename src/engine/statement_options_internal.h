// WITH (name = value, ...) as plain text: names folded, values as their owner means them.
#pragma once

#include <string>

#include "engine/statement.h"

namespace arrow {
template <class T>
class Result;
}

namespace duckdb {
class ParsedExpression;
}

namespace hyprstream::engine {

// The text of an option's value: of a literal ('ts', 7, -1.5, true), of INTERVAL '...' or of a bare word (on). Invalid,
// naming the option, for anything else; `value` may be null for a name without a value.
arrow::Result<std::string> OptionText(const std::string& name, const duckdb::ParsedExpression* value);

}  // namespace hyprstream::engine
