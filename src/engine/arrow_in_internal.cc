#include "engine/arrow_in_internal.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <utility>

#include "engine/arrow_readable_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/error_internal.h"
#include "engine/join_filters_internal.h"

namespace hyprstream::engine {

namespace {

void ThrowIfFailed(const arrow::Status& status) { ThrowIfNotOk(status); }

void ExportSchema(const arrow::Schema& schema, duckdb::ArrowSchemaWrapper& out) {
  ThrowIfFailed(arrow::ExportSchema(schema, &out.arrow_schema));
}

// A RecordBatchReader as the stream that DuckDB's own Arrow scan pulls from. What the reader fails with is thrown as it
// is: Arrow's own export would leave a text of it.
class ReaderStream : public duckdb::ArrowArrayStreamWrapper {
 public:
  explicit ReaderStream(std::shared_ptr<arrow::RecordBatchReader> reader) {
    arrow_array_stream.get_schema = [](ArrowArrayStream* stream, ArrowSchema* schema) {
      ThrowIfFailed(arrow::ExportSchema(*ReaderOf(stream).schema(), schema));
      return 0;
    };
    arrow_array_stream.get_next = [](ArrowArrayStream* stream, ArrowArray* array) {
      std::shared_ptr<arrow::RecordBatch> batch;
      ThrowIfFailed(ReaderOf(stream).ReadNext(&batch));
      array->release = nullptr;  // the end
      if (batch != nullptr) ThrowIfFailed(arrow::ExportRecordBatch(*batch, array));
      return 0;
    };
    arrow_array_stream.get_last_error = [](ArrowArrayStream*) -> const char* { return nullptr; };
    arrow_array_stream.release = [](ArrowArrayStream* stream) {
      delete static_cast<std::shared_ptr<arrow::RecordBatchReader>*>(stream->private_data);
      stream->release = nullptr;
    };
    arrow_array_stream.private_data = new std::shared_ptr<arrow::RecordBatchReader>(std::move(reader));
  }

 private:
  static arrow::RecordBatchReader& ReaderOf(ArrowArrayStream* stream) {
    return **static_cast<std::shared_ptr<arrow::RecordBatchReader>*>(stream->private_data);
  }
};

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> InitGlobal(duckdb::ClientContext& context,
                                                                duckdb::TableFunctionInitInput& input) {
  const auto& data = input.bind_data->Cast<StreamScanData>();
  auto state = duckdb::make_uniq<duckdb::ArrowScanGlobalState>();
  ScanRequest request{.projection = {}, .filters = EvaluateFilters(context, data.filters, data.schema())};
  if (data.rows_max) {
    auto all = EvaluateFilters(context, data.limited_by, data.schema());
    if (all.size() == data.limited_by.size()) {
      request.filters = std::move(all);
      request.rows_max = data.rows_max;
    }
  }
  std::ranges::move(EvaluateFilters(context, FiltersOfJoins(input), data.schema()),
                    std::back_inserter(request.filters));
  request.cancelled = [&context] { return context.IsInterrupted(); };  // which outlives the scan
  for (const auto column : input.column_ids) {
    if (column < data.all_types.size()) request.projection.push_back(static_cast<int>(column));
  }
  state->stream = duckdb::make_uniq<ReaderStream>(data.make_stream(request));
  state->max_threads = 1;
  if (!input.projection_ids.empty()) {
    state->projection_ids = input.projection_ids;
    for (const auto column : input.column_ids) {
      state->scanned_types.push_back(column < data.all_types.size() ? data.all_types[column]
                                                                    : duckdb::LogicalType::ROW_TYPE);
    }
  }
  return state;
}

// DuckDB's own Arrow scan, and after it the columns' declared types where Arrow's are others.
void Scan(duckdb::ClientContext& context, duckdb::TableFunctionInput& input, duckdb::DataChunk& output) {
  const auto& data = input.bind_data->Cast<StreamScanData>();
  if (data.declared == nullptr) return duckdb::ArrowTableFunction::ArrowScanFunction(context, input, output);
  if (!input.local_state) return;  // DuckDB's scan makes none where there are no rows
  const auto& columns = input.local_state->Cast<duckdb::ArrowScanLocalState>().column_ids;
  duckdb::vector<duckdb::LogicalType> types;
  for (duckdb::idx_t i = 0; i < columns.size(); ++i) {
    types.push_back(columns[i] < data.arrow_types.size() ? data.arrow_types[columns[i]] : output.data[i].GetType());
  }
  duckdb::DataChunk scanned;
  scanned.Initialize(context, types);
  duckdb::ArrowTableFunction::ArrowScanFunction(context, input, scanned);
  for (duckdb::idx_t i = 0; i < columns.size(); ++i) {
    const auto carriage = columns[i] < data.arrow_types.size() ? data.declared->carriage(columns[i]) : Carriage::kArrow;
    ToDeclared(context, carriage, scanned.data[i], scanned.size(), output.data[i]);
  }
  output.SetCardinalityUnsafe(scanned.size());
}

void TakeConditions(duckdb::ClientContext&, duckdb::LogicalGet& get, duckdb::FunctionData* bind_data,
                    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& filters) {
  auto& taken = bind_data->Cast<StreamScanData>().filters;
  for (auto& filter : PlanFilters(get, filters)) {  // a plan is optimized several times
    const auto known = std::ranges::any_of(
        taken, [&](const auto& other) { return other.text == filter.text && other.op == filter.op; });
    if (!known) taken.push_back(std::move(filter));
  }
}

}  // namespace

ChunkSource::ChunkSource(duckdb::ClientContext& context, const std::shared_ptr<arrow::Schema>& schema)
    : context_(context) {
  duckdb::ArrowSchemaWrapper exported;
  ExportSchema(*ReadableSchema(schema), exported);
  duckdb::ArrowTableFunction::PopulateArrowTableSchema(context, table_, exported.arrow_schema);
}

void ChunkSource::ForEachChunk(const std::shared_ptr<arrow::RecordBatch>& batch,
                               const std::function<void(duckdb::DataChunk&)>& sink) {
  if (batch->num_rows() == 0) return;
  auto array = duckdb::make_uniq<duckdb::ArrowArrayWrapper>();
  ThrowIfFailed(arrow::ExportRecordBatch(*ReadableBatch(batch), &array->arrow_array));
  duckdb::ArrowScanLocalState state(std::move(array), context_);
  for (duckdb::idx_t column = 0; column < types().size(); ++column) state.column_ids.push_back(column);
  const auto rows = static_cast<duckdb::idx_t>(batch->num_rows());
  while (state.chunk_offset < rows) {
    const auto count = std::min<duckdb::idx_t>(STANDARD_VECTOR_SIZE, rows - state.chunk_offset);
    duckdb::DataChunk chunk;
    chunk.Initialize(duckdb::Allocator::DefaultAllocator(), types(), count);
    chunk.SetChildCardinality(count);
    duckdb::ArrowTableFunction::ArrowToDuckDB(state, table_.GetColumns(), chunk, true);
    state.chunk_offset += count;
    sink(chunk);
  }
}

StreamScanData::StreamScanData(duckdb::ClientContext& context, std::shared_ptr<arrow::Schema> schema)
    : duckdb::ArrowScanFunctionData(nullptr), stream_schema_(std::move(schema)) {
  ExportSchema(*stream_schema_, schema_root);
  duckdb::ArrowTableFunction::PopulateArrowTableSchema(context, arrow_table, schema_root.arrow_schema);
  arrow_types = arrow_table.GetTypes();
  all_types = arrow_types;
  const auto* types = AsDeclared(*stream_schema_);
  if (types == nullptr || types->types() == arrow_types) return;
  declared = types;
  all_types = types->types();
}

duckdb::unique_ptr<duckdb::FunctionData> StreamScanData::Copy() const {
  throw duckdb::InternalException("a scan over Arrow batches cannot be copied");
}

void PushConditions(duckdb::TableFunction& function) { function.pushdown_complex_filter = TakeConditions; }

std::string DescribeConditions(const StreamScanData& data) {
  std::string conditions;
  for (const auto& filter : data.filters) {
    if (conditions.ends_with(filter.text)) continue;  // BETWEEN is two
    conditions += (conditions.empty() ? "" : "\n") + filter.text;
  }
  return conditions;
}

duckdb::TableFunction MakeStreamFunction(const char* name, const duckdb::vector<duckdb::LogicalType>& arguments,
                                         duckdb::table_function_bind_t bind) {
  duckdb::TableFunction function(name, arguments, Scan, bind, InitGlobal,
                                 duckdb::ArrowTableFunction::ArrowScanInitLocal);
  function.projection_pushdown = true;
  return function;
}

}  // namespace hyprstream::engine
