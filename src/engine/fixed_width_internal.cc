#include "engine/fixed_width_internal.h"

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include <algorithm>
#include <cstring>
#include <duckdb.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <utility>
#include <vector>

namespace hyprstream::engine {

namespace {

// glibc's pool: what one batch frees the next one gets, without fresh pages.
std::shared_ptr<arrow::ResizableBuffer> Allocate(std::int64_t bytes) {
  auto buffer = arrow::AllocateResizableBuffer(bytes, arrow::system_memory_pool());
  if (!buffer.ok()) throw duckdb::OutOfMemoryException(buffer.status().message());
  return std::move(buffer).ValueUnsafe();
}

void Resize(arrow::ResizableBuffer& buffer, std::int64_t bytes) {
  const auto status = buffer.Resize(bytes, /*shrink_to_fit=*/false);
  if (!status.ok()) throw duckdb::OutOfMemoryException(status.message());
}

template <class T>
void Gather(const duckdb::UnifiedVectorFormat& format, std::int64_t rows, std::uint8_t* to) {
  auto* out = reinterpret_cast<T*>(to);
  const auto* values = reinterpret_cast<const T*>(format.data);
  for (std::int64_t row = 0; row < rows; ++row) {
    out[row] = values[format.sel->get_index(static_cast<duckdb::idx_t>(row))];
  }
}

}  // namespace

bool FixedWidthColumn::Takes(const duckdb::LogicalType& type) {
  switch (type.id()) {
    case duckdb::LogicalTypeId::TINYINT:
    case duckdb::LogicalTypeId::SMALLINT:
    case duckdb::LogicalTypeId::INTEGER:
    case duckdb::LogicalTypeId::BIGINT:
    case duckdb::LogicalTypeId::UTINYINT:
    case duckdb::LogicalTypeId::USMALLINT:
    case duckdb::LogicalTypeId::UINTEGER:
    case duckdb::LogicalTypeId::UBIGINT:
    case duckdb::LogicalTypeId::FLOAT:
    case duckdb::LogicalTypeId::DOUBLE:
    case duckdb::LogicalTypeId::DATE:
    case duckdb::LogicalTypeId::TIME:
    case duckdb::LogicalTypeId::TIMESTAMP:
    case duckdb::LogicalTypeId::TIMESTAMP_SEC:
    case duckdb::LogicalTypeId::TIMESTAMP_MS:
    case duckdb::LogicalTypeId::TIMESTAMP_NS:
    case duckdb::LogicalTypeId::TIMESTAMP_TZ:
      return !type.HasAlias();
    default:
      return false;
  }
}

FixedWidthColumn::FixedWidthColumn(const duckdb::LogicalType& type, std::int64_t rows_expected)
    : width_(static_cast<std::int64_t>(duckdb::GetTypeIdSize(type.InternalType()))),
      capacity_(std::max<std::int64_t>(rows_expected, 1)),
      values_(Allocate(capacity_ * width_)) {}

void FixedWidthColumn::Reserve(std::int64_t rows) {
  if (rows_ + rows <= capacity_) return;
  capacity_ = std::max(rows_ + rows, 2 * capacity_);
  Resize(*values_, capacity_ * width_);
  if (validity_ != nullptr) Resize(*validity_, arrow::bit_util::BytesForBits(capacity_));
}

void FixedWidthColumn::Append(const duckdb::Vector& vector, std::int64_t rows) {
  duckdb::UnifiedVectorFormat format;
  vector.ToUnifiedFormat(format);
  Reserve(rows);
  AppendValues(format, rows);
  AppendValidity(format, rows);
  rows_ += rows;
}

void FixedWidthColumn::AppendValues(const duckdb::UnifiedVectorFormat& format, std::int64_t rows) {
  auto* to = values_->mutable_data() + rows_ * width_;
  if (format.sel->data() == nullptr) {
    std::memcpy(to, format.data, static_cast<std::size_t>(rows * width_));
  } else if (width_ == 8) {
    Gather<std::uint64_t>(format, rows, to);
  } else if (width_ == 4) {
    Gather<std::uint32_t>(format, rows, to);
  } else if (width_ == 2) {
    Gather<std::uint16_t>(format, rows, to);
  } else {
    Gather<std::uint8_t>(format, rows, to);
  }
}

// DuckDB's masks and Arrow's bitmaps number their bits alike.
void FixedWidthColumn::AppendValidity(const duckdb::UnifiedVectorFormat& format, std::int64_t rows) {
  if (format.validity.CannotHaveNull()) {
    if (validity_ != nullptr) arrow::bit_util::SetBitsTo(validity_->mutable_data(), rows_, rows, true);
    return;
  }
  if (validity_ == nullptr) {
    validity_ = Allocate(arrow::bit_util::BytesForBits(capacity_));
    arrow::bit_util::SetBitsTo(validity_->mutable_data(), 0, rows_, true);
  }
  auto* bits = validity_->mutable_data();
  if (format.sel->data() == nullptr) {
    arrow::internal::CopyBitmap(reinterpret_cast<const std::uint8_t*>(format.validity.GetData()), 0, rows, bits, rows_);
  } else {
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto at = format.sel->get_index(static_cast<duckdb::idx_t>(row));
      arrow::bit_util::SetBitTo(bits, rows_ + row, format.validity.RowIsValid(at));
    }
  }
  nulls_ += rows - arrow::internal::CountSetBits(bits, rows_, rows);
}

std::shared_ptr<arrow::ArrayData> FixedWidthColumn::Finish() {
  Resize(*values_, rows_ * width_);
  if (nulls_ == 0) validity_.reset();
  if (validity_ != nullptr) Resize(*validity_, arrow::bit_util::BytesForBits(rows_));
  std::vector<std::shared_ptr<arrow::Buffer>> buffers{std::move(validity_), std::move(values_)};
  return std::make_shared<arrow::ArrayData>(nullptr, rows_, std::move(buffers), nulls_);
}

}  // namespace hyprstream::engine
