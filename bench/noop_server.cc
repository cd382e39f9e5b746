// A Flight SQL server that does nothing: it decodes and drops what it is sent, and answers every query with rows that
// were there before. The same calls in the same order as the real server's, and nothing behind them, so that a pair
// shows what the real one adds to Flight itself.
//
// Queries are told apart by the table they name: bench_point is one row, anything else `--rows` rows.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/flight/server.h>
#include <arrow/flight/sql/server.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bench/bench_rows.h"
#include "bench/window_kernel.h"

namespace hyprstream::bench {

namespace {

namespace fl = arrow::flight;
namespace sql = arrow::flight::sql;
template <class T>
using Result = arrow::Result<T>;

// Rows for `bench_kernel_N` are folded by the hand-written kernel, for keys below N, and dropped then.
constexpr std::string_view kKernelTable = "bench_kernel_";
constexpr std::int64_t kResultBatchRows = 30'720;  // as the real server's

class NoopSql final : public sql::FlightSqlServerBase {
 public:
  explicit NoopSql(std::int64_t rows) : many_(MakeRows(rows, kResultBatchRows)), one_(MakeRows(1, 1)) {}

  Result<std::unique_ptr<fl::FlightInfo>> GetFlightInfoStatement(const fl::ServerCallContext&,
                                                                 const sql::StatementQuery& command,
                                                                 const fl::FlightDescriptor& descriptor) override {
    return Info(command.query, descriptor);
  }
  Result<std::unique_ptr<fl::FlightDataStream>> DoGetStatement(const fl::ServerCallContext&,
                                                               const sql::StatementQueryTicket& command) override {
    return Rows(command.statement_handle);
  }
  Result<int64_t> DoPutCommandStatementUpdate(const fl::ServerCallContext&, const sql::StatementUpdate&) override {
    return 0;
  }
  Result<int64_t> DoPutCommandStatementIngest(const fl::ServerCallContext&, const sql::StatementIngest&,
                                              fl::FlightMessageReader* reader) override {
    return Drop(*reader, nullptr);
  }
  Result<sql::ActionCreatePreparedStatementResult> CreatePreparedStatement(
      const fl::ServerCallContext&, const sql::ActionCreatePreparedStatementRequest& request) override {
    return sql::ActionCreatePreparedStatementResult{
        .dataset_schema = RowSchema(),
        .parameter_schema = arrow::schema({arrow::field("1", arrow::int64())}),
        .prepared_statement_handle = request.query};
  }
  arrow::Status ClosePreparedStatement(const fl::ServerCallContext&,
                                       const sql::ActionClosePreparedStatementRequest&) override {
    return arrow::Status::OK();
  }
  arrow::Status DoPutPreparedStatementQuery(const fl::ServerCallContext&, const sql::PreparedStatementQuery&,
                                            fl::FlightMessageReader* reader, fl::FlightMetadataWriter*) override {
    return Drop(*reader, nullptr).status();
  }
  Result<std::unique_ptr<fl::FlightInfo>> GetFlightInfoPreparedStatement(
      const fl::ServerCallContext&, const sql::PreparedStatementQuery& command,
      const fl::FlightDescriptor& descriptor) override {
    return Info(command.prepared_statement_handle, descriptor);
  }

  // Decodes every batch; with `acks`, acknowledges each as the real server does; with `kernel`, folds it before.
  static Result<int64_t> Drop(fl::FlightMessageReader& reader, fl::FlightMetadataWriter* acks,
                              WindowKernel* kernel = nullptr) {
    std::int64_t rows = 0;
    for (std::int64_t batches = 1;; ++batches) {
      ARROW_ASSIGN_OR_RAISE(const auto chunk, reader.Next());
      if (chunk.data == nullptr) return rows;
      rows += chunk.data->num_rows();
      if (kernel != nullptr) kernel->Add(*chunk.data);
      if (acks == nullptr) continue;
      const auto text = nlohmann::json{{"rows", rows}, {"lsn", std::to_string(batches)}}.dump();
      ARROW_RETURN_NOT_OK(acks->WriteMetadata(arrow::Buffer(text)));
    }
  }

 private:
  using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

  static Result<std::unique_ptr<fl::FlightInfo>> Info(const std::string& text, const fl::FlightDescriptor& descriptor) {
    ARROW_ASSIGN_OR_RAISE(auto ticket, sql::CreateStatementQueryTicket(text));
    std::vector<fl::FlightEndpoint> endpoints{fl::FlightEndpoint{{std::move(ticket)}, {}, std::nullopt, {}}};
    ARROW_ASSIGN_OR_RAISE(auto info, fl::FlightInfo::Make(*RowSchema(), descriptor, endpoints, -1, -1));
    return std::make_unique<fl::FlightInfo>(std::move(info));
  }

  Result<std::unique_ptr<fl::FlightDataStream>> Rows(const std::string& text) const {
    const Batches& rows = text.find("bench_point") != std::string::npos ? one_ : many_;
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make(rows, RowSchema()));
    return std::make_unique<fl::RecordBatchStream>(std::move(reader));
  }

  const Batches many_;
  const Batches one_;
};

// Plain DoPut here, Flight SQL to the inner server, as the real one is built.
class NoopServer final : public fl::FlightServerBase {
 public:
  explicit NoopServer(std::int64_t rows) : sql_(rows) {}

  arrow::Status GetFlightInfo(const fl::ServerCallContext& context, const fl::FlightDescriptor& request,
                              std::unique_ptr<fl::FlightInfo>* info) override {
    return sql_.GetFlightInfo(context, request, info);
  }
  arrow::Status DoGet(const fl::ServerCallContext& context, const fl::Ticket& request,
                      std::unique_ptr<fl::FlightDataStream>* stream) override {
    return sql_.DoGet(context, request, stream);
  }
  arrow::Status DoPut(const fl::ServerCallContext& context, std::unique_ptr<fl::FlightMessageReader> reader,
                      std::unique_ptr<fl::FlightMetadataWriter> writer) override {
    const auto& descriptor = reader->descriptor();
    if (descriptor.type != fl::FlightDescriptor::PATH) {
      return sql_.DoPut(context, std::move(reader), std::move(writer));
    }
    std::optional<WindowKernel> kernel;
    if (const std::string& table = descriptor.path.at(0); table.starts_with(kKernelTable)) {
      kernel.emplace(std::atoll(table.c_str() + kKernelTable.size()));
    }
    return NoopSql::Drop(*reader, writer.get(), kernel ? &*kernel : nullptr).status();
  }
  arrow::Status DoAction(const fl::ServerCallContext& context, const fl::Action& action,
                         std::unique_ptr<fl::ResultStream>* result) override {
    return sql_.DoAction(context, action, result);
  }

 private:
  NoopSql sql_;
};

arrow::Status Serve(std::int64_t rows) {
  NoopServer server(rows);
  ARROW_ASSIGN_OR_RAISE(const auto location, fl::Location::ForGrpcTcp("127.0.0.1", 0));
  ARROW_RETURN_NOT_OK(server.Init(fl::FlightServerOptions(location)));
  ARROW_RETURN_NOT_OK(server.SetShutdownOnSignals({SIGTERM, SIGINT}));
  std::cout << "127.0.0.1:" << server.port() << std::endl;
  return server.Serve();
}

}  // namespace
}  // namespace hyprstream::bench

// bench_noop_server [ROWS]: prints host:port once it accepts calls.
int main(int argc, char** argv) {
  hyprstream::bench::UseServerMalloc();
  const auto status = hyprstream::bench::Serve(argc > 1 ? std::atoll(argv[1]) : 1);
  if (!status.ok()) std::cerr << "bench_noop_server: " << status.ToString() << '\n';
  return status.ok() ? 0 : 1;
}
