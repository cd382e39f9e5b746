#include "engine/appended_rows_internal.h"

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <utility>

namespace hyprstream::engine {

bool AppendedRows::Add(const TableRef& table, bool stored, const std::vector<std::string>& columns,
                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  if (!complete_) return false;
  auto found = std::ranges::find(tables_, table, &Rows::table);
  std::shared_ptr<arrow::Schema> schema;
  if (found != tables_.end()) {
    schema = found->schema;
    if (found->stored != stored) return false;
  } else {
    arrow::FieldVector fields;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      fields.push_back(arrow::field(columns[i], batches[0]->schema()->field(static_cast<int>(i))->type()));
    }
    schema = arrow::schema(std::move(fields));
  }
  std::int64_t bytes = bytes_;
  for (const auto& batch : batches) {
    bytes += arrow::util::TotalBufferSize(*batch);
    for (int i = 0; i < batch->num_columns(); ++i) {
      if (!batch->column(i)->type()->Equals(*schema->field(i)->type())) return false;
    }
  }
  if (bytes > kBytesMax) return false;
  bytes_ = bytes;
  if (found == tables_.end()) {
    found = tables_.insert(found, {.table = table, .schema = schema, .batches = {}, .rows = 0, .stored = stored});
  }
  for (const auto& batch : batches) {
    if (batch->num_rows() == 0) continue;
    found->rows += batch->num_rows();
    found->batches.push_back(arrow::RecordBatch::Make(schema, batch->num_rows(), batch->columns()));
  }
  return true;
}

void AppendedRows::Forget() {
  Reset();
  complete_ = false;
}

void AppendedRows::Reset() {
  tables_.clear();
  bytes_ = 0;
  complete_ = true;
}

const AppendedRows::Rows* AppendedRows::Of(const TableRef& table, std::int64_t stored_rows) const {
  const auto found = std::ranges::find(tables_, table, &Rows::table);
  if (found == tables_.end()) return nullptr;
  return stored_rows == (found->stored ? found->rows : 0) ? &*found : nullptr;
}

bool AppendedRows::has_taken() const {
  return std::ranges::any_of(tables_, [](const Rows& rows) { return !rows.stored && rows.rows > 0; });
}

}  // namespace hyprstream::engine
