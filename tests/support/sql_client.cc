#include "support/sql_client.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>

#include <thread>
#include <utility>

#include "support/server_process.h"

namespace hyprstream::testing {

namespace fl = arrow::flight;
namespace sql = arrow::flight::sql;

namespace {
constexpr std::chrono::milliseconds kPoll{5};
constexpr int kConnectsMax = 5;

// One in some hundred times gRPC's client does not reach a port that listens: "No such file or directory", before the
// server hears of it. The first call connects, so it is made here.
std::shared_ptr<fl::FlightClient> ConnectTo(const std::string& host, int port) {
  const auto location = fl::Location::ForGrpcTcp(host, port).ValueOrDie();
  for (int connects = 1;; ++connects) {
    std::shared_ptr<fl::FlightClient> client = fl::FlightClient::Connect(location).ValueOrDie();
    const auto connected = client->ListActions(fl::FlightCallOptions{}).status();
    if (connects == kConnectsMax || connected.message().find("No such file or directory") == std::string::npos) {
      return client;
    }
    ARROW_UNUSED(client->Close());
  }
}

}  // namespace

std::string TextOf(const arrow::Table& table) {
  std::string text;
  for (std::int64_t row = 0; row < table.num_rows(); ++row) {
    for (int column = 0; column < table.num_columns(); ++column) {
      const auto value = table.column(column)->GetScalar(row);
      text += (column == 0 ? "" : "|") + (value.ok() ? (*value)->ToString() : value.status().ToString());
    }
    text += "\n";
  }
  return text;
}

std::string TextOf(const arrow::Status& status) { return status.ToString(); }

bool Eventually(const std::function<bool()>& condition, std::chrono::seconds bound) {
  const auto deadline = std::chrono::steady_clock::now() + bound;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

SqlClient::SqlClient(const ServerProcess& server) : SqlClient(server.host(), server.port()) {}

SqlClient::SqlClient(const std::string& host, int port)
    : flight_(ConnectTo(host, port)), sql_(std::make_unique<sql::FlightSqlClient>(flight_)) {}

SqlClient::~SqlClient() { ARROW_UNUSED(sql_->Close()); }

arrow::Result<std::shared_ptr<arrow::Table>> SqlClient::Read(const Info& info) {
  std::vector<std::shared_ptr<arrow::Table>> tables;
  for (const auto& endpoint : info.endpoints()) {
    ARROW_ASSIGN_OR_RAISE(auto stream, sql_->DoGet({}, endpoint.ticket));
    ARROW_ASSIGN_OR_RAISE(auto table, stream->ToTable());
    tables.push_back(std::move(table));
  }
  if (tables.empty()) return arrow::Status::Invalid("The FlightInfo has no endpoint");
  return arrow::ConcatenateTables(tables);
}

arrow::Result<std::shared_ptr<arrow::Table>> SqlClient::Query(const std::string& query,
                                                              const Transaction& transaction) {
  ARROW_ASSIGN_OR_RAISE(const auto info, sql_->Execute({}, query, transaction));
  return Read(*info);
}

std::string SqlClient::Rows(const std::string& query, const Transaction& transaction) {
  return Rows(sql_->Execute({}, query, transaction));
}

std::string SqlClient::Rows(const arrow::Result<std::unique_ptr<Info>>& info) {
  if (!info.ok()) return "ERROR " + info.status().ToString();
  const auto table = Read(**info);
  return table.ok() ? TextOf(**table) : "ERROR " + table.status().ToString();
}

std::string SqlClient::Update(const std::string& statement, const Transaction& transaction) {
  const auto rows = sql_->ExecuteUpdate({}, statement, transaction);
  return rows.ok() ? std::to_string(*rows) : "ERROR " + rows.status().ToString();
}

}  // namespace hyprstream::testing
