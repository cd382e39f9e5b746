// window_closed('view', window_start): is that window of the view closed, at the position that the statement reads?
#pragma once

namespace duckdb {
class Connection;
}

namespace hyprstream::engine {

// Adds it to the system catalog. Throws DuckDB's exceptions.
void RegisterWindowClosed(duckdb::Connection& connection);

}  // namespace hyprstream::engine
