#include "session/result_reader.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <utility>

namespace hyprstream::session {

namespace {

std::shared_ptr<arrow::DataType> NormalizeType(const std::shared_ptr<arrow::DataType>& type) {
  if (type->id() == arrow::Type::DICTIONARY) {
    return static_cast<const arrow::DictionaryType&>(*type).value_type();
  }
  return type;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> NormalizeBatch(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                                  const std::shared_ptr<arrow::Schema>& schema) {
  arrow::ArrayVector columns;
  for (int i = 0; i < batch->num_columns(); ++i) {
    auto column = batch->column(i);
    if (column->type()->id() == arrow::Type::DICTIONARY) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, schema->field(i)->type()));
    }
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, batch->num_rows(), std::move(columns));
}

class PartsReader : public arrow::RecordBatchReader {
 public:
  explicit PartsReader(ReaderParts parts) : parts_(std::move(parts)) {}
  ~PartsReader() override { ARROW_UNUSED(Finish(arrow::Status::Cancelled("the result was not read to its end"))); }

  std::shared_ptr<arrow::Schema> schema() const override { return parts_.schema; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    if (finished_) return arrow::Status::OK();
    auto next = parts_.next();
    if (!next.ok()) return Finish(next.status());
    if (*next == nullptr) return Finish(arrow::Status::OK());
    rows_ += (*next)->num_rows();
    *batch = *std::move(next);
    return arrow::Status::OK();
  }

  arrow::Status Close() override { return Finish(arrow::Status::Cancelled("the result was not read to its end")); }

 private:
  arrow::Status Finish(const arrow::Status& status) {
    if (std::exchange(finished_, true)) return arrow::Status::OK();
    const auto finish = std::exchange(parts_.finish, nullptr);
    parts_.next = nullptr;
    return finish ? finish(status, rows_) : status;
  }

  ReaderParts parts_;
  std::int64_t rows_ = 0;
  bool finished_ = false;
};

}  // namespace

std::shared_ptr<arrow::Schema> NormalizeSchema(const std::shared_ptr<arrow::Schema>& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) fields.push_back(field->WithType(NormalizeType(field->type())));
  return arrow::schema(std::move(fields), schema->metadata());
}

std::shared_ptr<arrow::RecordBatchReader> ConcatenateResults(
    const std::shared_ptr<arrow::Schema>& schema, std::vector<std::shared_ptr<arrow::RecordBatchReader>> results) {
  const auto normalized = NormalizeSchema(schema);
  std::size_t at = 0;
  return MakeReader({.schema = normalized,
                     .next = [normalized, at, results = std::move(results)]() mutable
                         -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> {
                       while (at < results.size()) {
                         std::shared_ptr<arrow::RecordBatch> batch;
                         ARROW_RETURN_NOT_OK(results[at]->ReadNext(&batch));
                         if (batch != nullptr) return NormalizeBatch(batch, normalized);
                         results[at++].reset();
                       }
                       return nullptr;
                     },
                     .finish = nullptr});
}

std::shared_ptr<arrow::RecordBatchReader> NormalizeResult(std::shared_ptr<arrow::RecordBatchReader> rows) {
  const auto schema = rows->schema();
  return ConcatenateResults(schema, {std::move(rows)});
}

std::shared_ptr<arrow::RecordBatchReader> AppendTextRow(std::shared_ptr<arrow::RecordBatchReader> rows,
                                                        std::vector<std::string> values) {
  const auto schema = rows->schema();
  arrow::ArrayVector columns;
  for (int i = 0; i < schema->num_fields(); ++i) {
    if (schema->field(i)->type()->id() != arrow::Type::STRING || static_cast<std::size_t>(i) >= values.size())
      return rows;
    auto column = arrow::MakeArrayFromScalar(arrow::StringScalar(values[static_cast<std::size_t>(i)]), 1);
    if (!column.ok()) return rows;
    columns.push_back(std::move(column).ValueUnsafe());
  }
  auto row = arrow::RecordBatchReader::Make({arrow::RecordBatch::Make(schema, 1, std::move(columns))}, schema);
  if (!row.ok()) return rows;
  return ConcatenateResults(schema, {std::move(rows), std::move(row).ValueUnsafe()});
}

std::shared_ptr<arrow::RecordBatchReader> EmptyResult(std::shared_ptr<arrow::Schema> schema) {
  return ConcatenateResults(schema, {});
}

std::unique_ptr<arrow::RecordBatchReader> MakeReader(ReaderParts parts) {
  return std::make_unique<PartsReader>(std::move(parts));
}

}  // namespace hyprstream::session
