// Incoming Arrow types that DuckDB's Arrow scan does not read, and what they are turned into before it: half floats
// into float32, decimal256 into decimal128 of the same scale (a value that does not fit is an error).
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <memory>

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace hyprstream::engine {

// `schema` itself when DuckDB reads all of it.
std::shared_ptr<arrow::Schema> ReadableSchema(const std::shared_ptr<arrow::Schema>& schema);
// A batch of ReadableSchema(batch->schema()); `batch` itself when DuckDB reads all of it.
std::shared_ptr<arrow::RecordBatch> ReadableBatch(const std::shared_ptr<arrow::RecordBatch>& batch);

}  // namespace hyprstream::engine
