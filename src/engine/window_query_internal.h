// The query that a window table function stands for.
#pragma once

#include <duckdb/common/unique_ptr.hpp>

namespace duckdb {
class SelectStatement;
}

namespace hyprstream::engine {

struct WindowCall;

// The table's columns, window_start and window_end; a row for each of the table's rows and each window that it is in.
duckdb::unique_ptr<duckdb::SelectStatement> WindowQuery(const WindowCall& call);

}  // namespace hyprstream::engine
