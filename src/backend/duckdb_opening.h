// How a DuckDB file is opened as a backend, so that what runs there reads and writes this one file and nothing else.
//
// Pure functions, but that they look at the file's permissions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/backend_spec.h"

namespace hyprstream::backend {

// The absolute path of the spec's file: its URI, a path or `file:` and a path, or its option `path`. Invalid: neither,
// both, or one that is in memory.
arrow::Result<std::string> DuckdbFile(const BackendSpec& spec);

// The options that open it: the spec's own, and bounds where it says nothing. A file that may not be written is opened
// to be read. Invalid, naming it: an option that would let a statement reach other files.
arrow::Result<std::map<std::string, std::string>> DuckdbOptions(const BackendSpec& spec);

// What its first connection runs before there is another; afterwards no statement changes a setting.
std::vector<std::string> DuckdbLockDown();

}  // namespace hyprstream::backend
