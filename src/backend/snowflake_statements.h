// The statements that carry rows to Snowflake, each of a bounded size.
//
// Thread safety: one thread. Ownership: the values must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "backend/value_writing.h"

namespace arrow {
class RecordBatch;
class RecordBatchReader;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::backend {

class SnowflakeStatements {
 public:
  static constexpr std::int64_t kRowsMax = 1'000;
  static constexpr std::size_t kBytes = 256UL << 10;    // then a statement is sent
  static constexpr std::size_t kRowBytesMax = 900'000;  // a statement has a megabyte at most there

  struct Options {
    std::string table;  // for people
    // The statements over rows, one after the other: `FROM VALUES ...` with the columns column1, column2, ...
    std::function<std::vector<std::string>(const std::string& values)> statements;
    std::vector<int> key = {};    // columns that tell the given rows apart; empty: nothing does
    bool skips_repeated = false;  // of the key: the first row is taken; else it is an error
    bool changes_all = true;      // as many rows are changed as are sent
  };

  // Runs a statement; how many rows it changed.
  using Run = std::function<arrow::Result<std::int64_t>(const std::string& sql)>;

  SnowflakeStatements(Run run, const ValueWriting& values, Options options)
      : run_(std::move(run)), values_(values), options_(std::move(options)) {}

  // Sends all rows. How many were changed. Invalid: a value that its column does not hold, or another number of rows
  // was changed; some have been sent then.
  arrow::Result<std::int64_t> Send(arrow::RecordBatchReader& rows);

 private:
  arrow::Status Add(const arrow::RecordBatch& batch, std::int64_t row, std::int64_t number);
  arrow::Status Flush();

  const Run run_;
  const ValueWriting& values_;
  const Options options_;
  std::unordered_set<std::string> keys_;
  std::string text_;  // of the rows that wait
  std::int64_t waiting_ = 0;
  std::int64_t changed_ = 0;
};

}  // namespace hyprstream::backend
