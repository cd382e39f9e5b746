#include "flight/sql_info.h"

#include <arrow/array.h>
#include <arrow/flight/sql/server.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
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

// Numbers as XdbcDataType and XdbcDatetimeSubcode of FlightSql.proto have them.
TEST(TypeInfo, HasTheSpecificationsCodes) {
  const std::map<std::string, std::string> expected{{"BOOLEAN", "-7 -7 null"}, {"TINYINT", "-6 -6 null"},
                                                    {"BIGINT", "-5 -5 null"},  {"BLOB", "-3 -3 null"},
                                                    {"HUGEINT", "2 2 null"},   {"DECIMAL", "3 3 null"},
                                                    {"INTEGER", "4 4 null"},   {"SMALLINT", "5 5 null"},
                                                    {"FLOAT", "7 7 null"},     {"DOUBLE", "8 8 null"},
                                                    {"INTERVAL", "10 10 0"},   {"VARCHAR", "12 12 null"},
                                                    {"DATE", "91 9 1"},        {"TIME", "92 9 2"},
                                                    {"TIMESTAMP", "93 9 3"},   {"JSON", "12 12 null"},
                                                    {"UUID", "12 12 null"},    {"UTINYINT", "-6 -6 null"},
                                                    {"UBIGINT", "-5 -5 null"}, {"UINTEGER", "4 4 null"},
                                                    {"USMALLINT", "5 5 null"}, {"TIMESTAMP WITH TIME ZONE", "93 9 5"}};
  const auto rows = TypeInfoRows(std::nullopt).ValueOrDie();
  const auto text = [&](const char* column, std::int64_t row) {
    const auto value = rows->GetColumnByName(column)->GetScalar(row).ValueOrDie();
    return value->is_valid ? value->ToString() : "null";
  };
  std::map<std::string, std::string> codes;
  for (std::int64_t row = 0; row < rows->num_rows(); ++row) {
    codes[text("type_name", row)] =
        text("data_type", row) + " " + text("sql_data_type", row) + " " + text("datetime_subcode", row);
  }
  EXPECT_EQ(codes, expected);
  for (std::int64_t row = 0; row < rows->num_rows(); ++row) {
    const auto name = text("type_name", row);
    const bool has_scale =
        name.ends_with("INT") || name.ends_with("INTEGER") || name == "DECIMAL" || name.starts_with("TIME");
    EXPECT_EQ(text("minimum_scale", row) == "0", has_scale) << name;
    EXPECT_EQ(text("maximum_scale", row) != "null", has_scale) << name;
  }
  EXPECT_EQ(TypeInfoRows(8).ValueOrDie()->GetColumnByName("type_name")->ToString(), "[\n  \"DOUBLE\"\n]");
  EXPECT_EQ(TypeInfoRows(9).ValueOrDie()->num_rows(), 0);
}

TEST(MetadataQueries, OrderTables) {
  EXPECT_TRUE(TablesQuery({}, TableOrder::kNameFirst).sql.ends_with("ORDER BY c, s, t, kind"));
  EXPECT_TRUE(TablesQuery({}, TableOrder::kTypeFirst).sql.ends_with("ORDER BY kind, c, s, t"));
}

TEST(MetadataQueries, BindEveryTextOfAClient) {
  const std::string evil = "x' OR '1'='1";
  sql::GetTables command;
  command.catalog = evil;
  command.db_schema_filter_pattern = evil;
  command.table_name_filter_pattern = "a\\_b%";
  command.table_types = {"table", evil};
  command.include_schema = false;
  const auto query = TablesQuery(command, TableOrder::kNameFirst);
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
