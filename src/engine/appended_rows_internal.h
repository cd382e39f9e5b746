// The batches that a transaction has appended, kept so that change capture need not read them back from DuckDB's
// storage.
//
// They are what the transaction inserted only as long as it has done nothing else to rows: the first other statement
// that might forgets them, and so do more bytes than are worth keeping. Thread safety: none.
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
  };

  // Batches whose columns are the table's, of types that DuckDB reads as the table's. `columns`: the table's names.
  void Add(const TableRef& table, const std::vector<std::string>& columns,
           const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);
  // The transaction has done something else; until Reset() nothing is kept.
  void Forget();
  // A transaction begins or ends.
  void Reset();

  // All that was inserted into the table, when that is `rows` rows; else null.
  const Rows* Of(const TableRef& table, std::int64_t rows) const;

 private:
  static constexpr std::int64_t kBytesMax = 64LL << 20;

  std::vector<Rows> tables_;
  std::int64_t bytes_ = 0;
  bool complete_ = true;
};

}  // namespace hyprstream::engine
