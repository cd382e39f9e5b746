// The PostgreSQL that the other tests here use.
#include "support/postgres_server.h"

#include <gmock/gmock.h>

#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

TEST(PostgresServer, RunsStatementsAndKeepsItsDataOverARestart) {
  ASSERT_OK_AND_ASSIGN(const auto server, PostgresServer::Start());
  ASSERT_OK(server->Run("CREATE TABLE t (i int, s text); INSERT INTO t VALUES (1, 'a'), (2, 'b')"));
  const int port = server->port();
  server->Stop();
  EXPECT_THAT(server->Run("SELECT 1").status().message(), ::testing::HasSubstr("refused"));
  ASSERT_OK(server->Restart());
  EXPECT_EQ(server->port(), port);
  ASSERT_OK_AND_ASSIGN(const auto rows, server->Run("SELECT i, s FROM t ORDER BY i"));
  EXPECT_EQ(rows, "1|a\n2|b");
}

TEST(PostgresServer, AsksForAPassword) {
  ASSERT_OK_AND_ASSIGN(const auto server, PostgresServer::Start({.password = "open-sesame"}));
  ASSERT_OK_AND_ASSIGN(const auto method, server->Run("SELECT DISTINCT auth_method FROM pg_hba_file_rules"));
  EXPECT_EQ(method, "scram-sha-256");
}

}  // namespace
}  // namespace hyprstream::testing
