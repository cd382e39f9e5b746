#include "engine/appended_rows_internal.h"

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <utility>

namespace hyprstream::engine {

void AppendedRows::Add(const TableRef& table, const std::vector<std::string>& columns,
                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  if (!complete_ || batches.empty()) return;
  for (const auto& batch : batches) bytes_ += arrow::util::TotalBufferSize(*batch);
  auto found = std::ranges::find(tables_, table, &Rows::table);
  if (found == tables_.end()) {
    arrow::FieldVector fields;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      fields.push_back(arrow::field(columns[i], batches[0]->schema()->field(static_cast<int>(i))->type()));
    }
    tables_.push_back({.table = table, .schema = arrow::schema(std::move(fields)), .batches = {}});
    found = tables_.end() - 1;
  }
  for (const auto& batch : batches) {
    if (batch->num_rows() == 0) continue;
    for (int i = 0; i < batch->num_columns(); ++i) {
      if (!batch->column(i)->type()->Equals(*found->schema->field(i)->type())) return Forget();
    }
    found->rows += batch->num_rows();
    found->batches.push_back(arrow::RecordBatch::Make(found->schema, batch->num_rows(), batch->columns()));
  }
  if (bytes_ > kBytesMax) Forget();
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

const AppendedRows::Rows* AppendedRows::Of(const TableRef& table, std::int64_t rows) const {
  const auto found = std::ranges::find(tables_, table, &Rows::table);
  return found != tables_.end() && found->rows == rows ? &*found : nullptr;
}

}  // namespace hyprstream::engine
