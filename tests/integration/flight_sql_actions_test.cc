// Actions and metadata that the Python clients do not reach, through Arrow's own C++ Flight SQL client.
#include <arrow/flight/sql/server.h>
#include <arrow/flight/sql/types.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/macros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "support/server_process.h"
#include "support/sql_client.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

namespace fl = arrow::flight;
namespace sql = arrow::flight::sql;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Pair;

constexpr char kEndless[] = "count(*) FROM range(10000000000) a, range(1000) b WHERE a.range % 7 = b.range % 5";

// Every test shares one server, and takes table names of its own.
class FlightSqlActions : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = ServerProcess::Start().ValueOrDie(); }
  static void TearDownTestSuite() { server_.reset(); }

  std::string StateOf(const std::string& mark) {
    return other_.Rows("SELECT state FROM hyprstream.queries WHERE text LIKE '%" + mark +
                       "%' AND text NOT LIKE '%hyprstream.queries%'");
  }

  // Reads an endless query, and cancels it by `cancel` once it runs.
  void ExpectStopped(const std::string& mark, const std::function<void(const fl::FlightInfo&)>& cancel) {
    ASSERT_OK_AND_ASSIGN(const auto info, client_.sql().Execute({}, "SELECT '" + mark + "', " + kEndless));
    auto reading = std::async(std::launch::async, [&] { return client_.Read(*info).status(); });
    EXPECT_TRUE(Eventually([&] { return StateOf(mark) == "running\n"; })) << StateOf(mark);
    cancel(*info);
    EXPECT_TRUE(reading.get().IsCancelled());
    EXPECT_TRUE(Eventually([&] { return StateOf(mark) == "cancelled\n"; })) << StateOf(mark);
    EXPECT_EQ(client_.Rows("SELECT 1"), "1\n");
  }

  static std::unique_ptr<ServerProcess> server_;
  SqlClient client_{*server_};
  SqlClient other_{*server_};
};

std::unique_ptr<ServerProcess> FlightSqlActions::server_;

TEST_F(FlightSqlActions, CancelFlightInfoStopsARunningQuery) {
  ExpectStopped("by CancelFlightInfo", [&](const fl::FlightInfo& info) {
    ASSERT_OK_AND_ASSIGN(const auto result,
                         client_.sql().CancelFlightInfo({}, {std::make_unique<fl::FlightInfo>(info)}));
    EXPECT_EQ(result.status, fl::CancelStatus::kCancelled);
  });
}

TEST_F(FlightSqlActions, CancelQueryStopsARunningQueryAlsoFromAnotherSession) {
  ExpectStopped("by CancelQuery", [&](const fl::FlightInfo& info) {
    ARROW_SUPPRESS_DEPRECATION_WARNING
    ASSERT_OK_AND_ASSIGN(const auto result, other_.sql().CancelQuery({}, info));
    ARROW_UNSUPPRESS_DEPRECATION_WARNING
    EXPECT_EQ(result, sql::CancelResult::kCancelled);
  });
}

TEST_F(FlightSqlActions, SessionOptionsMayBeTheFirstCall) {
  ASSERT_OK_AND_ASSIGN(const auto options, client_.sql().GetSessionOptions({}, {}));
  EXPECT_THAT(options.session_options, Contains(Pair("schema", fl::SessionOptionValue("main"))));
  EXPECT_THAT(options.session_options, Contains(Key("catalog")));

  ASSERT_OK_AND_ASSIGN(
      const auto set, other_.sql().SetSessionOptions({}, fl::SetSessionOptionsRequest({{"time_zone", "Asia/Tokyo"},
                                                                                       {"no_such_option", "x"},
                                                                                       {"schema", "no_such_schema"}})));
  using Error = fl::SetSessionOptionErrorValue;
  EXPECT_EQ(set.errors.size(), 2);
  EXPECT_EQ(set.errors.at("no_such_option").value, Error::kInvalidName);
  EXPECT_EQ(set.errors.at("schema").value, Error::kInvalidValue);
  EXPECT_EQ(other_.Rows("SELECT current_setting('TimeZone')"), "Asia/Tokyo\n");
  ASSERT_OK_AND_ASSIGN(const auto now, other_.sql().GetSessionOptions({}, {}));
  EXPECT_THAT(now.session_options, Contains(Pair("time_zone", fl::SessionOptionValue("Asia/Tokyo"))));
}

TEST_F(FlightSqlActions, ACloseForgetsTheSession) {
  EXPECT_EQ(client_.Update("SET TimeZone = 'Asia/Tokyo'"), "0");
  ASSERT_OK_AND_ASSIGN(const auto closed, client_.sql().CloseSession({}, {}));
  EXPECT_EQ(closed.status, fl::CloseSessionStatus::kClosed);
  EXPECT_EQ(client_.Rows("SELECT current_setting('TimeZone')"), "UTC\n");
}

TEST_F(FlightSqlActions, WhatTheEngineHasNotIsRefusedWithTheReason) {
  ASSERT_OK_AND_ASSIGN(const auto transaction, client_.sql().BeginTransaction({}));
  const auto begun = client_.sql().BeginSavepoint({}, transaction, "here").status();
  EXPECT_TRUE(begun.IsNotImplemented()) << begun;
  EXPECT_THAT(begun.message(), HasSubstr("Savepoints are not supported"));
  EXPECT_TRUE(client_.sql().Release({}, sql::Savepoint("here")).IsNotImplemented());
  EXPECT_TRUE(client_.sql().Rollback({}, sql::Savepoint("here")).IsNotImplemented());
  EXPECT_EQ(client_.Rows("SELECT 1", transaction), "1\n");  // it goes on
  EXPECT_OK(client_.sql().Rollback({}, transaction));

  ASSERT_OK_AND_ASSIGN(const auto info, client_.sql().Execute({}, "SELECT 1"));
  const auto renewed = client_.sql().RenewFlightEndpoint({}, fl::RenewFlightEndpointRequest(info->endpoints()[0]));
  EXPECT_TRUE(renewed.status().IsNotImplemented()) << renewed.status();
  EXPECT_THAT(renewed.status().message(), HasSubstr("no expiration time"));
}

TEST_F(FlightSqlActions, HandlesOpenNothingOnAnotherConnection) {
  ASSERT_OK_AND_ASSIGN(const auto transaction, client_.sql().BeginTransaction({}));
  EXPECT_THAT(other_.Rows("SELECT 1", transaction), HasSubstr("Unknown transaction"));
  EXPECT_THAT(other_.Update("CREATE TABLE elsewhere (i INTEGER)", transaction), HasSubstr("Unknown transaction"));
  EXPECT_TRUE(other_.sql().Commit({}, transaction).IsKeyError());
  EXPECT_OK(client_.sql().Commit({}, transaction));
  EXPECT_TRUE(client_.sql().Commit({}, transaction).IsKeyError());  // once
}

TEST_F(FlightSqlActions, ListFlightsNamesTablesByPrefix) {
  EXPECT_EQ(client_.Update("CREATE TABLE listed_one (i INTEGER); CREATE TABLE listed_two (s VARCHAR)"), "0");
  ASSERT_OK_AND_ASSIGN(const auto listing,
                       client_.flight().ListFlights(fl::FlightCallOptions(), fl::Criteria{"listed_"}));
  std::vector<std::string> names;
  for (;;) {
    ASSERT_OK_AND_ASSIGN(const auto info, listing->Next());
    if (info == nullptr) break;
    names.push_back(info->descriptor().path.back());
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("listed_one", "listed_two"));
}

TEST_F(FlightSqlActions, UnknownIdsOfSqlInfoAreLeftOut) {
  const auto ids = [&](const std::vector<int>& asked) {
    const auto info = client_.sql().GetSqlInfo({}, asked).ValueOrDie();
    const auto table = client_.Read(*info).ValueOrDie();
    return table->num_rows();
  };
  EXPECT_EQ(ids({sql::SqlInfoOptions::FLIGHT_SQL_SERVER_NAME}), 1);
  EXPECT_EQ(ids({sql::SqlInfoOptions::FLIGHT_SQL_SERVER_NAME, 123456}), 1);
  EXPECT_EQ(ids({123456}), 0);
  EXPECT_GT(ids({}), 50);
}

TEST_F(FlightSqlActions, XdbcTypesAreAllOrOne) {
  const auto read = [&](const arrow::Result<std::unique_ptr<fl::FlightInfo>>& info) {
    return client_.Read(**info).ValueOrDie();
  };
  const auto all = read(client_.sql().GetXdbcTypeInfo({}));
  EXPECT_TRUE(all->schema()->Equals(*sql::SqlSchema::GetXdbcTypeInfoSchema())) << all->schema()->ToString();
  EXPECT_GT(all->num_rows(), 10);
  const auto integers = read(client_.sql().GetXdbcTypeInfo({}, 4));  // XDBC_INTEGER
  EXPECT_GE(integers->num_rows(), 1);
  EXPECT_LT(integers->num_rows(), all->num_rows());
  EXPECT_THAT(TextOf(*read(client_.sql().GetXdbcTypeInfo({}, 8))), ::testing::StartsWith("DOUBLE|8|"));
}

TEST_F(FlightSqlActions, KeysNameTheirColumnsInOrder) {
  EXPECT_EQ(client_.Update("CREATE TABLE keyed (a INTEGER, b INTEGER, PRIMARY KEY (b, a));"
                           "CREATE TABLE keying (x INTEGER, y INTEGER, FOREIGN KEY (x, y) REFERENCES keyed (b, a))"),
            "0");
  const sql::TableRef keyed{std::nullopt, "main", "keyed"};
  const sql::TableRef keying{std::nullopt, "main", "keying"};
  const auto text = [&](arrow::Result<std::unique_ptr<fl::FlightInfo>> info, const std::vector<std::string>& columns) {
    const auto table = client_.Read(**info).ValueOrDie();
    std::vector<int> indices;
    for (const auto& column : columns) indices.push_back(table->schema()->GetFieldIndex(column));
    return TextOf(*table->SelectColumns(indices).ValueOrDie());
  };
  EXPECT_EQ(text(client_.sql().GetPrimaryKeys({}, keyed), {"column_name", "key_sequence"}), "b|1\na|2\n");
  const std::vector<std::string> pair{"pk_column_name", "fk_table_name", "fk_column_name", "key_sequence"};
  const std::string expected = "b|keying|x|1\na|keying|y|2\n";
  EXPECT_EQ(text(client_.sql().GetExportedKeys({}, keyed), pair), expected);
  EXPECT_EQ(text(client_.sql().GetImportedKeys({}, keying), pair), expected);
  EXPECT_EQ(text(client_.sql().GetCrossReference({}, keyed, keying), pair), expected);
  EXPECT_EQ(text(client_.sql().GetImportedKeys({}, keyed), pair), "");
}

// By the words of FlightSql.proto, which differ from one command to the other.
TEST_F(FlightSqlActions, ForeignKeysNameWhatTheyReferToInTheSpecificationsOrder) {
  EXPECT_EQ(client_.Update("CREATE TABLE \"Whole\" (a INTEGER PRIMARY KEY, \"U\" INTEGER UNIQUE, b INTEGER, c INTEGER, "
                           "UNIQUE (b, c));"
                           "CREATE TABLE both_keys (a INTEGER PRIMARY KEY, UNIQUE (a));"
                           "CREATE TABLE part (z INTEGER REFERENCES both_keys, y INTEGER REFERENCES whole (u), "
                           "x INTEGER REFERENCES whole (a));"
                           "CREATE TABLE another (y INTEGER, z INTEGER, FOREIGN KEY (y, z) REFERENCES Whole (b, C))"),
            "0");
  const auto text = [&](const arrow::Result<std::unique_ptr<fl::FlightInfo>>& info) {
    const auto table = client_.Read(**info).ValueOrDie();
    std::vector<int> indices;
    for (const char* column : {"pk_table_name", "pk_column_name", "pk_key_name", "fk_table_name", "fk_key_name"}) {
      indices.push_back(table->schema()->GetFieldIndex(column));
    }
    return TextOf(*table->SelectColumns(indices).ValueOrDie());
  };
  const sql::TableRef whole{std::nullopt, "main", "whole"};
  const sql::TableRef part{std::nullopt, "main", "part"};
  const std::string by_a = "Whole|a|Whole_a_pkey|part|part_x_a_fkey\n";
  const std::string by_u = "Whole|U|Whole_u_key|part|part_y_u_fkey\n";
  const std::string by_both =
      "Whole|b|Whole_b_c_key|another|another_y_z_b_c_fkey\nWhole|c|Whole_b_c_key|another|another_y_z_b_c_fkey\n";
  EXPECT_EQ(text(client_.sql().GetImportedKeys({}, part)),
            by_a + by_u + "both_keys|a|both_keys_a_pkey|part|part_z_a_fkey\n");
  EXPECT_EQ(text(client_.sql().GetExportedKeys({}, whole)), by_both + by_a + by_u);
  EXPECT_EQ(text(client_.sql().GetCrossReference({}, whole, part)), by_a + by_u);
}

TEST_F(FlightSqlActions, TablesComeByCatalogSchemaNameAndType) {
  EXPECT_EQ(client_.Update(
                "CREATE SCHEMA ordered; CREATE TABLE ordered.b (i INTEGER); CREATE VIEW ordered.a AS SELECT 1 AS i;"
                "CREATE VIEW ordered.c AS SELECT 1 AS i; CREATE TABLE ordered_d (i INTEGER)"),
            "0");
  for (const bool include_schema : {false, true}) {
    const std::string schemas = "%";
    const auto info = client_.sql().GetTables({}, nullptr, &schemas, nullptr, include_schema, nullptr).ValueOrDie();
    const auto table = client_.Read(*info).ValueOrDie();
    const auto names = TextOf(*table->SelectColumns({1, 2, 3}).ValueOrDie());
    EXPECT_THAT(names, ::testing::HasSubstr("ordered|a|VIEW\nordered|b|TABLE\nordered|c|VIEW\n"));
    EXPECT_LT(names.find("main|ordered_d|TABLE"), names.find("ordered|a|VIEW"));
  }
}

}  // namespace
}  // namespace hyprstream::testing
