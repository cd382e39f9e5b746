// The rows of a query on standard output: a table for people, CSV, JSON lines or an Arrow stream for programs.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstdio>
#include <memory>

#include "config/command_line.h"

namespace arrow {
class RecordBatch;
class Schema;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::cli {

struct PrinterOptions {
  config::OutputFormat format = config::OutputFormat::kTable;
  bool interactive = false;  // rules, a count of rows, long results and cells cut with a note
  std::FILE* out = stdout;
};

class ResultPrinter {
 public:
  // Prints one result with this schema.
  static std::unique_ptr<ResultPrinter> Make(const PrinterOptions& options, std::shared_ptr<arrow::Schema> schema);
  virtual ~ResultPrinter() = default;
  // False when no more rows are wanted.
  virtual arrow::Result<bool> Add(const arrow::RecordBatch& batch) = 0;
  virtual arrow::Status Finish() = 0;
};

}  // namespace hyprstream::cli
