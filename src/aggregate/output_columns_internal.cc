#include "aggregate/output_columns_internal.h"

#include <utility>

#include "aggregate/mergeable_state_internal.h"
#include "arrow/array/array_base.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {

ScannedColumn ScannedColumnOf(const ViewSpec& spec, int projected) {
  const std::size_t outputs = spec.query->output.size();
  const bool as_states = static_cast<std::size_t>(projected) >= outputs;
  return {.column = &spec.query->output[static_cast<std::size_t>(projected) - (as_states ? outputs : 0)],
          .as_states = as_states};
}

arrow::Result<OutputBatch> OutputBatch::Make(std::shared_ptr<arrow::Schema> schema) {
  OutputBatch batch(std::move(schema));
  for (const auto& field : batch.schema_->fields()) {
    ARROW_ASSIGN_OR_RAISE(auto builder, MakePhysicalBuilder(field->type()));
    batch.builders_.push_back(std::move(builder));
  }
  return batch;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> OutputBatch::Finish(std::int64_t rows) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (std::size_t i = 0; i < builders_.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto column, FinishAs(schema_->field(static_cast<int>(i))->type(), *builders_[i]));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema_, rows, std::move(columns));
}

arrow::Status AppendResults(const ViewSpec& spec, const ScannedColumn& scanned, std::span<const Record> records,
                            arrow::ArrayBuilder& builder) {
  const auto aggregate = static_cast<std::size_t>(scanned.column->index);
  if (scanned.as_states) return AppendStates(spec, aggregate, records, builder);
  const StateOps* ops = spec.layout->ops(aggregate);
  if (ops == nullptr) {
    return WithRoom<std::int64_t>(builder, records.size(), [&](auto append) {
      for (const Record record : records) ARROW_RETURN_NOT_OK(append(RowsOf(record)));
      return arrow::Status::OK();
    });
  }
  const arrow::Status status = ops->Read(spec.query->aggregates[aggregate], records, builder);
  if (status.ok()) return status;
  return status.WithMessage("View ", spec.query->view.ToString(), ", column ", scanned.column->name, ": ",
                            status.message());
}

}  // namespace hyprstream::aggregate
