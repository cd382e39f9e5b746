// DuckDB's rows out as Arrow. Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/identifier.hpp>
#include <duckdb/common/types.hpp>
#include <duckdb/common/vector.hpp>
#include <memory>
#include <vector>

namespace arrow {
class RecordBatch;
class RecordBatchReader;
class Schema;
}  // namespace arrow

namespace duckdb {
class ArrowAppender;
class ClientContext;
class DataChunk;
class QueryResult;
}  // namespace duckdb

namespace hyprstream::engine {

class ResultMemory;

// Rows of one outgoing batch: large enough to amortise, small enough for a first row soon and for the caches, which
// hold a batch until it is in the socket.
inline constexpr duckdb::idx_t kResultBatchRows = 30'720;
// What DuckDB may make of a streamed result before it is fetched, beside what each of its threads has in hand.
inline constexpr duckdb::idx_t kResultBufferBytes = 1 << 20;

// The Arrow schema of columns. Clients see those of CarriersOf(types).
std::shared_ptr<arrow::Schema> ToArrowSchema(duckdb::ClientContext& context,
                                             const duckdb::vector<duckdb::LogicalType>& types,
                                             const std::vector<std::string>& names);
// The same with times labelled as in `time_zone`, whatever the connection's is.
std::shared_ptr<arrow::Schema> ToArrowSchemaInZone(duckdb::ClientContext& context,
                                                   const duckdb::vector<duckdb::LogicalType>& types,
                                                   const std::vector<std::string>& names, const std::string& time_zone);

// What clients read, or with DuckDB's own extension types, so that a scan of it gives (most) types back.
enum class ArrowForm { kCommon, kLossless };
std::shared_ptr<arrow::Schema> ToArrowSchemaInForm(duckdb::ClientContext& context,
                                                   const duckdb::vector<duckdb::LogicalType>& types,
                                                   const std::vector<std::string>& names, ArrowForm form);

std::vector<std::string> ToNames(const duckdb::vector<duckdb::Identifier>& names);

// Collects chunks into record batches of at most kResultBatchRows rows.
class BatchBuilder {
 public:
  BatchBuilder(duckdb::ClientContext& context, const duckdb::vector<duckdb::LogicalType>& types,
               std::vector<std::string> names);
  // Of a schema made for these types in this form.
  BatchBuilder(duckdb::ClientContext& context, const duckdb::vector<duckdb::LogicalType>& types,
               std::shared_ptr<arrow::Schema> schema, ArrowForm form);
  ~BatchBuilder();

  void Append(duckdb::DataChunk& chunk);
  std::vector<std::shared_ptr<arrow::RecordBatch>> Finish();
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

 private:
  void Flush();

  duckdb::ClientContext& context_;
  duckdb::vector<duckdb::LogicalType> types_;
  std::shared_ptr<arrow::Schema> schema_;
  ArrowForm form_ = ArrowForm::kCommon;
  std::unique_ptr<duckdb::ArrowAppender> appender_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
};

// The rows of a submitted result, computed while they are read. The connection must outlive the reader.
std::shared_ptr<arrow::RecordBatchReader> StreamResult(duckdb::unique_ptr<duckdb::QueryResult> result,
                                                       std::shared_ptr<arrow::Schema> schema);
struct BufferedResultDependencies {
  duckdb::shared_ptr<duckdb::ClientContext> context;
  std::shared_ptr<ResultMemory> memory;
};
// The rows of a result that is complete, in DuckDB's buffer manager, cast to `types` (the schema's) where theirs
// differ; independent of the connection's next statement.
std::shared_ptr<arrow::RecordBatchReader> BufferedResult(BufferedResultDependencies dependencies,
                                                         duckdb::unique_ptr<duckdb::QueryResult> result,
                                                         duckdb::vector<duckdb::LogicalType> types,
                                                         std::shared_ptr<arrow::Schema> schema);

}  // namespace hyprstream::engine
