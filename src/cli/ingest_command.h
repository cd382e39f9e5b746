// `hyprstream ingest`: files of rows into a table, over Flight.
#pragma once

#include "config/command_line.h"

namespace hyprstream::cli {

// 0 when all rows (but those skipped on request) were accepted, 2 when the flags are wrong, 130 after Ctrl-C, 1
// otherwise; one line on stderr says why.
int RunIngest(const config::IngestCommand& command);

}  // namespace hyprstream::cli
