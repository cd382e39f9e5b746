// The statements that carry rows to Snowflake, each of a bounded size.
//
// Thread safety: one thread. Ownership: the connection must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "backend/value_writing.h"
#include "backend/write_connection.h"

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

  SnowflakeStatements(WriteConnection& connection, const ValueWriting& values, Options options)
      : connection_(connection), values_(values), options_(std::move(options)) {}

  // Sends all rows. How many were changed. Invalid: a value that its column does not hold, or another number of rows
  // was changed; the transaction has ended then.
  arrow::Result<std::int64_t> Send(arrow::RecordBatchReader& rows);

 private:
  arrow::Status Add(const arrow::RecordBatch& batch, std::int64_t row, std::int64_t number);
  arrow::Status Flush();

  WriteConnection& connection_;
  const ValueWriting& values_;
  const Options options_;
  std::unordered_set<std::string> keys_;
  std::string text_;  // of the rows that wait
  std::int64_t waiting_ = 0;
  std::int64_t changed_ = 0;
};

}  // namespace hyprstream::backend
