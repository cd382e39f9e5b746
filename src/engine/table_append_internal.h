// Rows straight into a transaction's own storage of a table.
//
// DuckDB's Appender copies rows into a collection and runs an INSERT over it: planning, worker threads and a second
// copy for what is already in chunks of the table's types. This is the step beneath, with the same checks of
// constraints. Thread safety: as the connection's. Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/types.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace arrow {
class RecordBatch;
}

namespace duckdb {
class ClientContext;
class DataChunk;
class DuckTableEntry;
}  // namespace duckdb

namespace hyprstream::engine {

// Do chunks of these types, all columns in order, need nothing that only a statement does (casts, generated columns,
// triggers)?
bool CanAppendDirectly(duckdb::ClientContext& context, duckdb::DuckTableEntry& table,
                       const duckdb::vector<duckdb::LogicalType>& types);

// Do the rows keep every constraint of the table, none of which needs other rows or DuckDB to be checked?
bool HoldConstraints(duckdb::DuckTableEntry& table, const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);

// Appends what `rows` hands to its sink to the open transaction. On an error the transaction can only be rolled back,
// as after a failed statement.
void AppendDirectly(duckdb::ClientContext& context, duckdb::DuckTableEntry& table,
                    const std::function<void(const std::function<void(duckdb::DataChunk&)>&)>& rows);

}  // namespace hyprstream::engine
