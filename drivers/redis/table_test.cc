#include "table.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include <set>

#include "catalog_results.h"
#include "mapped_rows.h"
#include "row_writer.h"
#include "status_expectations.h"

namespace adbc_redis {
namespace {

Table Sensors() {
  Table table;
  table.name = "sensors";
  table.schema = arrow::schema({arrow::field("id", arrow::utf8(), false),
                                arrow::field("ts", arrow::timestamp(arrow::TimeUnit::NANO, "UTC"), false),
                                arrow::field("v", arrow::decimal128(20, 4))});
  table.key = 0;
  table.time = 1;
  table.retention_ms = 1000;
  table.version = 7;
  return table;
}

TEST(TableDescription, ComesBackFromJson) {
  const Table table = Sensors();
  const Table back = TableFromJson("sensors", TableToJson(table).ValueOrDie()).ValueOrDie();
  EXPECT_TRUE(back.schema->Equals(*table.schema)) << back.schema->ToString();
  EXPECT_EQ(back.key, 0);
  EXPECT_EQ(back.time, 1);
  EXPECT_EQ(back.retention_ms, 1000);
  EXPECT_EQ(back.version, 7);
}

TEST(TableDescription, NamesThePlaceOfItsRows) {
  Table table;
  table.name = "users";
  table.schema = arrow::schema({arrow::field("id", arrow::utf8())});
  table.key = 0;
  for (const auto& [source, place] : {std::pair(Source::kHashes, "user:*"), std::pair(Source::kStream, "events")}) {
    table.source = source;
    table.place = place;
    const auto json = TableToJson(table).ValueOrDie();
    const Table back = TableFromJson("users", json).ValueOrDie();
    EXPECT_EQ(back.source, source);
    EXPECT_EQ(back.place, place);
    // A driver that knows no such places must not take it for a table without rows.
    EXPECT_THAT(json, ::testing::HasSubstr("\"format\":2"));
  }
}

TEST(EntryIds, AreReadAsTheServerWritesThem) {
  EXPECT_EQ(ReadEntryId("1700000000000-7"), (EntryId{1'700'000'000'000, 7}));
  EXPECT_EQ(ReadEntryId("0-18446744073709551615"), (EntryId{0, UINT64_MAX}));
  EXPECT_LT(*ReadEntryId("9-10"), *ReadEntryId("10-9"));
  for (const char* text :
       {"", "1", "1-", "-1", "01-1", "1-01", "1-1 ", "+1-1", "1-1-1", "18446744073709551616-0", "x"}) {
    EXPECT_FALSE(ReadEntryId(text).has_value()) << text;
  }
}

TEST(TableDescription, IsRefusedWhenItIsDamaged) {
  for (const char* json :
       {"", "{", "[]", "7", R"({"format":1})", R"({"format":1,"columns":[{}]})", R"({"format":2,"columns":[]})",
        R"({"format":1,"columns":[{"name":"a","type":1}]})", R"({"format":1,"columns":[{"name":"a","type":"??"}]})",
        R"({"format":1,"columns":[{"name":"a","type":"+l"}]})", R"({"format":1,"columns":[]})"}) {
    EXPECT_FALSE(TableFromJson("t", json).ok()) << json;
  }
}

TEST(TableDescription, MustMakeATable) {
  Table table = Sensors();
  table.time = 0;
  EXPECT_THAT(CheckTable(table), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "must be a TIMESTAMP or a DATE"));
  table.time = -1;
  EXPECT_THAT(CheckTable(table), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "retention needs a time column"));
  table = Sensors();
  table.schema = arrow::schema({arrow::field("x", arrow::float64()), arrow::field("ts", arrow::date32())});
  EXPECT_THAT(CheckTable(table), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "floating-point numbers make no keys"));
  table.schema = arrow::schema({arrow::field("x", arrow::int64()), arrow::field("x", arrow::date32())});
  EXPECT_THAT(CheckTable(table), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "Two columns are called x"));
}

TEST(TableNames, CannotRunIntoEachOthersKeys) {
  for (const char* name : {"", "a}:1:x", "{a", "a\nb", "\xff"}) {
    Table table = Sensors();
    table.name = name;
    EXPECT_THAT(CheckTable(table), FailsWith(ADBC_STATUS_INVALID_ARGUMENT, "Not a table's name")) << name;
  }
  for (const char* prefix : {"", "a:b", "a}", "a b", "é"}) EXPECT_FALSE(Tables::CheckPrefix(prefix).ok()) << prefix;
  const KeyNames names("p", "t");
  const std::set<std::string> all = {names.Schema(),   names.Version(),         names.Counter(),
                                     names.Index(1),   names.Row(1, "#schema"), names.Row(1, "#index:1"),
                                     names.Row(1, ""), names.Row(11, ""),       names.Row(1, "1:")};
  EXPECT_EQ(all.size(), 9);
}

TEST(Expiry, StaysWithinWhatServersTake) {
  EXPECT_EQ(ExpiryOf(1'500, *arrow::timestamp(arrow::TimeUnit::MILLI), 500), 2'000);
  EXPECT_EQ(ExpiryOf(1, *arrow::date32(), 0), 86'400'000);
  EXPECT_EQ(ExpiryOf(INT64_MIN, *arrow::timestamp(arrow::TimeUnit::SECOND), 1), 1);
  EXPECT_EQ(ExpiryOf(INT64_MAX, *arrow::timestamp(arrow::TimeUnit::SECOND), 1), int64_t{1} << 52);
}

TEST(Patterns, AreThoseOfLike) {
  EXPECT_TRUE(MatchesPattern("%", ""));
  EXPECT_TRUE(MatchesPattern("s_nsor%", "sensors"));
  EXPECT_TRUE(MatchesPattern("%o%s", "sensors"));
  EXPECT_FALSE(MatchesPattern("sensor", "sensors"));
  EXPECT_FALSE(MatchesPattern("", "x"));
}

TEST(Pipelines, KeepArgumentsApart) {
  Pipeline pipeline;
  pipeline.Add({"SET", "k\r\n*1\r\n$8\r\nFLUSHALL", std::string_view("\0", 1)});
  EXPECT_EQ(pipeline.bytes(), std::string("*3\r\n$3\r\nSET\r\n$19\r\nk\r\n*1\r\n$8\r\nFLUSHALL\r\n$1\r\n\0\r\n", 46));
}

TEST(ErrorReplies, HaveTheirMeaning) {
  EXPECT_THAT(StatusOfError("MOVED 3999 127.0.0.1:6381"),
              FailsWith(ADBC_STATUS_NOT_IMPLEMENTED, "follows no redirects"));
  EXPECT_THAT(StatusOfError("ASK 3999 127.0.0.1:6381"), FailsWith(ADBC_STATUS_NOT_IMPLEMENTED, "cluster (ASK)"));
  EXPECT_THAT(StatusOfError("NOAUTH Authentication required."), FailsWith(ADBC_STATUS_UNAUTHENTICATED, "`password`"));
  EXPECT_THAT(StatusOfError("NOPERM no permissions"), FailsWith(ADBC_STATUS_UNAUTHORIZED, "NOPERM"));
  EXPECT_THAT(StatusOfError("WRONGTYPE Operation"), FailsWith(ADBC_STATUS_INVALID_DATA, "something else"));
}

}  // namespace
}  // namespace adbc_redis
