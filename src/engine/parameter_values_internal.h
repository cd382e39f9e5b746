// What a client has bound, put where a query's conditions name it: for queries that are answered without DuckDB.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/types/value.hpp>
#include <duckdb/common/vector.hpp>
#include <optional>
#include <vector>

#include "engine/connection.h"
#include "engine/scan_filters_internal.h"

namespace hyprstream::engine {

struct BoundParameters {
  const std::vector<ParameterInfo>& infos;
  const duckdb::vector<duckdb::Value>& values;
};

// nullopt: a value is of another type than its parameter has in a condition, and DuckDB might understand that
// otherwise.
std::optional<std::vector<PlannedFilter>> WithValues(std::vector<PlannedFilter> filters,
                                                     const BoundParameters& parameters);

}  // namespace hyprstream::engine
