// Error texts for the log: what was wrong without the values that a client sent.
#pragma once

#include <string>
#include <string_view>

namespace hyprstream {

// The text's first line with everything that may be a value replaced by an ellipsis: what stands in single quotes, what
// stands in double quotes unless a word such as "column" says that it is a name, numbers that are no counts,
// calculations in parentheses, what follows "out of range: " and the like. When in doubt it masks, so that a quote
// inside a value cannot end it.
std::string MaskValues(std::string_view text);

}  // namespace hyprstream
