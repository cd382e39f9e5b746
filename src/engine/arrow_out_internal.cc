#include "engine/arrow_out_internal.h"

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <chrono>
#include <duckdb.hpp>
#include <duckdb/common/arrow/arrow_appender.hpp>
#include <duckdb/common/arrow/arrow_converter.hpp>
#include <duckdb/common/arrow/arrow_format.hpp>
#include <duckdb/function/table/arrow/arrow_duck_schema.hpp>
#include <duckdb/main/query_result_stream.hpp>
#include <thread>
#include <utility>

#include "engine/arrow_carrier_internal.h"
#include "engine/bounded_format_internal.h"
#include "engine/guard_internal.h"
#include "engine/interval_range_internal.h"

namespace hyprstream::engine {

namespace {

template <class T>
T OrThrow(arrow::Result<T> result) {
  if (!result.ok()) throw duckdb::InvalidInputException(result.status().message());
  return std::move(result).ValueUnsafe();
}

std::shared_ptr<arrow::RecordBatch> Import(ArrowArray& array, const std::shared_ptr<arrow::Schema>& schema) {
  return OrThrow(arrow::ImportRecordBatch(&array, schema));
}

// The columns of `schema` that DuckDB's appender makes, because their layouts differ.
std::shared_ptr<arrow::Schema> OthersOf(const arrow::Schema& schema, const ResultColumns& columns) {
  arrow::FieldVector fields;
  for (std::size_t i = 0; i < columns.fixed_width.size(); ++i) {
    if (columns.fixed_width[i] == nullptr) fields.push_back(schema.field(static_cast<int>(i)));
  }
  return arrow::schema(std::move(fields));
}

// `column` whose buffers keep `hold`.
std::shared_ptr<arrow::ArrayData> Holding(const arrow::ArrayData& column,
                                          const std::shared_ptr<ResultMemory::Hold>& hold) {
  struct Held {
    std::shared_ptr<ResultMemory::Hold> hold;
    std::shared_ptr<arrow::Buffer> buffer;
  };
  auto held = column.Copy();
  for (auto& buffer : held->buffers) {
    if (buffer == nullptr) continue;
    const auto both = std::make_shared<Held>(hold, std::move(buffer));
    buffer = std::shared_ptr<arrow::Buffer>(both, both->buffer.get());
  }
  for (auto& child : held->child_data) child = Holding(*child, hold);
  return held;
}

std::shared_ptr<arrow::RecordBatch> ToBatch(ResultColumns& columns, const std::shared_ptr<arrow::Schema>& schema) {
  std::shared_ptr<arrow::RecordBatch> others;
  if (columns.others.arrow_array.release != nullptr) {
    others = Import(columns.others.arrow_array, OthersOf(*schema, columns));
  }
  int next_other = 0;
  const auto hold = std::make_shared<ResultMemory::Hold>(std::move(columns.hold));
  arrow::ArrayDataVector arrays;
  for (std::size_t i = 0; i < columns.fixed_width.size(); ++i) {
    auto& fixed = columns.fixed_width[i];
    if (fixed != nullptr) fixed->type = schema->field(static_cast<int>(i))->type();
    arrays.push_back(Holding(fixed != nullptr ? *fixed : *others->column_data(next_other++), hold));
  }
  return arrow::RecordBatch::Make(schema, columns.rows, std::move(arrays));
}

// Pulls columns that DuckDB's own threads produce.
class StreamReader : public arrow::RecordBatchReader {
 public:
  StreamReader(duckdb::unique_ptr<duckdb::QueryResult> result, std::shared_ptr<arrow::Schema> schema)
      : stream_(std::move(result)), schema_(std::move(schema)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    if (done_) return arrow::Status::OK();
    return Guard([&]() -> arrow::Status {
      auto columns = NextUnit();
      if (stream_.HasError()) {
        done_ = true;
        return StatusFrom(stream_.GetErrorObject());
      }
      if (!columns) {
        done_ = true;
        return arrow::Status::OK();
      }
      *batch = ToBatch(*columns, schema_);
      return arrow::Status::OK();
    });
  }

  arrow::Status Close() override {
    done_ = true;
    return Guard([&] {
      stream_.Close();
      return arrow::Status::OK();
    });
  }

 private:
  // As DuckDB's Fetch(), which spins while its workers have all tasks in hand, on a core that they and the client need,
  // and gives nothing out before its buffer is full.
  duckdb::unique_ptr<ResultColumns> NextUnit() {
    duckdb::unique_ptr<ResultColumns> columns;
    for (int idle = 0;;) {
      const auto state = stream_.TryFetch(columns);
      if (columns != nullptr || duckdb::IsTerminal(state)) return columns;
      switch (stream_.ExecuteTask()) {
        case duckdb::QueryResultState::NO_TASKS_AVAILABLE:
          Idle(idle++);
          break;
        case duckdb::QueryResultState::BLOCKED:
          stream_.WaitForTask();
          break;
        default:
          idle = 0;
      }
    }
  }

  // A short answer is worth a spin; to yield would cost it another process's whole slice of the core. Who has waited
  // long, as for a backend, naps longer, which takes no more than a few hundredths of the wait.
  static void Idle(int times) {
    constexpr int kSpinsMax = 200;
    constexpr int kNapsAlike = 8;
    constexpr std::chrono::microseconds kNap{50};
    constexpr std::chrono::microseconds kNapMax{1'000};
    if (times < kSpinsMax) return;
    const int longer = (times - kSpinsMax) / kNapsAlike;
    std::this_thread::sleep_for(std::min(kNap * (longer + 1), kNapMax));
  }

  duckdb::QueryResultStream<BoundedArrowFormat> stream_;
  std::shared_ptr<arrow::Schema> schema_;
  bool done_ = false;
};

class BufferedReader : public arrow::RecordBatchReader {
 public:
  BufferedReader(BufferedResultDependencies dependencies, duckdb::unique_ptr<duckdb::QueryResult> result,
                 duckdb::vector<duckdb::LogicalType> types, std::shared_ptr<arrow::Schema> schema)
      : context_(std::move(dependencies.context)),
        memory_(std::move(dependencies.memory)),
        result_(std::move(result)),
        types_(std::move(types)),
        schema_(std::move(schema)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    if (done_) return arrow::Status::OK();
    return Guard([&]() -> arrow::Status {
      auto names = std::vector<std::string>(schema_->field_names());
      BatchBuilder builder(*context_, types_, std::move(names));
      duckdb::idx_t rows = 0;
      std::int64_t bytes = 0;
      while (rows < kResultBatchRows && bytes < memory_->BatchBytes()) {
        auto chunk = result_->FetchRaw();
        if (!chunk || chunk->size() == 0) {
          done_ = true;
          break;
        }
        rows += chunk->size();
        bytes += BytesOf(*chunk);
        if (chunk->GetTypes() == types_) {
          builder.Append(*chunk);
          continue;
        }
        duckdb::DataChunk carried;
        CastToCarriers(*context_, *chunk, types_, carried);
        builder.Append(carried);
      }
      auto batches = builder.Finish();
      if (!batches.empty()) *batch = arrow::RecordBatch::Make(schema_, batches[0]->num_rows(), batches[0]->columns());
      return arrow::Status::OK();
    });
  }

 private:
  duckdb::shared_ptr<duckdb::ClientContext> context_;
  const std::shared_ptr<ResultMemory> memory_;
  duckdb::unique_ptr<duckdb::QueryResult> result_;
  duckdb::vector<duckdb::LogicalType> types_;
  std::shared_ptr<arrow::Schema> schema_;
  bool done_ = false;
};

std::shared_ptr<arrow::Schema> SchemaOf(const duckdb::vector<duckdb::LogicalType>& types,
                                        const std::vector<std::string>& names, duckdb::ClientProperties properties) {
  duckdb::ArrowSchemaWrapper wrapper;
  const duckdb::vector<duckdb::string> duck_names(names.begin(), names.end());
  duckdb::ArrowConverter::ToArrowSchema(&wrapper.arrow_schema, types, duck_names, properties);
  return OrThrow(arrow::ImportSchema(&wrapper.arrow_schema));
}

duckdb::ClientProperties PropertiesFor(duckdb::ClientContext& context, ArrowForm form) {
  auto properties = context.GetClientProperties();
  properties.arrow_lossless_conversion = form == ArrowForm::kLossless;
  return properties;
}

}  // namespace

std::vector<std::string> ToNames(const duckdb::vector<duckdb::Identifier>& names) {
  std::vector<std::string> out;
  out.reserve(names.size());
  for (const auto& name : names) out.push_back(name.GetIdentifierName());
  return out;
}

std::shared_ptr<arrow::Schema> ToArrowSchema(duckdb::ClientContext& context,
                                             const duckdb::vector<duckdb::LogicalType>& types,
                                             const std::vector<std::string>& names) {
  return ToArrowSchemaInZone(context, types, names, context.GetClientProperties().time_zone);
}

std::shared_ptr<arrow::Schema> ToArrowSchemaInZone(duckdb::ClientContext& context,
                                                   const duckdb::vector<duckdb::LogicalType>& types,
                                                   const std::vector<std::string>& names,
                                                   const std::string& time_zone) {
  auto properties = context.GetClientProperties();
  properties.time_zone = time_zone;
  return SchemaOf(types, names, properties);
}

std::shared_ptr<arrow::Schema> ToArrowSchemaInForm(duckdb::ClientContext& context,
                                                   const duckdb::vector<duckdb::LogicalType>& types,
                                                   const std::vector<std::string>& names, ArrowForm form) {
  return SchemaOf(types, names, PropertiesFor(context, form));
}

BatchBuilder::BatchBuilder(duckdb::ClientContext& context, const duckdb::vector<duckdb::LogicalType>& types,
                           std::vector<std::string> names)
    : context_(context), types_(types), schema_(ToArrowSchema(context, types, names)) {}

BatchBuilder::BatchBuilder(duckdb::ClientContext& context, const duckdb::vector<duckdb::LogicalType>& types,
                           std::shared_ptr<arrow::Schema> schema, ArrowForm form)
    : context_(context), types_(types), schema_(std::move(schema)), form_(form) {}

BatchBuilder::~BatchBuilder() = default;

void BatchBuilder::Append(duckdb::DataChunk& chunk) {
  CheckIntervals(chunk);
  if (!appender_) {
    appender_ =
        std::make_unique<duckdb::ArrowAppender>(types_, STANDARD_VECTOR_SIZE, PropertiesFor(context_, form_),
                                                duckdb::ArrowTypeExtensionData::GetExtensionTypes(context_, types_));
  }
  appender_->Append(chunk, 0, chunk.size(), chunk.size());
  if (appender_->RowCount() >= kResultBatchRows) Flush();
}

void BatchBuilder::Flush() {
  if (!appender_) return;
  auto array = appender_->Finalize();
  appender_.reset();
  batches_.push_back(Import(array, schema_));
}

std::vector<std::shared_ptr<arrow::RecordBatch>> BatchBuilder::Finish() {
  Flush();
  return std::exchange(batches_, {});
}

std::shared_ptr<arrow::RecordBatchReader> StreamResult(duckdb::unique_ptr<duckdb::QueryResult> result,
                                                       std::shared_ptr<arrow::Schema> schema) {
  return std::make_shared<StreamReader>(std::move(result), std::move(schema));
}

std::shared_ptr<arrow::RecordBatchReader> BufferedResult(BufferedResultDependencies dependencies,
                                                         duckdb::unique_ptr<duckdb::QueryResult> result,
                                                         duckdb::vector<duckdb::LogicalType> types,
                                                         std::shared_ptr<arrow::Schema> schema) {
  return std::make_shared<BufferedReader>(std::move(dependencies), std::move(result), std::move(types),
                                          std::move(schema));
}

}  // namespace hyprstream::engine
