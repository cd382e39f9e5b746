// DuckDB's rows as Arrow columns, made on DuckDB's own threads, in batches that are bounded in bytes too, not only in
// rows.
//
// A client that does not read holds the batches under way, so a table of 1 kB rows would cost 30 MB for each thread and
// reader with the row bound alone. Batches count as ResultMemory from their first row until their buffers are freed.
#pragma once

#include <cstdint>
#include <duckdb/common/arrow/arrow_format.hpp>
#include <duckdb/main/result_format.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "engine/result_memory_internal.h"

namespace arrow {
struct ArrayData;
}

namespace duckdb {
class DataChunk;
}

namespace hyprstream::engine {

// What the rows of one vector may take in a result, which is one copy of each: one list of a million numbers may be the
// value of all 2,048. At least this, else half of DuckDB's memory.
inline constexpr double kResultVectorBytes = 256e6;

// A batch, but for its schema.
struct ResultColumns {
  std::int64_t rows = 0;
  // By column, without their type. Null: the column is the next one of `others`.
  std::vector<std::shared_ptr<arrow::ArrayData>> fixed_width;
  duckdb::ArrowArrayWrapper others;  // a struct array; not set when there are none
  ResultMemory::Hold hold;           // of all of it
};

class BoundedArrowFormat : public duckdb::ArrowFormat {
 public:
  using T = ResultColumns;
  using C = duckdb::vector<duckdb::unique_ptr<ResultColumns>>;
  static constexpr const char* NAME = "hyprstream-arrow";

  BoundedArrowFormat(duckdb::idx_t rows_max, std::shared_ptr<ResultMemory> memory)
      : ArrowFormat(rows_max), rows_max_(rows_max), memory_(std::move(memory)) {}

  const char* Name() const override { return NAME; }
  duckdb::unique_ptr<duckdb::ResultFormatLocalState> InitLocal(duckdb::ResultFormatGlobalState& global) override;
  void AppendToUnit(duckdb::ResultFormatGlobalState& global, duckdb::ResultFormatLocalState& local,
                    duckdb::DataChunk& chunk) override;
  bool IsUnitFinished(duckdb::ResultFormatLocalState& local) override;
  duckdb::unique_ptr<duckdb::ResultUnit> FinishUnit(duckdb::ResultFormatGlobalState& global,
                                                    duckdb::ResultFormatLocalState& local) override;
  duckdb::unique_ptr<duckdb::RetainedResultCollection> CreateCollection(
      duckdb::ClientContext& context, duckdb::ResultFormatGlobalState& global,
      const duckdb::ResultFormatContext& format_context) override;  // DuckDB retains results that it knows to be empty

  static duckdb::unique_ptr<ResultColumns> UnpackUnit(duckdb::unique_ptr<duckdb::ResultUnit> unit);

 private:
  const duckdb::idx_t rows_max_;
  const std::shared_ptr<ResultMemory> memory_;
};

// About what the chunk's values take: exact for fixed widths and text, an estimate for what is nested.
std::int64_t BytesOf(const duckdb::DataChunk& chunk);

}  // namespace hyprstream::engine
