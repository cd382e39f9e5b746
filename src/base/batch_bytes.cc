#include "base/batch_bytes.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>

#include <algorithm>

namespace hyprstream {

namespace {

// Of an array, its ArrayData and its buffers' records, as Arrow's IPC reader makes them.
constexpr std::int64_t kArrayBytes = 512;

std::int64_t RecordBytes(const arrow::ArrayData& data) {
  std::int64_t bytes = kArrayBytes;
  for (const auto& child : data.child_data) bytes += RecordBytes(*child);
  return data.dictionary == nullptr ? bytes : bytes + RecordBytes(*data.dictionary);
}

}  // namespace

std::int64_t BatchBytes(const arrow::RecordBatch& batch) {
  std::int64_t records = kArrayBytes;
  for (const auto& column : batch.column_data()) records += RecordBytes(*column);
  return std::max(arrow::util::TotalBufferSize(batch), records);
}

}  // namespace hyprstream
