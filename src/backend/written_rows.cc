#include "backend/written_rows.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "backend/writing_dialect.h"

namespace hyprstream::backend {
namespace {

constexpr std::int64_t kDuckdbVectorRows = 2'048;

}  // namespace

WrittenRows::WrittenRows(arrow::RecordBatchReader& rows, const ValueWriting& writing, bool numbered)
    : rows_(rows), writing_(writing), numbered_(numbered), schema_(writing.schema()) {
  const bool by_vectors = std::ranges::any_of(writing.columns(), &WrittenColumn::cast_in_append);
  rows_max_ = by_vectors ? kDuckdbVectorRows : std::numeric_limits<std::int64_t>::max();
  if (!numbered_) return;
  auto fields = schema_->fields();
  fields.push_back(arrow::field(kStagedNumber, arrow::int64()));
  schema_ = arrow::schema(std::move(fields));
}

arrow::Status WrittenRows::ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) {
  if (rest_ == nullptr || rest_->num_rows() == 0) ARROW_RETURN_NOT_OK(rows_.ReadNext(&rest_));
  *batch = rest_ == nullptr ? nullptr : rest_->Slice(0, rows_max_);
  if (*batch == nullptr) return arrow::Status::OK();
  rest_ = rest_->Slice((*batch)->num_rows());
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
