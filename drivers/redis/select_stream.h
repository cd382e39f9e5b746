// The rows of a SELECT, batch by batch: keys from the index, then pipelines of HMGET of the columns that are asked for.
//
// Thread safety: one thread. Ownership: keeps what it reads from; the cancel flag is shared with its statement.
#pragma once

#include <arrow/result.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "bound_rows.h"
#include "key_cursor.h"
#include "row_stream.h"
#include "select_plan.h"

namespace adbc_redis {

class SelectStream final : public RowStream {
 public:
  // `bound` may be null. Each of its rows runs the statement once; the rows follow each other.
  static arrow::Result<std::unique_ptr<RowStream>> Make(Tables tables, sql::Statement statement,
                                                        std::unique_ptr<BoundRows> bound, ReadOptions options,
                                                        std::shared_ptr<CancelFlag> cancel);

  const std::shared_ptr<arrow::Schema>& schema() const override { return plan_.schema; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override;

 private:
  struct Row {
    std::string key;
    Reply fields;
    int64_t time = 0;
  };

  SelectStream(Tables tables, SelectPlan plan, ReadOptions options, std::shared_ptr<CancelFlag> cancel);
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> ReadBatch();
  arrow::Result<bool> StartNextScan();
  std::unique_ptr<KeyCursor> OpenCursor();
  arrow::Status LoadKeys();
  arrow::Status LoadPage();
  arrow::Status Fetch(const std::vector<std::string>& keys);
  void Release(const std::optional<double>& open_score);
  arrow::Result<bool> Matches(const Row& row) const;
  arrow::Status Append(const Row& row);
  arrow::Status Describe(const arrow::Status& status, const Row& row, int column) const;

  Tables tables_;
  SelectPlan plan_;
  const ReadOptions options_;
  const std::shared_ptr<CancelFlag> cancel_;
  const KeyNames names_;
  std::vector<std::unique_ptr<ColumnReader>> readers_;
  int parameters_ = 0;
  bool needs_time_ = false;

  std::unique_ptr<BoundRows> bound_;
  std::shared_ptr<arrow::RecordBatch> parameter_batch_;
  int64_t parameter_row_ = 0;
  bool scans_ended_ = false;
  arrow::Status failed_;

  Scan scan_;
  std::unique_ptr<KeyCursor> cursor_;
  std::deque<std::string> keys_;  // whose rows are not read yet
  bool keys_ended_ = false;
  std::vector<Row> held_;  // of a run of times whose order is not known before its end
  std::deque<Row> ready_;
  int64_t left_ = 0;  // of LIMIT
  int64_t batch_bytes_ = 0;
};

}  // namespace adbc_redis
