// Arrow rows into DuckDB: as chunks of at most one vector, or as a scan.
//
// Thread safety: none; one thread at a time. The batches are referred to, not copied, wherever their layout allows.
#pragma once

#include <cstdint>
#include <duckdb/function/table/arrow.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/table_source.h"
#include "engine/scan_filters_internal.h"

namespace arrow {
class RecordBatch;
class RecordBatchReader;
class Schema;
}  // namespace arrow

namespace hyprstream::engine {

class DeclaredSchema;

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

// Turns record batches of one schema into DataChunks. Throws DuckDB's exceptions; stays inside the room.
class ChunkSource {
 public:
  ChunkSource(duckdb::ClientContext& context, const std::shared_ptr<arrow::Schema>& schema);

  const duckdb::vector<duckdb::LogicalType>& types() { return table_.GetTypes(); }
  // Calls `sink` with chunks of at most STANDARD_VECTOR_SIZE rows, in order; each is valid during its call.
  void ForEachChunk(const std::shared_ptr<arrow::RecordBatch>& batch,
                    const std::function<void(duckdb::DataChunk&)>& sink);

 private:
  duckdb::ClientContext& context_;
  duckdb::ArrowTableSchema table_;
};

// Makes a stream when a scan starts.
using StreamMaker = std::function<std::shared_ptr<arrow::RecordBatchReader>(const ScanRequest& request)>;

// The bind data of a scan over Arrow batches that are made when the scan starts.
struct StreamScanData : duckdb::ArrowScanFunctionData {
  StreamScanData(duckdb::ClientContext& context, std::shared_ptr<arrow::Schema> schema);
  duckdb::vector<duckdb::LogicalType> arrow_types;  // as the scan reads them
  const DeclaredSchema* declared = nullptr;         // of the schema, when its types are others
  // Set before the scan starts, or left empty by functions that find their stream themselves.
  StreamMaker make_stream;
  std::vector<PlannedFilter> filters;  // what the plan asks of the rows
  // No more rows than these are looked at, of those for which all `limited_by` hold: there are no other conditions.
  std::optional<std::int64_t> rows_max;
  std::vector<PlannedFilter> limited_by;
  bool joined = false;  // a join may tell what keys it looks for when the scan starts
  const arrow::Schema& schema() const { return *stream_schema_; }
  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override;
  bool Equals(const duckdb::FunctionData& other) const override { return this == &other; }

 private:
  std::shared_ptr<arrow::Schema> stream_schema_;
};

// Has the function take the conditions that its rows' source may use into its StreamScanData. They stay in the plan as
// well: a source may ignore any of them.
void PushConditions(duckdb::TableFunction& function);
// Those that were taken, for EXPLAIN.
std::string DescribeConditions(const StreamScanData& data);

// A table function over StreamScanData with this bind function; projection is pushed down.
duckdb::TableFunction MakeStreamFunction(const char* name, const duckdb::vector<duckdb::LogicalType>& arguments,
                                         duckdb::table_function_bind_t bind);

}  // namespace hyprstream::engine
