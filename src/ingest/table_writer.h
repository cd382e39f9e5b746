// Incoming record batches into one table: checked, matched by column name, appended to an open transaction.
//
// Columns are matched by name (ASCII case ignored); those that the batches lack take their defaults. A column whose
// type differs from the table's is cast with checked casts (an overflow is an error), but text is never parsed into
// another type and nothing is turned into text.
//
// Thread safety: one thread at a time. The writer holds no connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/table_ref.h"
#include "engine/connection.h"

namespace hyprstream::ingest {

struct TableWriterOptions {
  std::int64_t batch_bytes_max = 1LL << 30;  // one batch, in memory
  bool keep_rows = true;                     // false: the table keeps none, so that they need not be stored
};

class TableWriter {
 public:
  // KeyError for an unknown table; Invalid when a column is unknown (with a suggestion), given twice, or of a type that
  // the table cannot take. `connection` is inside a transaction.
  static arrow::Result<std::unique_ptr<TableWriter>> Make(engine::Connection& connection, const TableRef& table,
                                                          const std::shared_ptr<arrow::Schema>& incoming,
                                                          TableWriterOptions options);

  // Invalid for a batch that lies about itself (lengths, offsets, dictionary indices, UTF-8) or is larger than
  // batch_bytes_max, before anything else looks at it.
  arrow::Status Check(const arrow::RecordBatch& batch) const;
  // Appends to the open transaction of `connection`. On error the caller rolls back.
  arrow::Status Append(engine::Connection& connection,
                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) const;

 private:
  TableWriter(TableRef table, std::shared_ptr<arrow::Schema> incoming, TableWriterOptions options)
      : table_(std::move(table)), incoming_(std::move(incoming)), options_(options) {}

  TableRef table_;
  std::shared_ptr<arrow::Schema> incoming_;
  TableWriterOptions options_;
  std::vector<std::string> columns_;  // the table's names of the incoming columns; empty: all, in order
};

}  // namespace hyprstream::ingest
