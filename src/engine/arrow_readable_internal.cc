#include "engine/arrow_readable_internal.h"

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/common/exception/conversion_exception.hpp>
#include <utility>

namespace hyprstream::engine {

namespace {

// Null when DuckDB reads `type`.
std::shared_ptr<arrow::DataType> ReplacementOf(const arrow::DataType& type) {
  if (type.id() == arrow::Type::HALF_FLOAT) return arrow::float32();
  if (type.id() == arrow::Type::DECIMAL256) {
    const auto& decimal = static_cast<const arrow::Decimal256Type&>(type);
    if (decimal.scale() < 0 || decimal.scale() > arrow::Decimal128Type::kMaxPrecision) return nullptr;
    return arrow::decimal128(std::min(decimal.precision(), arrow::Decimal128Type::kMaxPrecision), decimal.scale());
  }
  return nullptr;
}

}  // namespace

std::shared_ptr<arrow::Schema> ReadableSchema(const std::shared_ptr<arrow::Schema>& schema) {
  auto fields = schema->fields();
  bool changed = false;
  for (auto& field : fields) {
    if (auto type = ReplacementOf(*field->type())) {
      field = field->WithType(type);
      changed = true;
    }
  }
  return changed ? arrow::schema(std::move(fields), schema->metadata()) : schema;
}

std::shared_ptr<arrow::RecordBatch> ReadableBatch(const std::shared_ptr<arrow::RecordBatch>& batch) {
  const auto schema = ReadableSchema(batch->schema());
  if (schema == batch->schema()) return batch;
  auto columns = batch->columns();
  for (int i = 0; i < schema->num_fields(); ++i) {
    auto& column = columns[static_cast<std::size_t>(i)];
    if (column->type()->Equals(*schema->field(i)->type())) continue;
    auto cast = arrow::compute::Cast(*column, schema->field(i)->type());
    if (!cast.ok()) {
      throw duckdb::ConversionException("Column %s: %s", schema->field(i)->name(), cast.status().message());
    }
    column = std::move(cast).ValueUnsafe();
  }
  return arrow::RecordBatch::Make(schema, batch->num_rows(), std::move(columns));
}

}  // namespace hyprstream::engine
