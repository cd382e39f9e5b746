#include "backend/snowflake_statements.h"

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <utility>

#include "backend/snowflake_values.h"
#include "backend/written_rows.h"

namespace hyprstream::backend {

arrow::Result<std::int64_t> SnowflakeStatements::Send(arrow::RecordBatchReader& rows) {
  WrittenRows written(rows, values_, false);
  std::int64_t number = 0;
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(written.ReadNext(&batch));
    if (batch == nullptr) break;
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) ARROW_RETURN_NOT_OK(Add(*batch, row, number++));
  }
  ARROW_RETURN_NOT_OK(Flush());
  return changed_;
}

arrow::Status SnowflakeStatements::Add(const arrow::RecordBatch& batch, std::int64_t row, std::int64_t number) {
  std::string text;
  std::vector<std::string> values;
  for (int i = 0; i < batch.num_columns(); ++i) {
    values.push_back(SnowflakeText(values_.columns()[static_cast<std::size_t>(i)], *batch.column(i), row));
    text += (i == 0 ? "(" : ",") + values.back();
    if (text.size() > kRowBytesMax) {
      return arrow::Status::NotImplemented(
          "Column ", batch.column_name(i), ", row ", number, " of ", options_.table, ": the row has more than ",
          kRowBytesMax, " bytes as text, which no statement of Snowflake's takes (nothing was written)");
    }
  }
  text += ")";
  if (!options_.key.empty()) {
    std::string key;
    for (const int column : options_.key) key += values[static_cast<std::size_t>(column)] + ",";
    if (!keys_.insert(key).second) {
      if (options_.skips_repeated) return arrow::Status::OK();
      return arrow::Status::Invalid("Row ", number, " of the write to ", options_.table,
                                    " names a row that another names too (", key.substr(0, key.size() - 1),
                                    "); join so that each row is found once (nothing was written)");
    }
  }
  if (waiting_ == kRowsMax || (waiting_ > 0 && text_.size() + text.size() > kBytes)) ARROW_RETURN_NOT_OK(Flush());
  text_ += (waiting_++ == 0 ? "" : ",") + text;
  return arrow::Status::OK();
}

arrow::Status SnowflakeStatements::Flush() {
  if (waiting_ == 0) return arrow::Status::OK();
  std::int64_t changed = 0;
  for (const auto& statement : options_.statements("FROM VALUES " + text_)) {
    ARROW_ASSIGN_OR_RAISE(const auto more, run_(statement));
    changed += more;
  }
  if (options_.changes_all && changed != waiting_) {
    return arrow::Status::Invalid(
        options_.table, ": ", waiting_, " rows were to be changed and ", changed,
        " were: somebody else has changed them, or their primary key, which Snowflake does not "
        "check, is that of several rows (nothing was kept)");
  }
  changed_ += changed;
  text_.clear();
  waiting_ = 0;
  return arrow::Status::OK();
}

}  // namespace hyprstream::backend
