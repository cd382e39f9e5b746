// One PostgreSQL for all tests of this binary, and a backend attached to it.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend_registry.h"
#include "support/eventually.h"
#include "support/postgres_server.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {

inline constexpr const char* kPassword = "Marker-Of-A-Secret";

inline PostgresServer& SharedPostgres() {
  static const auto server =
      PostgresServer::Start({.password = kPassword, .settings = {"max_connections=50"}}).ValueOrDie();
  return *server;
}

class PostgresBackend : public ::testing::Test {
 protected:
  PostgresBackend() : PostgresBackend(SharedPostgres()) {}
  explicit PostgresBackend(PostgresServer& server)
      : server_(server),
        registry_(
            backend::BackendRegistry::Make({.driver_folder = DriverFolder(), .host_program = HYPRSTREAM_PROGRAM})) {}

  static std::string DriverFolder() {
    const char* folder = std::getenv("HYPRSTREAM_ADBC_DRIVERS");
    return folder == nullptr ? "" : folder;
  }

  backend::BackendSpec Spec(const std::string& name = "warehouse") const {
    backend::BackendSpec spec;
    spec.name = name;
    spec.driver = "postgresql";
    // The name tells this test's connections from all others.
    spec.driver_options["uri"] = server_.uri() + "?application_name=" + application();
    return spec;
  }
  std::string application() const { return ::testing::UnitTest::GetInstance()->current_test_info()->name(); }

  arrow::Result<std::shared_ptr<Backend>> Attach() { return registry_->Attach(Spec()); }

  std::string Sql(const std::string& sql) const {
    auto rows = server_.Run(sql);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.ok() ? *rows : std::string();
  }
  // Connections of this test, as the server sees them.
  int Connections(const std::string& where = "true") const {
    return std::atoi(
        Sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = '" + application() + "' AND " + where)
            .c_str());
  }

  static ScanRequest WholeOf(const TableSource& source) {
    ScanRequest request;
    for (int i = 0; i < source.schema()->num_fields(); ++i) request.projection.push_back(i);
    return request;
  }

  static arrow::Result<std::shared_ptr<arrow::Table>> Read(const TableSource& source, const ScanRequest& request) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, source.Scan(request));
    return reader->ToTable();
  }
  static arrow::Result<std::shared_ptr<arrow::Table>> Read(const TableSource& source) {
    return Read(source, WholeOf(source));
  }
  static arrow::Result<std::shared_ptr<arrow::Table>> ReadQuery(const Backend& backend, const std::string& sql) {
    ARROW_ASSIGN_OR_RAISE(const auto source, backend.Query(sql, {}));
    return Read(*source);
  }

  // A row's values as text.
  static std::vector<std::string> Row(const arrow::Table& table, std::int64_t row) {
    std::vector<std::string> texts;
    for (const auto& column : table.columns()) texts.push_back(column->GetScalar(row).ValueOrDie()->ToString());
    return texts;
  }

  PostgresServer& server_;
  std::unique_ptr<backend::BackendRegistry> registry_;
};

}  // namespace hyprstream::testing
