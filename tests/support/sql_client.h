// A stock C++ Flight SQL client connected to a server, and its answers as text that a test can compare.
//
// Thread safety: a SqlClient from any thread, as Arrow's client. Ownership: the server outlives it.
#pragma once

#include <arrow/flight/client.h>
#include <arrow/flight/sql/client.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace hyprstream::testing {

class ServerProcess;

// Rows as `1|a|null`, a line each.
std::string TextOf(const arrow::Table& table);
// What `status` says, code included; "OK".
std::string TextOf(const arrow::Status& status);

// True as soon as the condition holds; false when it did not within the bound.
bool Eventually(const std::function<bool()>& condition, std::chrono::seconds bound = std::chrono::seconds(20));

class SqlClient {
 public:
  using Options = arrow::flight::FlightCallOptions;
  using Info = arrow::flight::FlightInfo;
  using Transaction = arrow::flight::sql::Transaction;

  // A connection, and so a session, of its own. Aborts the test binary when the server cannot be reached.
  explicit SqlClient(const ServerProcess& server);
  SqlClient(const std::string& host, int port);
  ~SqlClient();
  SqlClient(const SqlClient&) = delete;
  SqlClient& operator=(const SqlClient&) = delete;

  arrow::flight::sql::FlightSqlClient& sql() { return *sql_; }
  arrow::flight::FlightClient& flight() { return *flight_; }

  // Execute() and DoGet() of all endpoints.
  arrow::Result<std::shared_ptr<arrow::Table>> Query(
      const std::string& query, const Transaction& transaction = arrow::flight::sql::no_transaction());
  arrow::Result<std::shared_ptr<arrow::Table>> Read(const Info& info);
  // The rows of Query() as text, or "ERROR " and what the server said.
  std::string Rows(const std::string& query, const Transaction& transaction = arrow::flight::sql::no_transaction());
  std::string Rows(const arrow::Result<std::unique_ptr<Info>>& info);
  // ExecuteUpdate(): the number of rows as text, or "ERROR " and what the server said.
  std::string Update(const std::string& statement,
                     const Transaction& transaction = arrow::flight::sql::no_transaction());

 private:
  std::shared_ptr<arrow::flight::FlightClient> flight_;
  std::unique_ptr<arrow::flight::sql::FlightSqlClient> sql_;
};

}  // namespace hyprstream::testing
