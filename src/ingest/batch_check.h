// Is an incoming batch what it says, and small enough? Before anything else reads its values.
//
// Thread safety: all functions, from any thread.
#pragma once

#include <cstdint>

namespace arrow {
class RecordBatch;
class Status;
}  // namespace arrow

namespace hyprstream::ingest {

// What the rows take when each has its values to itself: a dictionary, a view or a run lets many rows share one value,
// and a column of nulls takes nothing at all in Arrow. Only for batches that are valid. Saturates; never less than a
// byte for each value.
double UnfoldedBytes(const arrow::RecordBatch& batch);

// Invalid unless the batch passes ValidateFull, neither its buffers nor its rows take more than `bytes_max`, and the
// values of extension types are what DuckDB takes them for.
arrow::Status CheckBatch(const arrow::RecordBatch& batch, std::int64_t bytes_max);

}  // namespace hyprstream::ingest
