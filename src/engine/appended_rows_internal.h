// The batches that a transaction has appended, kept so that change capture need not read them back from DuckDB's
// storage; and those of tables that keep no rows, which are nowhere else.
//
// They are what the transaction inserted only as long as it has done nothing else to rows: before the first other
// statement that might, and beyond more bytes than are worth keeping, their owner stores what is stored nowhere and
// forgets them all. Thread safety: none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/table_ref.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace hyprstream::engine {

class AppendedRows {
 public:
  struct Rows {
    TableRef table;
    std::shared_ptr<arrow::Schema> schema;  // the table's names, the batches' types
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    std::int64_t rows = 0;
    bool stored = true;  // in DuckDB, too
  };

  // Batches whose columns are the table's, of types that DuckDB reads as the table's. `columns`: the table's names.
  // False, and nothing is added, when they cannot be kept.
  bool Add(const TableRef& table, bool stored, const std::vector<std::string>& columns,
           const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);
  // The transaction has done something else; until Reset() nothing is kept.
  void Forget();
  // A transaction begins or ends.
  void Reset();

  // All that was inserted into the table, of which DuckDB's storage has `stored_rows` rows; null when more than what is
  // here was.
  const Rows* Of(const TableRef& table, std::int64_t stored_rows) const;
  const std::vector<Rows>& tables() const { return tables_; }
  bool has_taken() const;  // anything that is not stored

 private:
  // Of a transaction. Counted nowhere, and many transactions may be under way: enough for what a commit is made of.
  static constexpr std::int64_t kBytesMax = 16LL << 20;

  std::vector<Rows> tables_;
  std::int64_t bytes_ = 0;
  bool complete_ = true;
};

}  // namespace hyprstream::engine
