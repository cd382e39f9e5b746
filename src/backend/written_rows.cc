#include "backend/written_rows.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <utility>

#include "backend/writing_dialect.h"

namespace hyprstream::backend {

WrittenRows::WrittenRows(arrow::RecordBatchReader& rows, const ValueWriting& writing, bool numbered)
    : rows_(rows), writing_(writing), numbered_(numbered), schema_(writing.schema()) {
  if (!numbered_) return;
  auto fields = schema_->fields();
  fields.push_back(arrow::field(kStagedNumber, arrow::int64()));
  schema_ = arrow::schema(std::move(fields));
}

arrow::Status WrittenRows::ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) {
  ARROW_RETURN_NOT_OK(rows_.ReadNext(batch));
  if (*batch == nullptr) return arrow::Status::OK();
  const auto first = count_;
  count_ += (*batch)->num_rows();
  ARROW_ASSIGN_OR_RAISE(*batch, writing_.Write(**batch, first));
  if (!numbered_) return arrow::Status::OK();
  arrow::Int64Builder numbers;
  ARROW_RETURN_NOT_OK(numbers.Reserve((*batch)->num_rows()));
  for (auto row = first; row < count_; ++row) numbers.UnsafeAppend(row);
  auto columns = (*batch)->columns();
  columns.emplace_back();
  ARROW_RETURN_NOT_OK(numbers.Finish(&columns.back()));
  *batch = arrow::RecordBatch::Make(schema_, (*batch)->num_rows(), std::move(columns));
  return arrow::Status::OK();
}

}  // namespace hyprstream::backend
