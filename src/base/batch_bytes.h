// What a record batch takes in memory.
//
// Thread safety: from any thread.
#pragma once

#include <cstdint>

namespace arrow {
class RecordBatch;
}  // namespace arrow

namespace hyprstream {

// Bytes of the batch's buffers, and never less than the records take that describe its columns: those are all that a
// batch without rows has, and there may be many of them. Safe for batches that lie about their contents.
std::int64_t BatchBytes(const arrow::RecordBatch& batch);

}  // namespace hyprstream
