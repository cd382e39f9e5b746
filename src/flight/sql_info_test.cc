#include "flight/sql_info.h"

#include <arrow/array.h>
#include <arrow/flight/sql/server.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <variant>

#include "flight/metadata_queries.h"
#include "flight/path_flights.h"
#include "flight/put_handler.h"

namespace hyprstream::flight {
namespace {

namespace sql = arrow::flight::sql;
using Id = sql::SqlInfoOptions;

TEST(SqlInfo, HasEveryIdOfTheSpecification) {
  const auto values = SqlInfoValues("name", "1.2.3");
  for (int id = Id::FLIGHT_SQL_SERVER_NAME; id <= Id::FLIGHT_SQL_SERVER_INGEST_TRANSACTIONS_SUPPORTED; ++id) {
    EXPECT_TRUE(values.contains(id)) << id;
  }
  EXPECT_TRUE(values.contains(Id::FLIGHT_SQL_SERVER_STATEMENT_TIMEOUT));
  EXPECT_TRUE(values.contains(Id::FLIGHT_SQL_SERVER_TRANSACTION_TIMEOUT));
  for (int id = Id::SQL_DDL_CATALOG; id <= Id::SQL_STORED_FUNCTIONS_USING_CALL_SYNTAX_SUPPORTED; ++id) {
    EXPECT_TRUE(values.contains(id)) << id;
  }
}

TEST(SqlInfo, LimitsAreInt64) {
  const auto values = SqlInfoValues("name", "1.2.3");
  for (int id = Id::SQL_MAX_BINARY_LITERAL_LENGTH; id <= Id::SQL_MAX_USERNAME_LENGTH; ++id) {
    if (id == Id::SQL_MAX_ROW_SIZE_INCLUDES_BLOBS) continue;
    EXPECT_TRUE(std::holds_alternative<std::int64_t>(values.at(id))) << id;
  }
}

TEST(TypeInfo, FitsTheSpecificationsSchema) {
  const auto rows = TypeInfoRows(std::nullopt).ValueOrDie();
  ASSERT_TRUE(rows->ValidateFull().ok());
  EXPECT_TRUE(rows->schema()->Equals(*sql::SqlSchema::GetXdbcTypeInfoSchema()));
  EXPECT_GT(rows->num_rows(), 20);
  const auto& codes = static_cast<const arrow::Int32Array&>(*rows->column(1));
  for (std::int64_t i = 1; i < rows->num_rows(); ++i) EXPECT_LE(codes.Value(i - 1), codes.Value(i));
  EXPECT_EQ(TypeInfoRows(12).ValueOrDie()->num_rows(), 3);
  EXPECT_EQ(TypeInfoRows(4711).ValueOrDie()->num_rows(), 0);
}

TEST(MetadataQueries, BindEveryTextOfAClient) {
  const std::string evil = "x' OR '1'='1";
  sql::GetTables command;
  command.catalog = evil;
  command.db_schema_filter_pattern = evil;
  command.table_name_filter_pattern = "a\\_b%";
  command.table_types = {"table", evil};
  command.include_schema = false;
  const auto query = TablesQuery(command);
  EXPECT_EQ(query.sql.find("OR '1'"), std::string::npos);
  EXPECT_EQ(query.parameters.size(), 3u);
  EXPECT_NE(query.sql.find("t LIKE $3::VARCHAR ESCAPE '\\'"), std::string::npos);
  EXPECT_NE(query.sql.find("kind IN ('TABLE')"), std::string::npos);  // types are looked up, not passed on
}

TEST(PathTickets, CarryAnyName) {
  const std::vector<std::string> path{"we \"ird", "t.\u00e4"};
  EXPECT_EQ(PathOfTicket(PathTicket(path).ValueOrDie()), path);
  EXPECT_EQ(PathOfTicket("something else"), std::nullopt);
  EXPECT_EQ(PathOfTicket("hyprstream.path:{\"a\":1}"), std::nullopt);
  EXPECT_EQ(PathOfTicket("hyprstream.path:["), std::nullopt);
}

TEST(Paths, AreTablesInSchemas) {
  EXPECT_EQ(TableOfPath({"t"})->name, "t");
  EXPECT_EQ(TableOfPath({"s", "t"})->schema, "s");
  EXPECT_FALSE(TableOfPath({}).ok());
  EXPECT_FALSE(TableOfPath({""}).ok());
  EXPECT_FALSE(TableOfPath({"a", "b", "c"}).ok());
}

TEST(FirstMetadata, KnowsCreateAlone) {
  EXPECT_FALSE(*WantsCreate(""));
  EXPECT_TRUE(*WantsCreate(R"({"create": true})"));
  EXPECT_FALSE(*WantsCreate(R"({"create": false})"));
  EXPECT_TRUE(WantsCreate(R"({"creat": true})").status().IsInvalid());
  EXPECT_TRUE(WantsCreate(R"({"create": "yes"})").status().IsInvalid());
  EXPECT_TRUE(WantsCreate("create").status().IsInvalid());
  EXPECT_TRUE(WantsCreate("\xFF\xFE").status().IsInvalid());
}

}  // namespace
}  // namespace hyprstream::flight
