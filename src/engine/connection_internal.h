// The engine's connection; see connection.h for the contract.
#pragma once

#include <memory>
#include <string>

#include "engine/connection.h"

namespace duckdb {
class Connection;
class DuckDB;
}  // namespace duckdb

namespace hyprstream::engine {

struct EngineShared;

arrow::Result<std::unique_ptr<Connection>> MakeConnection(
    std::shared_ptr<duckdb::DuckDB> database, std::shared_ptr<EngineShared> shared,
    std::function<arrow::Result<std::vector<std::shared_ptr<const Statement>>>(std::string_view)> parse);

// DuckDB's own connection behind ours.
duckdb::Connection& DuckConnectionOf(Connection& connection);

}  // namespace hyprstream::engine
