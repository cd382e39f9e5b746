// states('[schema.]view'): a view's groups with their states instead of values, for other servers; docs/states.md.
#pragma once

namespace duckdb {
class Connection;
}

namespace hyprstream::engine {

// Throws DuckDB's exceptions.
void RegisterStatesFunction(duckdb::Connection& connection);

}  // namespace hyprstream::engine
