// Columns of a view's output from keys and records, whatever windows they are of.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "aggregate/slice_internal.h"

namespace arrow {
class ArrayBuilder;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace hyprstream::aggregate {

inline constexpr std::int64_t kBatchRowsMax = 65'536;

// One column of a scan's request.
struct ScannedColumn {
  const OutputColumn* column;
  bool as_states;  // not what they say, but the states themselves
};
ScannedColumn ScannedColumnOf(const ViewSpec& spec, int projected);

// The columns of one batch while they are filled.
class OutputBatch {
 public:
  static arrow::Result<OutputBatch> Make(std::shared_ptr<arrow::Schema> schema);

  arrow::ArrayBuilder& column(std::size_t i) { return *builders_[i]; }
  std::size_t size() const { return builders_.size(); }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Finish(std::int64_t rows);

 private:
  explicit OutputBatch(std::shared_ptr<arrow::Schema> schema) : schema_(std::move(schema)) {}

  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
};

// An aggregate's results, or its states. Invalid, naming view and column, when one does not fit.
arrow::Status AppendResults(const ViewSpec& spec, const ScannedColumn& scanned, std::span<const Record> records,
                            arrow::ArrayBuilder& builder);

}  // namespace hyprstream::aggregate
