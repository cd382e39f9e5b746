// DuckDB in this process, with its default settings: what the server is held against.
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <duckdb.hpp>
#include <duckdb/common/arrow/arrow_format.hpp>
#include <duckdb/common/arrow/arrow_wrapper.hpp>
#include <duckdb/main/prepared_statement.hpp>
#include <duckdb/main/query_result_stream.hpp>
#include <utility>

#include "bench/bench_rows.h"
#include "bench/task.h"
#include "duckdb.h"

namespace hyprstream::bench {

namespace {

constexpr std::int64_t kKeys = 10'000;  // unless the options say how many

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

constexpr duckdb::idx_t kResultBatchRows = 30'720;  // as the server's

class DuckDbTask : public Task {
 public:
  arrow::Status Open(const TaskOptions& options) {
    options_ = options;
    return RunAll(options.setup);
  }

 protected:
  arrow::Status RunAll(const std::vector<std::string>& statements) {
    for (const auto& sql : statements) {
      const auto result = connection_.Query(sql);
      if (result->HasError()) return arrow::Status::Invalid(result->GetError());
    }
    return arrow::Status::OK();
  }

  TaskOptions options_;
  duckdb::DuckDB database_{nullptr};
  duckdb::Connection connection_{database_};
};

// INSERT ... SELECT from an Arrow scan: a statement (and so a commit) for each batch, as the acknowledgements of a
// DoPut promise, or one for the whole stream. Then, where there is one, a query over all of them.
class InsertTask final : public DuckDbTask {
 public:
  arrow::Result<double> Run() override {
    if (batches_.empty())
      batches_ = MakeRows(options_.rows, options_.batch_rows, options_.keys > 0 ? options_.keys : kKeys);
    ARROW_RETURN_NOT_OK(RunAll(options_.reset));
    const Stopwatch watch;
    if (options_.kind == "duckdb-insert-all") {
      ARROW_RETURN_NOT_OK(Insert(batches_));
    } else {
      for (const auto& batch : batches_) ARROW_RETURN_NOT_OK(Insert({batch}));
    }
    if (!options_.sql.empty()) ARROW_RETURN_NOT_OK(RunAll({options_.sql}));
    return static_cast<double>(options_.rows) / watch.seconds();
  }

 private:
  arrow::Status Insert(const Batches& batches) {
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make(batches, RowSchema()));
    ArrowArrayStream stream{};
    ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(reader, &stream));
    // The C call registers the stream as a view for the statement; a C connection is DuckDB's own behind a pointer.
    auto* connection = reinterpret_cast<duckdb_connection>(&connection_);
    if (duckdb_arrow_scan(connection, "bench_input", reinterpret_cast<duckdb_arrow_stream>(&stream)) == DuckDBError) {
      return arrow::Status::Invalid("DuckDB refuses the stream");
    }
    const auto result = connection_.Query("INSERT INTO " + options_.table + " SELECT * FROM bench_input");
    if (stream.release != nullptr) stream.release(&stream);
    return result->HasError() ? arrow::Status::Invalid(result->GetError()) : arrow::Status::OK();
  }

  Batches batches_;
};

// A query's rows as Arrow arrays, read and dropped.
class ExportTask final : public DuckDbTask {
 public:
  arrow::Result<double> Run() override {
    const Stopwatch watch;
    auto result = connection_.Submit(
        options_.sql, duckdb::QueryParameters(duckdb::make_shared_ptr<duckdb::ArrowFormat>(kResultBatchRows)));
    if (result->HasError()) return arrow::Status::Invalid(result->GetError());
    duckdb::QueryResultStream<duckdb::ArrowFormat> stream(std::move(result));
    std::int64_t rows = 0;
    while (const auto array = stream.Fetch()) rows += array->arrow_array.length;
    ARROW_RETURN_NOT_OK(ExpectRows(options_.rows, rows));
    return static_cast<double>(rows) / watch.seconds();
  }
};

class PointTask final : public DuckDbTask {
 public:
  arrow::Result<double> Run() override {
    if (prepared_ == nullptr) prepared_ = connection_.Prepare(options_.sql);
    if (prepared_->HasError()) return arrow::Status::Invalid(prepared_->GetError());
    return MedianSeconds(options_.iterations, [this](int i) -> arrow::Status {
      duckdb::vector<duckdb::Value> values{duckdb::Value::BIGINT(PointKey(i, options_.rows))};
      const auto result = prepared_->Execute(values);
      if (result->HasError()) return arrow::Status::Invalid(result->GetError());
      const auto chunk = result->Fetch();
      return ExpectRows(1, chunk ? static_cast<std::int64_t>(chunk->size()) : 0);
    });
  }

 private:
  duckdb::unique_ptr<duckdb::PreparedStatement> prepared_;
};

class ClientsTask final : public DuckDbTask {
 public:
  arrow::Result<double> Run() override {
    while (connections_.size() < static_cast<std::size_t>(options_.clients)) {
      connections_.push_back(std::make_unique<duckdb::Connection>(database_));
    }
    const auto ask = [this](std::size_t client) -> arrow::Status {
      const auto result = connections_[client]->Query(options_.sql);
      return result->HasError() ? arrow::Status::Invalid(result->GetError()) : arrow::Status::OK();
    };
    ARROW_ASSIGN_OR_RAISE(const auto throughput, StatementsOfClients(options_.clients, options_.seconds, ask));
    return throughput.per_second;
  }

 private:
  std::vector<std::unique_ptr<duckdb::Connection>> connections_;
};

}  // namespace

arrow::Result<std::unique_ptr<Task>> MakeDuckDbTask(const TaskOptions& options) {
  if (options.kind == "duckdb-insert" || options.kind == "duckdb-insert-all") return OpenTask<InsertTask>(options);
  if (options.kind == "duckdb-export") return OpenTask<ExportTask>(options);
  if (options.kind == "duckdb-point") return OpenTask<PointTask>(options);
  if (options.kind == "duckdb-clients") return OpenTask<ClientsTask>(options);
  return arrow::Status::Invalid("Unknown kind of task: ", options.kind);
}

}  // namespace hyprstream::bench
