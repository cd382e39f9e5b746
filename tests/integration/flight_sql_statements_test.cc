// Queries, tickets, schemas and errors through Arrow's own C++ Flight SQL client.
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/server_process.h"
#include "support/sql_client.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

namespace fl = arrow::flight;
namespace sql = arrow::flight::sql;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Every test shares one server, and takes table names of its own.
class FlightSqlStatements : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = ServerProcess::Start().ValueOrDie(); }
  static void TearDownTestSuite() { server_.reset(); }

  static std::unique_ptr<ServerProcess> server_;
  SqlClient client_{*server_};
};

std::unique_ptr<ServerProcess> FlightSqlStatements::server_;

TEST_F(FlightSqlStatements, AnInfoHasARouteAndOneEndpointWithoutLocation) {
  ASSERT_OK_AND_ASSIGN(const auto info, client_.sql().Execute({}, "SELECT 42 AS answer, 'x' AS letter"));
  ASSERT_EQ(info->endpoints().size(), 1);
  EXPECT_TRUE(info->endpoints()[0].locations.empty());
  EXPECT_EQ(info->total_records(), -1);
  EXPECT_THAT(info->app_metadata(), AllOf(HasSubstr("\"route\":\"local\""), HasSubstr("\"reason\":")));
  EXPECT_EQ(client_.Rows("SELECT 42 AS answer, 'x' AS letter"), "42|x\n");
}

TEST_F(FlightSqlStatements, ATableThatWentBeforeItsRowsWereFetchedIsNamed) {
  ASSERT_EQ(client_.Update("CREATE TABLE gone (i INTEGER)"), "0");
  const auto info = client_.sql().Execute({}, "SELECT * FROM gone");
  ASSERT_EQ(SqlClient(*server_).Update("DROP TABLE gone"), "0");
  EXPECT_THAT(client_.Rows(info), HasSubstr("Table with name gone does not exist"));
}

// What the Go driver compares: the schema of the info, of GetSchema, of a prepared statement and of the stream.
TEST_F(FlightSqlStatements, SchemasOfPlanInfoPreparedAndStreamAreOne) {
  ASSERT_EQ(client_.Update("CREATE TYPE mood AS ENUM ('good', 'bad')"), "0");
  ASSERT_EQ(client_.Update("CREATE TABLE wide (i INTEGER NOT NULL, d DECIMAL(38, 4), m mood, u UUID, j JSON, "
                           "l INTEGER[], s STRUCT(a INTEGER, b VARCHAR), k MAP(VARCHAR, INTEGER), t TIMESTAMPTZ, "
                           "v INTERVAL, h HUGEINT, b BIT, f FLOAT[3], n TIMESTAMP_NS, c TIME, x BLOB)"),
            "0");
  for (const std::string query :
       {"SELECT * FROM wide", "SELECT i, count(*) AS n, sum(i) AS total FROM wide GROUP BY i",
        "SELECT 1 AS one WHERE false", "SELECT NULL AS nothing", "EXPLAIN SELECT 1", "SHOW TABLES", "DESCRIBE wide",
        "SELECT [1, NULL] AS l", "SELECT * FROM hyprstream.queries", "VALUES (1, 'a')",
        "SELECT 'good'::mood AS m, uuid() AS u", "FROM range(3)", "SUMMARIZE wide",
        "PIVOT wide ON i IN (1, 2) USING count(*)"}) {
    SCOPED_TRACE(query);
    ASSERT_OK_AND_ASSIGN(const auto info, client_.sql().Execute({}, query));
    ASSERT_OK_AND_ASSIGN(const auto planned, info->GetSchema(nullptr));
    ASSERT_OK_AND_ASSIGN(auto stream, client_.sql().DoGet({}, info->endpoints()[0].ticket));
    ASSERT_OK_AND_ASSIGN(const auto streamed, stream->GetSchema());
    ASSERT_OK(stream->ToTable());
    const auto expect_same = [&](const std::shared_ptr<arrow::Schema>& schema) {
      EXPECT_TRUE(schema->Equals(*streamed, /*check_metadata=*/true))
          << schema->ToString(true) << "\nbut the stream has:\n"
          << streamed->ToString(true);
    };
    expect_same(planned);
    ASSERT_OK_AND_ASSIGN(const auto described, client_.sql().GetExecuteSchema({}, query));
    ASSERT_OK_AND_ASSIGN(const auto schema, described->GetSchema(nullptr));
    expect_same(schema);
    ASSERT_OK_AND_ASSIGN(const auto prepared, client_.sql().Prepare({}, query));
    expect_same(prepared->dataset_schema());
    ASSERT_OK_AND_ASSIGN(const auto described_again, prepared->GetSchema());
    ASSERT_OK_AND_ASSIGN(const auto prepared_schema, described_again->GetSchema(nullptr));
    expect_same(prepared_schema);
    ASSERT_OK_AND_ASSIGN(const auto prepared_info, prepared->Execute());
    ASSERT_OK_AND_ASSIGN(const auto of_prepared_info, prepared_info->GetSchema(nullptr));
    expect_same(of_prepared_info);
    EXPECT_OK(prepared->Close());
  }
}

TEST_F(FlightSqlStatements, ATicketIsReadOnceByWhicheverSessionOfItsUserComesFirst) {
  ASSERT_OK_AND_ASSIGN(const auto info, client_.sql().Execute({}, "SELECT 7"));
  SqlClient other(*server_);
  ASSERT_OK_AND_ASSIGN(const auto table, other.Read(*info));
  EXPECT_EQ(TextOf(*table), "7\n");
  const auto again = client_.Read(*info).status();
  EXPECT_TRUE(again.IsKeyError()) << again;
  EXPECT_THAT(again.message(), HasSubstr("Unknown ticket"));
  fl::Ticket forged = info->endpoints()[0].ticket;
  forged.ticket.back() = forged.ticket.back() == '0' ? '1' : '0';
  EXPECT_TRUE(client_.sql().DoGet({}, forged).status().IsKeyError());
}

TEST_F(FlightSqlStatements, TwoResultsAreOpenAtOnceAndStatementsRunBetween) {
  ASSERT_OK_AND_ASSIGN(const auto first, client_.sql().Execute({}, "SELECT range AS i FROM range(3000000)"));
  ASSERT_OK_AND_ASSIGN(const auto second, client_.sql().Execute({}, "SELECT -range AS i FROM range(3000000)"));
  ASSERT_OK_AND_ASSIGN(auto one, client_.sql().DoGet({}, first->endpoints()[0].ticket));
  ASSERT_OK_AND_ASSIGN(auto two, client_.sql().DoGet({}, second->endpoints()[0].ticket));
  const auto rows_of = [](const fl::FlightStreamChunk& chunk) {
    return chunk.data == nullptr ? std::int64_t{0} : chunk.data->num_rows();
  };
  std::int64_t rows_one = 0;
  std::int64_t rows_two = 0;
  for (bool more = true; more;) {
    ASSERT_OK_AND_ASSIGN(const auto chunk, one->Next());
    ASSERT_OK_AND_ASSIGN(const auto other, two->Next());
    more = chunk.data != nullptr || other.data != nullptr;
    rows_one += rows_of(chunk);
    rows_two += rows_of(other);
    if (rows_one < 500'000) {
      ASSERT_EQ(client_.Rows("SELECT 1"), "1\n");
    }
  }
  EXPECT_EQ(rows_one, 3'000'000);
  EXPECT_EQ(rows_two, 3'000'000);
}

TEST_F(FlightSqlStatements, NoMessageExceedsWhatStockClientsTake) {
  auto options = fl::FlightClientOptions::Defaults();
  options.generic_options.emplace_back("grpc.max_receive_message_length", 16 << 20);
  ASSERT_OK_AND_ASSIGN(const auto location, fl::Location::ForGrpcTcp(server_->host(), server_->port()));
  ASSERT_OK_AND_ASSIGN(std::shared_ptr<fl::FlightClient> flight, fl::FlightClient::Connect(location, options));
  sql::FlightSqlClient client(flight);
  ASSERT_OK_AND_ASSIGN(const auto info, client.Execute({}, "SELECT repeat('x', 100000) AS text FROM range(1000)"));
  ASSERT_OK_AND_ASSIGN(auto stream, client.DoGet({}, info->endpoints()[0].ticket));
  ASSERT_OK_AND_ASSIGN(const auto table, stream->ToTable());
  EXPECT_EQ(table->num_rows(), 1000);
}

TEST_F(FlightSqlStatements, AnErrorInMidStreamArrivesWithItsText) {
  const auto failed = client_.Query(
      "SELECT CASE WHEN range = 2500000 THEN error('row ' || range || ' is bad') ELSE 'good' END AS v "
      "FROM range(3000000)");
  EXPECT_THAT(failed.status().ToString(), HasSubstr("row 2500000 is bad"));
}

TEST_F(FlightSqlStatements, ErrorsSayWhoseFaultTheyAre) {
  EXPECT_THAT(client_.Rows("SELEKT 1"), AllOf(StartsWith("ERROR Invalid"), HasSubstr("SELEKT")));
  EXPECT_THAT(client_.Rows("SELECT * FROM no_such_table"),
              AllOf(StartsWith("ERROR Key error"), HasSubstr("no_such_table")));
  EXPECT_THAT(client_.Rows("SELECT 1; SELECT 2"),
              AllOf(StartsWith("ERROR Invalid"), HasSubstr("One statement per call")));
  EXPECT_THAT(client_.Update("INSERT INTO no_such_table VALUES (1)"), StartsWith("ERROR Key error"));
  EXPECT_THAT(client_.Rows(""), StartsWith("ERROR Invalid"));
}

TEST_F(FlightSqlStatements, SubstraitIsRefusedWithTheReason) {
  const sql::SubstraitPlan plan{.plan = "plan", .version = "0.1"};
  const auto says_why = [](const arrow::Status& status) {
    EXPECT_TRUE(status.IsNotImplemented()) << status;
    EXPECT_THAT(status.message(), HasSubstr("Substrait plans are not supported; send SQL"));
  };
  says_why(client_.sql().ExecuteSubstrait({}, plan).status());
  says_why(client_.sql().GetExecuteSubstraitSchema({}, plan).status());
  says_why(client_.sql().ExecuteSubstraitUpdate({}, plan).status());
  says_why(client_.sql().PrepareSubstrait({}, plan).status());
}

}  // namespace
}  // namespace hyprstream::testing
