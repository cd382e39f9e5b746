// The Flight clients of bench_worker.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/flight/client.h>
#include <arrow/flight/sql/client.h>
#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <atomic>
#include <future>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "bench/bench_rows.h"
#include "bench/task.h"

namespace hyprstream::bench {

namespace {

constexpr std::int64_t kKeys = 10'000;  // unless the options say how many

namespace fl = arrow::flight;

// In gRPC 1.51 one connection in some hundreds fails although the server is there (src/cli/server_link.cc).
arrow::Result<std::unique_ptr<fl::FlightClient>> ConnectPlain(const std::string& url) {
  ARROW_ASSIGN_OR_RAISE(const auto location, fl::Location::Parse(url));
  constexpr int kAttempts = 20;
  for (int attempt = 1;; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(auto client, fl::FlightClient::Connect(location));
    const auto message = client->ListActions().status().message();
    if (message.find("No such file or directory") == std::string::npos || attempt == kAttempts) return client;
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
  }
}

arrow::Result<std::unique_ptr<fl::sql::FlightSqlClient>> Connect(const std::string& url) {
  ARROW_ASSIGN_OR_RAISE(auto client, ConnectPlain(url));
  return std::make_unique<fl::sql::FlightSqlClient>(std::move(client));
}

arrow::Status RunAll(fl::sql::FlightSqlClient& client, const std::vector<std::string>& statements) {
  for (const auto& sql : statements) ARROW_RETURN_NOT_OK(client.ExecuteUpdate({}, sql).status());
  return arrow::Status::OK();
}

// Reads a statement's only endpoint to its end; returns the number of rows.
arrow::Result<std::int64_t> Drain(fl::sql::FlightSqlClient& client, const fl::FlightInfo& info,
                                  Fingerprint* fingerprint = nullptr) {
  ARROW_ASSIGN_OR_RAISE(auto stream, client.DoGet({}, info.endpoints()[0].ticket));
  std::int64_t rows = 0;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const auto chunk, stream->Next());
    if (chunk.data == nullptr) return rows;
    rows += chunk.data->num_rows();
    if (fingerprint != nullptr) fingerprint->Add(*chunk.data);
  }
}

class FlightTask : public Task {
 public:
  arrow::Status Open(const TaskOptions& options) {
    options_ = options;
    ARROW_ASSIGN_OR_RAISE(client_, Connect(options.url));
    return RunAll(*client_, options.setup);
  }

 protected:
  TaskOptions options_;
  std::unique_ptr<fl::sql::FlightSqlClient> client_;
};

// One DoPut of all batches; acknowledgements are read meanwhile, as a client that does not wait would. The clock stops
// at the last one, when every row is visible.
class PutTask final : public FlightTask {
 public:
  arrow::Result<double> Run() override {
    if (batches_.empty()) {
      batches_ = MakeRows(options_.rows, options_.batch_rows, options_.keys > 0 ? options_.keys : kKeys);
      ARROW_ASSIGN_OR_RAISE(plain_, ConnectPlain(options_.url));
    }
    ARROW_RETURN_NOT_OK(RunAll(*client_, options_.reset));
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(auto put, plain_->DoPut(fl::FlightDescriptor::Path({options_.table}), RowSchema()));
    std::size_t acknowledged = 0;
    std::thread reader([&] {
      std::shared_ptr<arrow::Buffer> metadata;
      while (acknowledged < batches_.size() && put.reader->ReadMetadata(&metadata).ok() && metadata != nullptr) {
        ++acknowledged;
      }
    });
    auto sent = Send(*put.writer);
    reader.join();
    const auto closed = put.writer->Close();
    const double seconds = watch.seconds();
    ARROW_RETURN_NOT_OK(sent);
    ARROW_RETURN_NOT_OK(closed);
    ARROW_RETURN_NOT_OK(
        ExpectRows(static_cast<std::int64_t>(batches_.size()), static_cast<std::int64_t>(acknowledged)));
    return static_cast<double>(options_.rows) / seconds;
  }

 private:
  arrow::Status Send(fl::FlightStreamWriter& writer) {
    for (const auto& batch : batches_) ARROW_RETURN_NOT_OK(writer.WriteRecordBatch(*batch));
    return writer.DoneWriting();
  }

  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  std::unique_ptr<fl::FlightClient> plain_;
};

// One Flight SQL ingest of all batches, which appends.
class IngestTask final : public FlightTask {
 public:
  arrow::Result<double> Run() override {
    if (batches_.empty()) {
      batches_ = options_.numbered ? MakeNumberedRows(options_.rows, options_.batch_rows)
                                   : MakeRows(options_.rows, options_.batch_rows);
    }
    ARROW_RETURN_NOT_OK(RunAll(*client_, options_.reset));
    using Exists = fl::sql::TableDefinitionOptionsTableExistsOption;
    using NotExist = fl::sql::TableDefinitionOptionsTableNotExistOption;
    const bool backend = !options_.catalog.empty();
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::RecordBatchReader::Make(batches_, batches_[0]->schema()));
    ARROW_ASSIGN_OR_RAISE(
        const auto rows,
        client_->ExecuteIngest({}, reader, {.if_not_exist = NotExist::kFail, .if_exists = Exists::kAppend},
                               options_.table, backend ? std::optional<std::string>("public") : std::nullopt,
                               backend ? std::optional(options_.catalog) : std::nullopt, false));
    const double seconds = watch.seconds();
    ARROW_RETURN_NOT_OK(ExpectRows(options_.rows, rows));
    return static_cast<double>(rows) / seconds;
  }

 private:
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
};

// One statement that changes rows.
class UpdateTask final : public FlightTask {
 public:
  arrow::Result<double> Run() override {
    ARROW_RETURN_NOT_OK(RunAll(*client_, options_.reset));
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(const auto rows, client_->ExecuteUpdate({}, options_.sql));
    const double seconds = watch.seconds();
    ARROW_RETURN_NOT_OK(ExpectRows(options_.rows, rows));
    return static_cast<double>(rows) / seconds;
  }
};

class ExportTask final : public FlightTask {
 public:
  arrow::Result<double> Run() override {
    if (fingerprint_.empty()) {
      Fingerprint found;
      ARROW_ASSIGN_OR_RAISE(const auto info, client_->Execute({}, options_.sql));
      ARROW_RETURN_NOT_OK(Drain(*client_, *info, &found).status());
      fingerprint_ = found.Text();
    }
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(const auto info, client_->Execute({}, options_.sql));
    ARROW_ASSIGN_OR_RAISE(const auto rows, Drain(*client_, *info));
    ARROW_RETURN_NOT_OK(ExpectRows(options_.rows, rows));
    return static_cast<double>(rows) / watch.seconds();
  }
  std::map<std::string, std::string> Facts() const override { return {{"fingerprint", fingerprint_}}; }

 private:
  std::string fingerprint_;
};

// Bind, info, get of one prepared statement, with another key each time.
class PointTask final : public FlightTask {
 public:
  arrow::Result<double> Run() override {
    if (prepared_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(prepared_, client_->Prepare({}, options_.sql));
    }
    Fingerprint found;
    auto median = MedianSeconds(options_.iterations, [&](int i) -> arrow::Status {
      const std::vector<std::int64_t> key{PointKey(i, options_.rows)};
      const auto column = std::make_shared<arrow::Int64Array>(1, arrow::Buffer::FromVector(key));
      ARROW_RETURN_NOT_OK(prepared_->SetParameters(
          arrow::RecordBatch::Make(arrow::schema({arrow::field("1", arrow::int64())}), 1, {column})));
      ARROW_ASSIGN_OR_RAISE(const auto info, prepared_->Execute());
      ARROW_ASSIGN_OR_RAISE(const auto rows, Drain(*client_, *info, &found));
      return ExpectRows(1, rows);
    });
    fingerprint_ = found.Text();
    return median;
  }
  std::map<std::string, std::string> Facts() const override { return {{"fingerprint", fingerprint_}}; }

 private:
  std::shared_ptr<fl::sql::PreparedStatement> prepared_;
  std::string fingerprint_;
};

// Clients with a connection each, asking one after the other until the time is over.
class ClientsTask final : public FlightTask {
 public:
  arrow::Result<double> Run() override {
    while (clients_.size() < static_cast<std::size_t>(options_.clients)) {
      ARROW_ASSIGN_OR_RAISE(auto client, Connect(options_.url));
      clients_.push_back(std::move(client));
    }
    const auto ask = [this](std::size_t client) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto info, clients_[client]->Execute({}, options_.sql));
      return Drain(*clients_[client], *info).status();
    };
    ARROW_ASSIGN_OR_RAISE(throughput_, StatementsOfClients(options_.clients, options_.seconds, ask));
    return throughput_.per_second;
  }
  std::map<std::string, std::string> Facts() const override { return throughput_.Facts(); }

 private:
  std::vector<std::unique_ptr<fl::sql::FlightSqlClient>> clients_;
  Throughput throughput_;
};

// One client asks, one statement after the other, while another one sends its batches over and over.
class AskWhilePutTask final : public FlightTask {
 public:
  arrow::Result<double> Run() override {
    if (batches_.empty()) {
      batches_ = MakeRows(options_.rows, options_.batch_rows, options_.keys);
      ARROW_ASSIGN_OR_RAISE(plain_, ConnectPlain(options_.url));
    }
    ARROW_RETURN_NOT_OK(RunAll(*client_, options_.reset));
    std::promise<void> begun;
    std::atomic<bool> ended = false;
    arrow::Status put;
    std::thread writer([&] { put = Put(begun, ended); });
    begun.get_future().wait();
    auto seconds = Ask();
    ended = true;
    writer.join();
    ARROW_RETURN_NOT_OK(put);
    ARROW_RETURN_NOT_OK(seconds.status());
    return Percentile(*std::move(seconds), options_.percentile);
  }

 private:
  // Until told to end; `begun` once all batches have been sent once, or an error has.
  arrow::Status Put(std::promise<void>& begun, const std::atomic<bool>& ended) {
    bool first = true;
    const auto started = [&] {
      if (std::exchange(first, false)) begun.set_value();
    };
    const auto status = [&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(auto put, plain_->DoPut(fl::FlightDescriptor::Path({options_.table}), RowSchema()));
      std::thread reader([&] {
        for (std::shared_ptr<arrow::Buffer> metadata; put.reader->ReadMetadata(&metadata).ok() && metadata != nullptr;);
      });
      arrow::Status sent;
      for (std::size_t i = 0; sent.ok() && !ended; ++i) {
        sent = put.writer->WriteRecordBatch(*batches_[i % batches_.size()]);
        if (i + 1 == batches_.size()) started();
      }
      if (sent.ok()) sent = put.writer->DoneWriting();
      reader.join();
      const auto closed = put.writer->Close();
      return sent.ok() ? closed : sent;
    }();
    started();
    return status;
  }

  arrow::Result<std::vector<double>> Ask() {
    std::vector<double> seconds;
    for (const Stopwatch all; all.seconds() < options_.seconds || seconds.empty();) {
      const Stopwatch watch;
      ARROW_ASSIGN_OR_RAISE(const auto info, client_->Execute({}, options_.sql));
      ARROW_RETURN_NOT_OK(Drain(*client_, *info).status());
      seconds.push_back(watch.seconds());
    }
    return seconds;
  }

  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  std::unique_ptr<fl::FlightClient> plain_;
};

}  // namespace

arrow::Result<std::unique_ptr<Task>> MakeFlightTask(const TaskOptions& options) {
  if (options.kind == "put") return OpenTask<PutTask>(options);
  if (options.kind == "ingest") return OpenTask<IngestTask>(options);
  if (options.kind == "update") return OpenTask<UpdateTask>(options);
  if (options.kind == "export") return OpenTask<ExportTask>(options);
  if (options.kind == "point") return OpenTask<PointTask>(options);
  if (options.kind == "clients") return OpenTask<ClientsTask>(options);
  if (options.kind == "ask-while-put") return OpenTask<AskWhilePutTask>(options);
  return arrow::Status::Invalid("Unknown kind of task: ", options.kind);
}

}  // namespace hyprstream::bench
