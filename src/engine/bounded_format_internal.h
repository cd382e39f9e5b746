// DuckDB's rows as Arrow columns, made on DuckDB's own threads, in batches that are bounded in bytes too, not only in
// rows.
//
// A client that does not read holds the batches under way, so a table of 1 kB rows would cost 120 MB for each thread
// and reader with the row bound alone.
#pragma once

#include <cstdint>
#include <duckdb/common/arrow/arrow_format.hpp>
#include <duckdb/main/result_format.hpp>
#include <memory>
#include <vector>

namespace arrow {
struct ArrayData;
}

namespace duckdb {
class DataChunk;
}

namespace hyprstream::engine {

// One outgoing batch; a batch may be larger by what one vector (2,048 rows) holds.
inline constexpr std::int64_t kResultBatchBytes = 4LL << 20;

// A batch, but for its schema.
struct ResultColumns {
  std::int64_t rows = 0;
  // By column, without their type. Null: the column is the next one of `others`.
  std::vector<std::shared_ptr<arrow::ArrayData>> fixed_width;
  duckdb::ArrowArrayWrapper others;  // a struct array; not set when there are none
};

class BoundedArrowFormat : public duckdb::ArrowFormat {
 public:
  using T = ResultColumns;
  using C = duckdb::vector<duckdb::unique_ptr<ResultColumns>>;
  static constexpr const char* NAME = "hyprstream-arrow";

  explicit BoundedArrowFormat(duckdb::idx_t rows_max) : ArrowFormat(rows_max), rows_max_(rows_max) {}

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
};

// About what the chunk's values take: exact for fixed widths and text, an estimate for what is nested.
std::int64_t BytesOf(const duckdb::DataChunk& chunk);

}  // namespace hyprstream::engine
