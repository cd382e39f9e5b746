// DuckDB's Arrow result format with batches that are bounded in bytes too, not only in rows.
//
// A client that does not read holds the batches under way, so a table of 1 kB rows would cost 120 MB for each thread
// and reader with the row bound alone.
#pragma once

#include <cstdint>
#include <duckdb/common/arrow/arrow_format.hpp>
#include <duckdb/main/result_format.hpp>
#include <memory>

namespace duckdb {
class DataChunk;
}

namespace hyprstream::engine {

// One outgoing batch; a batch may be larger by what one vector (2,048 rows) holds.
inline constexpr std::int64_t kResultBatchBytes = 4LL << 20;

class BoundedArrowFormat : public duckdb::ArrowFormat {
 public:
  explicit BoundedArrowFormat(duckdb::idx_t rows_max) : ArrowFormat(rows_max) {}

  duckdb::unique_ptr<duckdb::ResultFormatLocalState> InitLocal(duckdb::ResultFormatGlobalState& global) override;
  void AppendToUnit(duckdb::ResultFormatGlobalState& global, duckdb::ResultFormatLocalState& local,
                    duckdb::DataChunk& chunk) override;
  bool IsUnitFinished(duckdb::ResultFormatLocalState& local) override;
  duckdb::unique_ptr<duckdb::ResultUnit> FinishUnit(duckdb::ResultFormatGlobalState& global,
                                                    duckdb::ResultFormatLocalState& local) override;
};

// About what the chunk's values take: exact for fixed widths and text, an estimate for what is nested.
std::int64_t BytesOf(const duckdb::DataChunk& chunk);

}  // namespace hyprstream::engine
