// Rows that the engine can scan although they are not in DuckDB: a view's states, a system table, a cache, a backend.
//
// Thread safety: all methods const and callable from any thread. Ownership: held by shared_ptr for as long as a scan
// runs; what it returns is one consistent state, however long the scan takes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/mergeable_state.h"

namespace arrow {
class RecordBatchReader;
class Scalar;
class Schema;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream {

// `column <op> value`, values of the column's type. A source may ignore any of them: the engine filters again.
struct ColumnFilter {
  enum class Op { kEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kIsNull };
  int column;  // index in the source's schema
  Op op;
  std::shared_ptr<arrow::Scalar> value = nullptr;           // of a comparison
  std::vector<std::shared_ptr<arrow::Scalar>> values = {};  // of kIn; NULL equals nothing
};

struct ScanRequest {
  // Indices in the source's schema, in output order; may be empty (count rows only). The schema's number of fields plus
  // a column's index stands for that column's states (StatesOf), as BINARY.
  std::vector<int> projection;
  std::vector<ColumnFilter> filters;
  // No more rows than these are looked at, whichever they are, provided that the filters were applied exactly.
  std::optional<std::int64_t> rows_max = std::nullopt;
  // True once nobody waits for the rows any more; callable from any thread while the reader lives. Empty: never.
  std::function<bool()> cancelled = {};
};

class TableSource {
 public:
  virtual ~TableSource() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // Batches of the projected columns, in that order. A projection of none gives batches with a row count only.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const = 0;
  // What the states of a column are merged by; null for one that is not read from states.
  virtual std::shared_ptr<const MergeableState> StatesOf(int) const { return nullptr; }
  // Do these conditions name one row at most, and does a scan with them give just that row? Then nobody need filter it
  // again.
  virtual bool FindsOne(const std::vector<ColumnFilter>&) const { return false; }
  // Does a scan with these conditions give just the rows that satisfy all of them?
  virtual bool FindsExactly(const std::vector<ColumnFilter>& filters) const { return filters.empty(); }
  // The least and the greatest value of a column, in the units of its type, where they are known without a look at
  // every row; both are nullopt where all rows are NULL there, or there are none.
  struct Bounds {
    std::optional<std::int64_t> least;
    std::optional<std::int64_t> greatest;
  };
  virtual std::optional<Bounds> BoundsOf(int) const { return std::nullopt; }
  // May its states be taken out row by row? Not where rows are put together from several states when they are read.
  virtual bool has_states_by_row() const { return false; }
  // For the planner; nullopt when unknown.
  virtual std::optional<std::int64_t> EstimatedRows() const { return std::nullopt; }
};

}  // namespace hyprstream
