// Arrow's intervals count nanoseconds in 64 bits, DuckDB's microseconds: DuckDB's appender would wrap what is beyond.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

namespace duckdb {
class DataChunk;
}

namespace hyprstream::engine {

// OutOfRange where an interval of a column has a time (its days and months aside) of more than 292 years.
void CheckIntervals(duckdb::DataChunk& chunk);

}  // namespace hyprstream::engine
