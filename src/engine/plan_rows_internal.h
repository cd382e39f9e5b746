// The rows of a kept plan; with their end the plan gives back what its operators have gathered.
//
// DuckDB's operators keep hash tables, sorts and materialized CTEs until the plan runs again or goes, also those that a
// LIMIT has ended early: a session that keeps its plans would keep that memory, too.
//
// Thread safety: used by one thread at a time.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <duckdb/common/shared_ptr.hpp>
#include <memory>
#include <utility>

namespace duckdb {
class PreparedStatementData;
}

namespace hyprstream::engine {

// Executions of one plan so far: what runs again must not lose its operators' states to the end of older rows.
using Executions = std::shared_ptr<std::uint64_t>;

class PlanRows final : public arrow::RecordBatchReader {
 public:
  // Counts one execution.
  PlanRows(std::shared_ptr<arrow::RecordBatchReader> rows, duckdb::shared_ptr<duckdb::PreparedStatementData> plan,
           Executions executions);
  ~PlanRows() override;

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override;
  arrow::Status Close() override;

 private:
  void End();

  std::shared_ptr<arrow::RecordBatchReader> rows_;
  duckdb::shared_ptr<duckdb::PreparedStatementData> plan_;  // null after the end
  const Executions executions_;
  const std::uint64_t execution_;
};

}  // namespace hyprstream::engine
