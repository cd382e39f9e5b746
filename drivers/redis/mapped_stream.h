// The rows of a SELECT from a table whose place is not this driver's (mapped_rows.h).
//
// Thread safety: one thread.
#pragma once

#include <memory>
#include <vector>

#include "bound_rows.h"
#include "cell.h"
#include "mapped_rows.h"
#include "row_stream.h"
#include "select_plan.h"

namespace adbc_redis {

class MappedStream final : public RowStream {
 public:
  // As SelectStream::Make().
  static arrow::Result<std::unique_ptr<RowStream>> Make(Tables tables, SelectPlan plan, int parameters,
                                                        std::unique_ptr<BoundRows> bound, ReadOptions options,
                                                        std::shared_ptr<CancelFlag> cancel);

  const std::shared_ptr<arrow::Schema>& schema() const override { return plan_.schema; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override;

 private:
  MappedStream(Tables tables, SelectPlan plan, int parameters, std::unique_ptr<BoundRows> bound, ReadOptions options,
               std::shared_ptr<CancelFlag> cancel);
  arrow::Result<bool> StartNextScan();
  arrow::Status Append(const MappedRow& row);
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> ReadBatch();

  const Tables tables_;
  const SelectPlan plan_;
  const int parameters_;
  const std::unique_ptr<BoundRows> bound_;  // null: the statement takes no parameters
  const ReadOptions options_;
  const std::shared_ptr<CancelFlag> cancel_;
  std::vector<std::unique_ptr<ColumnReader>> readers_;

  std::shared_ptr<arrow::RecordBatch> parameter_batch_;
  int64_t parameter_row_ = 0;
  bool ended_ = false;
  arrow::Status failed_;
  std::unique_ptr<MappedRows> rows_;
  std::vector<MappedRow> page_;
  size_t next_ = 0;   // of the page
  int64_t left_ = 0;  // of LIMIT
  int64_t batch_bytes_ = 0;
};

}  // namespace adbc_redis
