// How the one DuckDB instance is bounded and locked: nothing a statement says can loosen it afterwards.
#pragma once

#include "engine/engine.h"

namespace arrow {
class Status;
}

namespace duckdb {
class Connection;
struct DBConfig;
}  // namespace duckdb

namespace hyprstream::engine {

// Before the database is opened: memory, threads, spilling, no extensions of others. Throws DuckDB's exceptions.
void Configure(const EngineOptions& options, duckdb::DBConfig& config);

// After the database is open and our functions are registered: external access off, allowed settings, and last the
// lock. No setting can be changed afterwards but those that a client may SET.
arrow::Status LockDown(const EngineOptions& options, duckdb::Connection& connection);

}  // namespace hyprstream::engine
