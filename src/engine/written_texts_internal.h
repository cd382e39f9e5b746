// Texts that a statement gives to a backend's columns of other types, as a local table takes them: by DuckDB's casts,
// in the session's time zone.
//
// What such a cast would drop or round in silence is refused: digits, the time of a text for a date, the date of one
// for a time, an offset where the column has no zone.
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <memory>

namespace arrow {
class RecordBatchReader;
}

namespace duckdb {
class ClientContext;
class TableCatalogEntry;
}  // namespace duckdb

namespace hyprstream::engine {

// `rows` with the texts for columns of `table` cast, by their names; other columns, and texts for what are texts there,
// lists or structs, as they are. Its errors name the column, the row (from 0) and the text. The context must outlive
// it; the table need not.
std::shared_ptr<arrow::RecordBatchReader> CastTexts(duckdb::ClientContext& context,
                                                    const duckdb::TableCatalogEntry& table,
                                                    std::shared_ptr<arrow::RecordBatchReader> rows);

}  // namespace hyprstream::engine
