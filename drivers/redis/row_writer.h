// Rows into a version of a table, in pipelines: one HSET a row, one ZADD for each pipeline.
//
// Thread safety: one thread. Ownership: does not own the tables.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "cell.h"
#include "table.h"

namespace adbc_redis {

struct Cell {
  bool null = true;
  std::string text;
};

// What becomes of a row whose key is there. All but the first look for the keys before they write, which is certain in
// a transaction only.
enum class RowRule {
  kReplace,  // the new row takes its place
  kRefuse,   // INTEGRITY
  kKeep,     // it stays as it is
  kMerge,    // it gets the values of `updated`; INVALID_ARGUMENT where a key is given twice
  kUpdate,   // likewise, and rows that are not there stay so
};

struct WriteOptions {
  int64_t pipeline_rows = 1000;
  bool fresh = false;  // no row of this version was there before
  RowRule rule = RowRule::kReplace;
  std::vector<bool> updated = {};  // for each column of the table
};

class RowWriter {
 public:
  RowWriter(const Tables& tables, const Table& table, WriteOptions options, const CancelFlag* cancel);

  // One cell for each column. INTEGRITY: NULL in the key, the time column or a column that is NOT NULL.
  arrow::Status Add(const std::vector<Cell>& cells);
  // Sends what was added and takes rows whose time has passed out of the index.
  arrow::Status Finish();
  int64_t rows() const { return rows_; }  // that were added
  int64_t changed() const { return changed_; }

 private:
  struct Waiting {  // a row, until it is known whether its key is there
    std::string key;
    std::vector<Cell> cells;
  };

  arrow::Status Check(const std::vector<Cell>& cells) const;
  bool Concerns(int column) const;
  arrow::Result<std::string> NextKey(const std::vector<Cell>& cells);
  arrow::Status Settle();
  arrow::Status SettleOne(const Waiting& waiting, bool there, int64_t at);
  arrow::Status Write(const std::string& key, const std::vector<Cell>& cells);
  arrow::Status WriteUpdated(const std::string& key, const std::vector<Cell>& cells);
  void AddRow(const std::string& row, const std::vector<Cell>& cells);
  arrow::Status AddTime(const std::string& row, const std::string& key, const std::vector<Cell>& cells);
  arrow::Status Flush();

  const Tables& tables_;
  const Table& table_;
  const WriteOptions options_;
  const CancelFlag* cancel_;
  const KeyNames names_;
  Posting posting_;
  Pipeline pipeline_;
  std::vector<std::string> scores_;  // score, key, score, key, …
  std::vector<std::string> keys_;    // of the pipeline, where there is a primary key
  std::vector<Waiting> waiting_;
  std::unordered_set<std::string> merged_;
  int64_t rows_ = 0;
  int64_t rows_pending_ = 0;
  int64_t changed_ = 0;
  int64_t counter_next_ = 0;  // of keys where there is no primary key
  int64_t counter_end_ = 0;
};

// Removes the rows of these keys; returns how many there were.
arrow::Result<int64_t> RemoveRows(const Tables& tables, const Table& table, const std::vector<std::string>& keys,
                                  const CancelFlag* cancel);

// Milliseconds since 1970 of a time column's count, held within what PEXPIREAT takes.
int64_t ExpiryOf(int64_t count, const arrow::DataType& type, int64_t retention_ms);

}  // namespace adbc_redis
