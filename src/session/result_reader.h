// Results on their way out: the forms in which every door shows DuckDB's types, and readers that end their transaction.
//
// Thread safety: a reader is read by one thread at a time.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace arrow {
class RecordBatch;
class RecordBatchReader;
class Schema;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::session {

// Dictionaries become their value type: some stock clients show a dictionary's index (JDBC 18.3 does).
std::shared_ptr<arrow::Schema> NormalizeSchema(const std::shared_ptr<arrow::Schema>& schema);

// A reader over `rows` in the normalized schema.
std::shared_ptr<arrow::RecordBatchReader> NormalizeResult(std::shared_ptr<arrow::RecordBatchReader> rows);

// One after the other, normalized; all have `schema`.
std::shared_ptr<arrow::RecordBatchReader> ConcatenateResults(
    const std::shared_ptr<arrow::Schema>& schema, std::vector<std::shared_ptr<arrow::RecordBatchReader>> results);

// `rows` and after them one row of these texts, for results whose columns are all text (EXPLAIN's); others as they are.
std::shared_ptr<arrow::RecordBatchReader> AppendTextRow(std::shared_ptr<arrow::RecordBatchReader> rows,
                                                        std::vector<std::string> values);

std::shared_ptr<arrow::RecordBatchReader> EmptyResult(std::shared_ptr<arrow::Schema> schema);

// A reader that calls `next` for its batches (null at the end) and `finish` once: at the end, at the first error, or
// when it is dropped. `finish` gets the status of the reading and the number of rows, and may turn success into an
// error.
struct ReaderParts {
  std::shared_ptr<arrow::Schema> schema;
  std::function<arrow::Result<std::shared_ptr<arrow::RecordBatch>>()> next;
  std::function<arrow::Status(const arrow::Status&, std::int64_t rows)> finish;
};
std::unique_ptr<arrow::RecordBatchReader> MakeReader(ReaderParts parts);

}  // namespace hyprstream::session
