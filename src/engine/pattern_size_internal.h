// How large a regular expression is once it is compiled.
#pragma once

#include <string_view>

namespace hyprstream::engine {

// Instructions of its program, about, and rather too many: at worst all of them are tried for each byte of a text.
double PatternSize(std::string_view pattern);

}  // namespace hyprstream::engine
