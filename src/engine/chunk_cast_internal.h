// A chunk in other types, by DuckDB's checked casts (a value that does not fit is an error). Throws DuckDB's
// exceptions; stays inside the room.
#pragma once

#include <duckdb/common/types.hpp>
#include <duckdb/common/vector.hpp>
#include <functional>
#include <string>

namespace duckdb {
class ClientContext;
class DataChunk;
}  // namespace duckdb

namespace hyprstream::engine {

// What to say about column `index` when a value of it does not fit; DuckDB's reason is put behind it.
using DescribeMisfit = std::function<std::string(duckdb::idx_t index)>;

// Fills `to`, which is empty, with the rows of `from` as `types`; columns that have their type already are shared.
void CastChunk(duckdb::ClientContext& context, duckdb::DataChunk& from,
               const duckdb::vector<duckdb::LogicalType>& types, const DescribeMisfit& describe, duckdb::DataChunk& to);

}  // namespace hyprstream::engine
