// Rows as entries of a stream (XADD). The primary key, where the table has one, is the entry's id: NULL has the server
// choose it, and others must be greater than all before. The time column is that of the id, and is given no value.
//
// Thread safety: one thread. Ownership: does not own the tables.
#pragma once

#include <arrow-adbc/adbc.h>
#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mapped_rows.h"
#include "row_writer.h"
#include "table.h"

namespace adbc_redis {

class EntryWriter {
 public:
  EntryWriter(const Tables& tables, const Table& table, int64_t pipeline_rows, const CancelFlag* cancel)
      : tables_(tables), table_(table), pipeline_rows_(pipeline_rows), cancel_(cancel) {}

  // One cell for each column. INTEGRITY: NULL where it may not be, no value at all, or an id that is not greater;
  // INVALID_ARGUMENT: an id that is none, or a time.
  arrow::Status Add(const std::vector<Cell>& cells);
  arrow::Status Finish();
  int64_t rows() const { return rows_; }
  int64_t changed() const { return rows_; }

 private:
  arrow::Status At(AdbcStatusCode code, int column, const std::string& what) const;
  arrow::Result<std::string> IdOf(const std::vector<Cell>& cells);

  const Tables& tables_;
  const Table& table_;
  const int64_t pipeline_rows_;
  const CancelFlag* cancel_;
  Pipeline pipeline_;
  std::optional<EntryId> last_;  // as far as ids are given
  int64_t rows_ = 0;
};

// Removes the entries of these ids; returns how many there were.
arrow::Result<int64_t> RemoveEntries(const Tables& tables, const Table& table, const std::vector<std::string>& ids,
                                     const CancelFlag* cancel);

}  // namespace adbc_redis
