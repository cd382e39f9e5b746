#include "mapped_stream.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

#include "failure.h"

namespace adbc_redis {

MappedStream::MappedStream(Tables tables, SelectPlan plan, int parameters, std::unique_ptr<BoundRows> bound,
                           ReadOptions options, std::shared_ptr<CancelFlag> cancel)
    : tables_(std::move(tables)),
      plan_(std::move(plan)),
      parameters_(parameters),
      bound_(std::move(bound)),
      options_(options),
      cancel_(std::move(cancel)) {}

arrow::Result<std::unique_ptr<RowStream>> MappedStream::Make(Tables tables, SelectPlan plan, int parameters,
                                                             std::unique_ptr<BoundRows> bound, ReadOptions options,
                                                             std::shared_ptr<CancelFlag> cancel) {
  if (parameters > 0 && bound == nullptr) ARROW_RETURN_NOT_OK(CheckBound(parameters, nullptr));
  std::unique_ptr<MappedStream> stream(
      new MappedStream(std::move(tables), std::move(plan), parameters, std::move(bound), options, std::move(cancel)));
  for (const auto& field : stream->plan_.schema->fields()) {
    ARROW_ASSIGN_OR_RAISE(auto reader, ColumnReader::Make(field->type()));
    stream->readers_.push_back(std::move(reader));
  }
  ARROW_ASSIGN_OR_RAISE(const bool started, stream->StartNextScan());  // wrong values fail at execution
  stream->ended_ = !started;
  return stream;
}

// With the next row of parameters; false after the last.
arrow::Result<bool> MappedStream::StartNextScan() {
  if (parameters_ == 0) {
    if (parameter_row_ > 0) return false;
  } else {
    while (parameter_batch_ == nullptr || parameter_row_ >= parameter_batch_->num_rows()) {
      ARROW_ASSIGN_OR_RAISE(parameter_batch_, bound_->Next());
      parameter_row_ = 0;
      if (parameter_batch_ == nullptr) return false;
      ARROW_RETURN_NOT_OK(CheckBound(parameters_, parameter_batch_.get()));
    }
  }
  ARROW_ASSIGN_OR_RAISE(const Scan scan, ResolveScan(plan_, parameter_batch_.get(), parameter_row_++));
  left_ = scan.limit;
  page_.clear();
  next_ = 0;
  rows_ = scan.empty ? nullptr : RowsOfPlace(tables_, plan_, scan, options_.pipeline_rows, cancel_.get());
  return true;
}

arrow::Status MappedStream::Append(const MappedRow& row) {
  for (size_t i = 0; i < readers_.size(); ++i) {
    const auto& cell = row.cells[i];
    const arrow::Status appended = cell ? readers_[i]->Append(*cell) : readers_[i]->AppendNull();
    if (!appended.ok()) {
      return Fail(CodeOf(appended), "Row " + Printable(row.key) + " of table " + plan_.table->name + ", column " +
                                        plan_.schema->field(static_cast<int>(i))->name() + ": " + appended.message());
    }
    if (cell) batch_bytes_ += static_cast<int64_t>(cell->size());
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> MappedStream::Next() {
  ARROW_RETURN_NOT_OK(failed_);
  auto batch = ReadBatch();
  failed_ = batch.status();
  return batch;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> MappedStream::ReadBatch() {
  if (cancel_->is_set()) return Fail(ADBC_STATUS_CANCELLED, "The statement was cancelled");
  int64_t rows = 0;
  batch_bytes_ = 0;
  while (!ended_ && rows < options_.batch_rows && batch_bytes_ < options_.batch_bytes) {
    if (left_ > 0 && next_ < page_.size()) {
      ARROW_RETURN_NOT_OK(Append(page_[next_++]));
      ++rows;
      --left_;
    } else if (left_ > 0 && rows_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(page_, rows_->Next());
      next_ = 0;
      if (page_.empty()) rows_.reset();
    } else {
      ARROW_ASSIGN_OR_RAISE(const bool started, StartNextScan());
      ended_ = !started;
    }
  }
  if (rows == 0) return nullptr;
  arrow::ArrayVector columns;
  for (const auto& reader : readers_) {
    ARROW_ASSIGN_OR_RAISE(auto column, reader->Finish());
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(plan_.schema, rows, std::move(columns));
}

}  // namespace adbc_redis
