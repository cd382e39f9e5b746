// What can be said of a statement that is passed on without understanding its language.
//
// Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace arrow {
class Status;
}

namespace hyprstream::backend {

// The first word behind blanks and comments, in lower case.
std::string FirstWord(std::string_view statement);

// Is it surely one statement that is there to read? Invalid, saying what is: when in doubt it is not.
arrow::Status CheckReadsOnce(std::string_view statement);

}  // namespace hyprstream::backend
