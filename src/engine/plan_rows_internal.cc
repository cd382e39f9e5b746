#include "engine/plan_rows_internal.h"

#include <arrow/status.h>

#include <duckdb.hpp>
#include <duckdb/execution/physical_operator.hpp>
#include <duckdb/execution/physical_plan_generator.hpp>
#include <duckdb/main/prepared_statement_data.hpp>

namespace hyprstream::engine {

namespace {

// DuckDB does the same before it runs the plan again.
void GiveBackStates(const duckdb::PhysicalOperator& from) {
  auto& op = const_cast<duckdb::PhysicalOperator&>(from);  // children are handed out const
  op.sink_state.reset();
  op.op_state.reset();
  for (const auto& child : op.GetChildren()) GiveBackStates(child.get());
}

}  // namespace

PlanRows::PlanRows(std::shared_ptr<arrow::RecordBatchReader> rows,
                   duckdb::shared_ptr<duckdb::PreparedStatementData> plan, Executions executions)
    : rows_(std::move(rows)), plan_(std::move(plan)), executions_(std::move(executions)), execution_(++*executions_) {}

PlanRows::~PlanRows() { ARROW_UNUSED(PlanRows::Close()); }

arrow::Status PlanRows::ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) {
  const auto read = rows_->ReadNext(batch);
  if (!read.ok() || *batch == nullptr) End();
  return read;
}

arrow::Status PlanRows::Close() {
  const auto closed = rows_->Close();
  End();
  return closed;
}

void PlanRows::End() {
  const auto plan = std::exchange(plan_, nullptr);
  if (plan == nullptr || plan->physical_plan == nullptr || *executions_ != execution_) return;
  GiveBackStates(plan->physical_plan->Root());
}

}  // namespace hyprstream::engine
