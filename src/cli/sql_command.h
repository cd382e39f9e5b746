// `hyprstream sql`: a shell, or a script, over any Flight SQL server.
#pragma once

#include "config/command_line.h"

namespace hyprstream::cli {

// 0 when every statement ran, 1 after the first that did not, 2 when the flags are wrong (one line on stderr says why);
// an interactive shell goes on after errors and ends with 0.
int RunSql(const config::SqlCommand& command);

}  // namespace hyprstream::cli
