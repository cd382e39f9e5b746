// The table functions of ours: view_scan('schema', 'view'), states('view'), hyprstream_system('table'),
// hyprstream_input().
#pragma once

namespace duckdb {
class Connection;
}

namespace hyprstream::engine {

// Adds them to the system catalog. Throws DuckDB's exceptions.
void RegisterScans(duckdb::Connection& connection);

}  // namespace hyprstream::engine
