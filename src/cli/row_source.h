// A file of rows, whatever its format, as record batches.
//
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "config/command_line.h"

namespace arrow {
class RecordBatch;
class Schema;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::cli {

class StopSignal;

struct RowSourceOptions {
  std::string path;    // `-` is standard input
  std::string format;  // parquet, csv, json, arrow; empty: by name, else by its first bytes
  // Rows in a batch; fewer at the end, when they are large, and when they come through a pipe, where rows that are
  // there do not wait for others.
  std::int64_t batch_rows = 65536;
  // Types for columns of text formats, by name; null: all are inferred.
  std::shared_ptr<arrow::Schema> table;
  config::OnError on_error = config::OnError::kStop;
  // Told about each line that is skipped, in words that name file, line and column.
  std::function<void(const std::string&)> on_skip;
  // Ends a wait for a pipe with Cancelled; null: nothing does.
  const StopSignal* stop = nullptr;
};

class RowSource {
 public:
  // IOError when the file cannot be read, Invalid when it is not of its format.
  static arrow::Result<std::unique_ptr<RowSource>> Open(RowSourceOptions options);
  virtual ~RowSource() = default;

  // What is known of the columns before the first rows; each batch has those of the one before it or, where records
  // name their columns one by one, more.
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // The next rows, null at the end. Invalid at a line that cannot be read (named with file and column) unless such
  // lines are skipped; rows before it have been given out.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
  // How much has been read, 0 to 1; below 0 when nobody knows.
  virtual double fraction() const = 0;
};

}  // namespace hyprstream::cli
