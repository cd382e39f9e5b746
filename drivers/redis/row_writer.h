// Rows into a version of a table, in pipelines: one HSET a row, one ZADD for each pipeline.
//
// A row whose key is there replaces that row. Thread safety: one thread. Ownership: does not own the tables.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cell.h"
#include "table.h"

namespace adbc_redis {

struct Cell {
  bool null = true;
  std::string text;
};

struct WriteOptions {
  int64_t pipeline_rows = 1000;
  bool fresh = false;  // no row of this version was there before
};

class RowWriter {
 public:
  RowWriter(const Tables& tables, const Table& table, WriteOptions options, const CancelFlag* cancel);

  // One cell for each column. INTEGRITY: NULL in the key, the time column or a column that is NOT NULL.
  arrow::Status Add(const std::vector<Cell>& cells);
  // Sends what was added and takes rows whose time has passed out of the index.
  arrow::Status Finish();
  int64_t rows() const { return rows_; }

 private:
  arrow::Status Check(const std::vector<Cell>& cells) const;
  arrow::Result<std::string> NextKey(const std::vector<Cell>& cells);
  void AddRow(const std::string& row, const std::vector<Cell>& cells);
  arrow::Status AddTime(const std::string& row, const std::string& key, const std::vector<Cell>& cells);
  arrow::Status Flush();

  const Tables& tables_;
  const Table& table_;
  const WriteOptions options_;
  const CancelFlag* cancel_;
  const KeyNames names_;
  Pipeline pipeline_;
  std::vector<std::string> scores_;  // score, key, score, key, …
  int64_t rows_ = 0;
  int64_t rows_pending_ = 0;
  int64_t counter_next_ = 0;  // of keys where there is no primary key
  int64_t counter_end_ = 0;
};

// Removes the rows of these keys; returns how many there were.
arrow::Result<int64_t> RemoveRows(const Tables& tables, const Table& table, const std::vector<std::string>& keys,
                                  const CancelFlag* cancel);

// Milliseconds since 1970 of a time column's count, held within what PEXPIREAT takes.
int64_t ExpiryOf(int64_t count, const arrow::DataType& type, int64_t retention_ms);

}  // namespace adbc_redis
