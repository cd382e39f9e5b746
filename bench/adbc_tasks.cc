// ADBC drivers used directly, without a server: what backends are held against.
#include <arrow-adbc/adbc.h>
#include <arrow-adbc/adbc_driver_manager.h>
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <map>
#include <memory>
#include <utility>

#include "bench/bench_rows.h"
#include "bench/task.h"

namespace hyprstream::bench {

namespace {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

// Takes the error.
arrow::Status Outcome(AdbcStatusCode code, AdbcError& error) {
  if (code == ADBC_STATUS_OK) return arrow::Status::OK();
  auto status = arrow::Status::Invalid(error.message == nullptr ? "the driver failed" : error.message);
  if (error.release != nullptr) error.release(&error);
  return status;
}

// Calls an ADBC function, whose last argument is its error.
template <class Function, class... Arguments>
arrow::Status Call(Function function, Arguments... arguments) {
  AdbcError error = ADBC_ERROR_INIT;
  return Outcome(function(arguments..., &error), error);
}

class Database {
 public:
  ~Database() { static_cast<void>(Call(AdbcDatabaseRelease, &database_)); }
  arrow::Status Open(const TaskOptions& options) {
    ARROW_RETURN_NOT_OK(Call(AdbcDatabaseNew, &database_));
    ARROW_RETURN_NOT_OK(Call(AdbcDatabaseSetOption, &database_, "driver", options.driver.c_str()));
    ARROW_RETURN_NOT_OK(Call(AdbcDatabaseSetOption, &database_, "uri", options.url.c_str()));
    return Call(AdbcDatabaseInit, &database_);
  }
  AdbcDatabase* get() { return &database_; }

 private:
  AdbcDatabase database_{};
};

class Statement {
 public:
  ~Statement() { static_cast<void>(Call(AdbcStatementRelease, &statement_)); }
  arrow::Status Open(AdbcConnection* connection) { return Call(AdbcStatementNew, connection, &statement_); }
  arrow::Status SetSql(const std::string& sql) { return Call(AdbcStatementSetSqlQuery, &statement_, sql.c_str()); }
  arrow::Status SetOption(const char* name, const char* value) {
    return Call(AdbcStatementSetOption, &statement_, name, value);
  }
  arrow::Status Prepare() { return Call(AdbcStatementPrepare, &statement_); }
  arrow::Status Bind(const Batches& batches) {
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make(batches, batches[0]->schema()));
    ArrowArrayStream stream{};
    ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(std::move(reader), &stream));
    return Call(AdbcStatementBindStream, &statement_, &stream);
  }
  // The number of rows that it says it has changed.
  arrow::Result<std::int64_t> Update() {
    std::int64_t rows = -1;
    ARROW_RETURN_NOT_OK(Call(AdbcStatementExecuteQuery, &statement_, static_cast<ArrowArrayStream*>(nullptr), &rows));
    return rows;
  }
  arrow::Result<std::int64_t> Read(Fingerprint* fingerprint = nullptr) {
    ArrowArrayStream stream{};
    ARROW_RETURN_NOT_OK(Call(AdbcStatementExecuteQuery, &statement_, &stream, static_cast<std::int64_t*>(nullptr)));
    ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ImportRecordBatchReader(&stream));
    std::int64_t rows = 0;
    for (std::shared_ptr<arrow::RecordBatch> batch;;) {
      ARROW_RETURN_NOT_OK(reader->ReadNext(&batch));
      if (batch == nullptr) return rows;
      rows += batch->num_rows();
      if (fingerprint != nullptr) fingerprint->Add(*batch);
    }
  }

 private:
  AdbcStatement statement_{};
};

class Connection {
 public:
  ~Connection() { static_cast<void>(Call(AdbcConnectionRelease, &connection_)); }
  arrow::Status Open(Database& database) {
    ARROW_RETURN_NOT_OK(Call(AdbcConnectionNew, &connection_));
    return Call(AdbcConnectionInit, &connection_, database.get());
  }
  arrow::Result<std::unique_ptr<Statement>> Make(const std::string& sql = {}) {
    auto statement = std::make_unique<Statement>();
    ARROW_RETURN_NOT_OK(statement->Open(&connection_));
    if (!sql.empty()) ARROW_RETURN_NOT_OK(statement->SetSql(sql));
    return statement;
  }
  arrow::Status Run(const std::string& sql) {
    ARROW_ASSIGN_OR_RAISE(const auto statement, Make(sql));
    return statement->Update().status();
  }
  arrow::Status RunAll(const std::vector<std::string>& statements) {
    for (const auto& sql : statements) ARROW_RETURN_NOT_OK(Run(sql));
    return arrow::Status::OK();
  }
  // Appends, or makes a temporary table.
  arrow::Result<std::int64_t> Ingest(const std::string& table, bool temporary, const Batches& batches) {
    ARROW_ASSIGN_OR_RAISE(const auto statement, Make());
    ARROW_RETURN_NOT_OK(statement->SetOption(ADBC_INGEST_OPTION_TARGET_TABLE, table.c_str()));
    ARROW_RETURN_NOT_OK(statement->SetOption(
        ADBC_INGEST_OPTION_MODE, temporary ? ADBC_INGEST_OPTION_MODE_CREATE : ADBC_INGEST_OPTION_MODE_APPEND));
    if (temporary) {
      ARROW_RETURN_NOT_OK(statement->SetOption(ADBC_INGEST_OPTION_TEMPORARY, ADBC_OPTION_VALUE_ENABLED));
    }
    ARROW_RETURN_NOT_OK(statement->Bind(batches));
    return statement->Update();
  }
  arrow::Status SetAutocommit(bool on) {
    return Call(AdbcConnectionSetOption, &connection_, ADBC_CONNECTION_OPTION_AUTOCOMMIT,
                on ? ADBC_OPTION_VALUE_ENABLED : ADBC_OPTION_VALUE_DISABLED);
  }
  arrow::Status Commit() { return Call(AdbcConnectionCommit, &connection_); }

 private:
  AdbcConnection connection_{};
};

class AdbcTask : public Task {
 public:
  arrow::Status Open(const TaskOptions& options) {
    options_ = options;
    ARROW_RETURN_NOT_OK(database_.Open(options));
    ARROW_RETURN_NOT_OK(connection_.Open(database_));
    return connection_.RunAll(options.setup);
  }
  std::map<std::string, std::string> Facts() const override { return {{"fingerprint", fingerprint_}}; }

 protected:
  // Once, before any clock is started.
  const Batches& batches() {
    if (batches_.empty()) {
      batches_ = options_.numbered ? MakeNumberedRows(options_.rows, options_.batch_rows)
                                   : MakeRows(options_.rows, options_.batch_rows);
    }
    return batches_;
  }

  TaskOptions options_;
  Database database_;
  Connection connection_;
  std::string fingerprint_;

 private:
  Batches batches_;
};

class ReadTask final : public AdbcTask {
 public:
  arrow::Result<double> Run() override {
    ARROW_ASSIGN_OR_RAISE(const auto statement, connection_.Make(options_.sql));
    if (fingerprint_.empty()) {
      Fingerprint found;
      ARROW_RETURN_NOT_OK(statement->Read(&found).status());
      fingerprint_ = found.Text();
    }
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(const auto rows, statement->Read());
    ARROW_RETURN_NOT_OK(ExpectRows(options_.rows, rows));
    return static_cast<double>(rows) / watch.seconds();
  }
};

class IngestTask final : public AdbcTask {
 public:
  arrow::Result<double> Run() override {
    const auto& all = batches();
    ARROW_RETURN_NOT_OK(connection_.RunAll(options_.reset));
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(const auto rows, connection_.Ingest(options_.table, false, all));
    ARROW_RETURN_NOT_OK(ExpectRows(options_.rows, rows));
    return static_cast<double>(rows) / watch.seconds();
  }
};

// One transaction: COPY into a temporary table, then the statement that merges it.
class UpsertTask final : public AdbcTask {
 public:
  arrow::Result<double> Run() override {
    const auto& all = batches();
    ARROW_RETURN_NOT_OK(connection_.RunAll(options_.reset));
    const Stopwatch watch;
    ARROW_RETURN_NOT_OK(connection_.SetAutocommit(false));
    ARROW_RETURN_NOT_OK(connection_.Ingest(options_.table, true, all).status());
    ARROW_ASSIGN_OR_RAISE(const auto statement, connection_.Make(options_.sql));
    ARROW_ASSIGN_OR_RAISE(const auto rows, statement->Update());
    ARROW_RETURN_NOT_OK(connection_.Run("DROP TABLE " + options_.table));
    ARROW_RETURN_NOT_OK(connection_.Commit());
    ARROW_RETURN_NOT_OK(connection_.SetAutocommit(true));
    const double seconds = watch.seconds();
    ARROW_RETURN_NOT_OK(ExpectRows(options_.rows, rows));
    return static_cast<double>(rows) / seconds;
  }
};

// A prepared statement, with another key each time.
class PointTask final : public AdbcTask {
 public:
  arrow::Result<double> Run() override {
    if (prepared_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(prepared_, connection_.Make(options_.sql));
      ARROW_RETURN_NOT_OK(prepared_->Prepare());
    }
    Fingerprint found;
    auto median = MedianSeconds(options_.iterations, [&](int i) -> arrow::Status {
      const std::vector<std::int64_t> key{PointKey(i, options_.rows)};
      const auto column = std::make_shared<arrow::Int64Array>(1, arrow::Buffer::FromVector(key));
      ARROW_RETURN_NOT_OK(
          prepared_->Bind({arrow::RecordBatch::Make(arrow::schema({arrow::field("1", arrow::int64())}), 1, {column})}));
      ARROW_ASSIGN_OR_RAISE(const auto rows, prepared_->Read(&found));
      return ExpectRows(1, rows);
    });
    fingerprint_ = found.Text();
    return median;
  }

 private:
  std::unique_ptr<Statement> prepared_;
};

// As many threads as connections, each asking one after the other: what a pool of them gives at most.
class ClientsTask final : public AdbcTask {
 public:
  arrow::Result<double> Run() override {
    while (connections_.size() < static_cast<std::size_t>(options_.connections)) {
      auto connection = std::make_unique<Connection>();
      ARROW_RETURN_NOT_OK(connection->Open(database_));
      connections_.push_back(std::move(connection));
    }
    const auto ask = [this](std::size_t client) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto statement, connections_[client]->Make(options_.sql));
      return statement->Read().status();
    };
    ARROW_ASSIGN_OR_RAISE(throughput_, StatementsOfClients(options_.connections, options_.seconds, ask));
    return throughput_.per_second;
  }
  std::map<std::string, std::string> Facts() const override { return throughput_.Facts(); }

 private:
  std::vector<std::unique_ptr<Connection>> connections_;
  Throughput throughput_;
};

}  // namespace

arrow::Result<std::unique_ptr<Task>> MakeAdbcTask(const TaskOptions& options) {
  if (options.kind == "adbc-read") return OpenTask<ReadTask>(options);
  if (options.kind == "adbc-ingest") return OpenTask<IngestTask>(options);
  if (options.kind == "adbc-upsert") return OpenTask<UpsertTask>(options);
  if (options.kind == "adbc-point") return OpenTask<PointTask>(options);
  if (options.kind == "adbc-clients") return OpenTask<ClientsTask>(options);
  return arrow::Status::Invalid("Unknown kind of task: ", options.kind);
}

}  // namespace hyprstream::bench
