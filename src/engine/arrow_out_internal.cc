#include "engine/arrow_out_internal.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <duckdb.hpp>
#include <duckdb/common/arrow/arrow_appender.hpp>
#include <duckdb/common/arrow/arrow_converter.hpp>
#include <duckdb/common/arrow/arrow_format.hpp>
#include <duckdb/function/table/arrow/arrow_duck_schema.hpp>
#include <duckdb/main/query_result_stream.hpp>
#include <utility>

#include "engine/arrow_carrier_internal.h"
#include "engine/bounded_format_internal.h"
#include "engine/guard_internal.h"

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

// Pulls Arrow arrays that DuckDB's own threads produce.
class StreamReader : public arrow::RecordBatchReader {
 public:
  StreamReader(duckdb::unique_ptr<duckdb::QueryResult> result, std::shared_ptr<arrow::Schema> schema)
      : stream_(std::move(result)), schema_(std::move(schema)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    if (done_) return arrow::Status::OK();
    return Guard([&]() -> arrow::Status {
      auto array = stream_.Fetch();
      if (stream_.HasError()) {
        done_ = true;
        return StatusFrom(stream_.GetErrorObject());
      }
      if (!array) {
        done_ = true;
        return arrow::Status::OK();
      }
      *batch = Import(array->arrow_array, schema_);
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
  duckdb::QueryResultStream<duckdb::ArrowFormat> stream_;
  std::shared_ptr<arrow::Schema> schema_;
  bool done_ = false;
};

class BufferedReader : public arrow::RecordBatchReader {
 public:
  BufferedReader(duckdb::shared_ptr<duckdb::ClientContext> context, duckdb::unique_ptr<duckdb::QueryResult> result,
                 duckdb::vector<duckdb::LogicalType> types, std::shared_ptr<arrow::Schema> schema)
      : context_(std::move(context)),
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
      while (rows < kResultBatchRows && bytes < kResultBatchBytes) {
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
  duckdb::unique_ptr<duckdb::QueryResult> result_;
  duckdb::vector<duckdb::LogicalType> types_;
  std::shared_ptr<arrow::Schema> schema_;
  bool done_ = false;
};

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
  duckdb::ArrowSchemaWrapper wrapper;
  duckdb::vector<duckdb::string> duck_names(names.begin(), names.end());
  duckdb::ArrowConverter::ToArrowSchema(&wrapper.arrow_schema, types, duck_names, properties);
  return OrThrow(arrow::ImportSchema(&wrapper.arrow_schema));
}

BatchBuilder::BatchBuilder(duckdb::ClientContext& context, const duckdb::vector<duckdb::LogicalType>& types,
                           std::vector<std::string> names)
    : context_(context), types_(types), schema_(ToArrowSchema(context, types, names)) {}

BatchBuilder::~BatchBuilder() = default;

void BatchBuilder::Append(duckdb::DataChunk& chunk) {
  if (!appender_) {
    appender_ =
        std::make_unique<duckdb::ArrowAppender>(types_, STANDARD_VECTOR_SIZE, context_.GetClientProperties(),
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

std::shared_ptr<arrow::RecordBatchReader> BufferedResult(duckdb::shared_ptr<duckdb::ClientContext> context,
                                                         duckdb::unique_ptr<duckdb::QueryResult> result,
                                                         duckdb::vector<duckdb::LogicalType> types,
                                                         std::shared_ptr<arrow::Schema> schema) {
  return std::make_shared<BufferedReader>(std::move(context), std::move(result), std::move(types), std::move(schema));
}

}  // namespace hyprstream::engine
