#include <arrow/array/array_base.h>
#include <arrow/compute/initialize.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/cell_text.h"
#include "cli/line_source.h"

namespace hyprstream::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Outcome {
  std::string rows;  // an object each, with the columns of its batch
  std::string error;
  std::vector<std::string> skipped;
  std::string types;  // of the last batch
};

struct Given {
  std::shared_ptr<arrow::Schema> table = nullptr;
  bool skips = false;
  std::int64_t block_bytes = 4 << 20;
};

void AppendRows(const arrow::RecordBatch& batch, std::string& rows) {
  for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
    rows += '{';
    for (int i = 0; i < batch.num_columns(); ++i) {
      rows += (i > 0 ? "," : "") + batch.column_name(i) + ":";
      AppendJson(*batch.column(i), row, rows);
    }
    rows += '}';
  }
}

Outcome Read(const std::string& text, const Given& given) {
  static const bool ready = arrow::compute::Initialize().ok();
  EXPECT_TRUE(ready);
  Outcome outcome;
  auto source = LineSource::Open({.name = "t",
                                  .stream = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(text)),
                                  .format = MakeJsonFormat(given.table),
                                  .infers = given.table == nullptr,
                                  .on_error = given.skips ? config::OnError::kSkip : config::OnError::kStop,
                                  .on_skip = [&](const std::string& why) { outcome.skipped.push_back(why); },
                                  .block_bytes = given.block_bytes});
  if (!source.ok()) {
    outcome.error = source.status().message();
    return outcome;
  }
  while (true) {
    const auto batch = (*source)->Next();
    if (!batch.ok()) outcome.error = batch.status().message();
    if (!batch.ok() || *batch == nullptr) return outcome;
    AppendRows(**batch, outcome.rows);
    outcome.types.clear();
    for (const auto& field : (*batch)->schema()->fields()) {
      outcome.types += (outcome.types.empty() ? "" : ", ") + field->ToString();
    }
    EXPECT_TRUE((*batch)->ValidateFull().ok());
  }
}

std::shared_ptr<arrow::Schema> TableOf(const std::string& name, std::shared_ptr<arrow::DataType> type) {
  return arrow::schema({arrow::field("a", arrow::int64()), arrow::field(name, std::move(type))});
}

std::string RowsOf(const std::string& text, std::shared_ptr<arrow::DataType> x) {
  const auto outcome = Read(text, {.table = TableOf("x", std::move(x))});
  EXPECT_EQ(outcome.error, "") << text;
  return outcome.rows;
}

std::string ErrorOf(const std::string& text, std::shared_ptr<arrow::DataType> x) {
  const auto outcome = Read(text, {.table = TableOf("x", std::move(x))});
  EXPECT_EQ(outcome.rows, "") << text;
  return outcome.error;
}

const auto kAB = arrow::schema({arrow::field("a", arrow::int32()), arrow::field("b", arrow::int32())});
const auto kMicros = arrow::timestamp(arrow::TimeUnit::MICRO);
const auto kMicrosUtc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");

TEST(JsonFormat, ARecordThatIsNoObjectIsABadOne) {
  for (const std::string record : {"null", "5", "\"x\"", "[1]", "[{\"a\":1}]", " true"}) {
    for (const bool known : {true, false}) {
      const auto table = known ? kAB : nullptr;
      EXPECT_EQ(Read(record + "\n{\"a\":7}\n", {.table = table}).error,
                "t, line 1, a record must be an object: {\"column\": value}");
      const auto late = Read("{\"a\":7}\n\n" + record + "\n{\"a\":8}\n", {.table = table, .skips = true});
      EXPECT_EQ(late.rows, "{a:7}{a:8}");
      EXPECT_THAT(late.skipped, ElementsAre("t, line 3, a record must be an object: {\"column\": value}"));
    }
  }
  EXPECT_EQ(Read("{\"a\":7}\nnull\n{\"a\":8}\n", {.table = kAB, .skips = true, .block_bytes = 8}).rows, "{a:7}{a:8}");
}

TEST(JsonFormat, NestingHasABound) {
  const auto lists = [](int levels) {
    const auto count = static_cast<std::size_t>(levels);
    return "{\"v\":" + std::string(count, '[') + std::string(count, ']') + "}\n";
  };
  for (const auto& table : {std::shared_ptr<arrow::Schema>(), TableOf("v", arrow::utf8())}) {
    const auto outcome = Read(lists(200'000), {.table = table});
    EXPECT_EQ(outcome.error, "t, line 1, nested more than 64 levels deep");
  }
  EXPECT_EQ(Read(lists(63), {}).error, "");
  EXPECT_EQ(Read("{\"a\":1}\n" + lists(64), {.table = TableOf("v", arrow::utf8())}).error,
            "t, line 2, nested more than 64 levels deep");
}

TEST(JsonFormat, ANumberThatIsTooLargeIsNotInfinity) {
  EXPECT_EQ(ErrorOf("{\"x\":1e400}\n", arrow::float64()), "t, line 1, column x: a number too large for DOUBLE");
  EXPECT_EQ(ErrorOf("{\"x\":-1e39}\n", arrow::float32()), "t, line 1, column x: a number too large for FLOAT");
  EXPECT_EQ(ErrorOf("{\"x\":[1e39]}\n", arrow::list(arrow::float32())),
            "t, line 1, column x: a number too large for FLOAT");
  EXPECT_EQ(Read("{\"x\":1e400}\n", {}).error, "t, line 1, column x: a number too large for DOUBLE");
  EXPECT_EQ(RowsOf("{\"x\":1e308}\n{\"x\":1e-400}\n", arrow::float64()), "{x:1e+308}{x:0}");
  EXPECT_EQ(ErrorOf("{\"a\":1,\"x\":[1" + std::string(310, '0') + "]}\n", arrow::list(arrow::float64())),
            "t, line 1, column x: a number too large for DOUBLE");
  EXPECT_THAT(ErrorOf("{\"x\":12345}\n", arrow::decimal128(5, 2)), HasSubstr("t, line 1, column x: "));
  EXPECT_THAT(ErrorOf("{\"x\":9223372036854775808}\n", arrow::int64()), HasSubstr("t, line 1, column x: Failed to"));
}

TEST(JsonFormat, InfinitiesAreReadAsTheyArePrinted) {
  for (const auto& type : {arrow::float32(), arrow::float64()}) {
    EXPECT_EQ(RowsOf(R"({"x":["Infinity","-Infinity","NaN",1.5,null]})", arrow::list(type)),
              R"({x:["Infinity","-Infinity","NaN",1.5,null]})");
    EXPECT_EQ(ErrorOf(R"({"x":"infinite"})", type), "t, line 1, column x: changed from number to string");
  }
  EXPECT_EQ(RowsOf(R"({"x":"Infinity"})", arrow::utf8()), R"({x:"Infinity"})");
}

TEST(JsonFormat, ColumnsOfTheTableMayComeLate) {
  const Given given{.table = kAB, .block_bytes = 8};
  const auto outcome = Read("{\"a\":1}\n{\"a\":2,\"b\":3}\n{\"a\":4}\n{\"b\":5}\n", given);
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.rows, "{a:1}{a:2,b:3}{a:4,b:null}{a:null,b:5}");
  EXPECT_EQ(Read("{\"a\":1}\n{\"a\":2,\"b\":3}\n", {.table = kAB}).rows, "{a:1,b:null}{a:2,b:3}");
  EXPECT_EQ(Read("{\"a\":1,\"b\":null}\n", {.table = kAB}).rows, "{a:1,b:null}");
}

TEST(JsonFormat, AColumnOfBadRecordsAloneIsNotSent) {
  const auto outcome = Read("{\"a\":1}\n{\"a\":\"x\",\"b\":3}\n{\"a\":2}\n", {.table = kAB, .skips = true});
  EXPECT_EQ(outcome.rows, "{a:1}{a:2}");
  EXPECT_THAT(outcome.skipped, ElementsAre("t, line 2, column a: changed from number to string"));
}

TEST(JsonFormat, AnUnknownColumnIsNamed) {
  EXPECT_EQ(Read("{\"a\":1}\n{\"c\":2}\n", {.table = kAB}).error, "t, line 2, column c: there is no such column");
  const Given given{.skips = true, .block_bytes = 8};
  const auto outcome = Read("{\"a\":1}\n{\"a\":2,\"b\":3}\n{\"a\":4}\n", given);
  EXPECT_EQ(outcome.rows, "{a:1}{a:4}");
  EXPECT_THAT(outcome.skipped, ElementsAre("t, line 2, column b: there is no such column"));
}

TEST(JsonFormat, NamesGoWithoutCase) {
  EXPECT_EQ(Read("{\"A\":1}\n{\"a\":2}\n{\"\\u0042\":3}\n", {.table = kAB}).rows,
            "{a:1,b:null}{a:2,b:null}{a:null,b:3}");
  EXPECT_THAT(Read("{\"a\":1,\"A\":2}\n", {.table = kAB}).error, HasSubstr("column a: was specified twice"));
  EXPECT_EQ(RowsOf("{\"x\":{\"Y\":1}}\n", arrow::struct_({arrow::field("y", arrow::int32())})), "{x:{\"y\":1}}");
}

TEST(JsonFormat, NestedTypesAreThoseOfTheTable) {
  const auto longs = arrow::list(arrow::int64());
  EXPECT_EQ(RowsOf("{\"x\":[]}\n{\"x\":[1]}\n{\"x\":null}\n", longs), "{x:[]}{x:[1]}{x:null}");
  EXPECT_EQ(RowsOf("{\"x\":[9223372036854775809]}\n", arrow::list(arrow::uint64())), "{x:[9223372036854775809]}");
  EXPECT_EQ(RowsOf("{\"x\":[0.1234567890123456789]}\n", arrow::list(arrow::decimal128(38, 19))),
            "{x:[0.1234567890123456789]}");
  EXPECT_EQ(RowsOf(R"({"x":["\\xaabb",null,"c"]})", arrow::list(arrow::binary())), R"({x:["\\xaabb",null,"\\x63"]})");
  EXPECT_EQ(RowsOf(R"({"x":[1,2]})", arrow::fixed_size_list(arrow::float32(), 2)), "{x:[1,2]}");
  const auto fields = arrow::struct_({arrow::field("y", longs), arrow::field("d", arrow::date32())});
  EXPECT_EQ(RowsOf("{\"x\":{\"y\":[1]}}\n{\"x\":{\"d\":\"2026-01-02\",\"y\":[2]}}\n", fields),
            R"({x:{"y":[1],"d":null}}{x:{"y":[2],"d":"2026-01-02"}})");
  EXPECT_EQ(RowsOf("{\"x\":[\"1 day\"]}\n", arrow::list(arrow::month_day_nano_interval())), R"({x:["1 day"]})");
  EXPECT_EQ(ErrorOf("{\"x\":{\"z\":1}}\n", fields), "t, line 1, column x: its type has no field z");
  EXPECT_THAT(ErrorOf("{\"x\":{\"d\":\"2026-02-30\"}}\n", fields), HasSubstr("t, line 1, column x: Failed to parse"));
}

TEST(JsonFormat, MapsAreObjectsOrListsOfEntries) {
  const auto map = arrow::map(arrow::utf8(), arrow::int32());
  EXPECT_EQ(RowsOf("{\"x\":{\"a\":1}}\n{\"x\":{\"b\":2,\"c\":null}}\n{\"x\":{}}\n{\"x\":null}\n", map),
            R"({x:[{"key":"a","value":1}]}{x:[{"key":"b","value":2},{"key":"c","value":null}]}{x:[]}{x:null})");
  EXPECT_EQ(RowsOf("{\"x\":[{\"key\":\"a\",\"value\":1}], \"a\":5}\n", map), R"({a:5,x:[{"key":"a","value":1}]})");
  EXPECT_EQ(RowsOf(R"({"x" : { "1" : { "2026-01-01 00:00:00" : [ 2 ] } } })",
                   arrow::map(arrow::int32(), arrow::map(kMicros, arrow::list(arrow::int8())))),
            R"({x:[{"key":1,"value":[{"key":"2026-01-01 00:00:00","value":[2]}]}]})");
  EXPECT_EQ(ErrorOf("{\"x\":[null]}\n", map), "t, line 1, column x: an entry of a map is null");
  EXPECT_EQ(ErrorOf("{\"x\":[{\"value\":1}]}\n", map), "t, line 1, column x: an entry of a map has no key");
  EXPECT_THAT(ErrorOf("{\"x\":{\"k\":1}}\n", arrow::map(arrow::int32(), arrow::int32())), HasSubstr("t, line 1, "));
}

TEST(JsonFormat, ABadRecordAtTheTopStopsNothingElse) {
  const std::string good = "{\"a\":1}\n", rest = "{\"a\":2}\n{\"a\":3}\n";
  for (const auto& table : {std::shared_ptr<arrow::Schema>(), kAB}) {
    for (const std::string& before : {std::string(), good}) {
      const auto outcome = Read(before + "bad\n" + rest, {.table = table, .skips = true});
      EXPECT_EQ(outcome.rows, (before.empty() ? "" : "{a:1}") + std::string("{a:2}{a:3}"));
      EXPECT_THAT(outcome.skipped, ElementsAre(before.empty() ? "t, line 1, character 1: not valid JSON"
                                                              : "t, line 2, character 1: not valid JSON"));
      const auto stopped = Read(before + "bad\n" + rest, {.table = table});
      EXPECT_EQ(stopped.rows, before.empty() ? "" : "{a:1}");
      EXPECT_EQ(stopped.error, outcome.skipped.at(0));
    }
  }
  EXPECT_EQ(Read("\nbad\nworse\n", {}).error, "t, line 2, character 1: not valid JSON");
  EXPECT_THAT(Read("{\"a\":[1,\"x\"]}\n{\"a\":[1]}\n", {.skips = true}).skipped,
              ElementsAre(HasSubstr("t, line 1, column a/[]: changed from number to string")));
}

TEST(JsonFormat, IntegersBeyondBigintKeepTheirDigits) {
  EXPECT_EQ(Read("{\"n\":1}\n{\"n\":18446744073709551615}\n", {}).types, "n: uint64");
  const auto outcome = Read(R"({"n":-1,"l":[{"m":9223372036854775808}],"d":1.5,"e":1e3})"
                            "\n"
                            R"({"n":9223372036854775808,"l":[],"d":9223372036854775808,"e":2})"
                            "\n",
                            {});
  EXPECT_EQ(outcome.types, "n: decimal128(38, 0), l: list<item: struct<m: uint64>>, d: double, e: double");
  EXPECT_THAT(outcome.rows, HasSubstr(R"({n:-1,l:[{"m":9223372036854775808}],d:1.5,e:1000})"));
}

TEST(JsonFormat, TimestampsHaveAZoneWhereTheTypeHasOne) {
  EXPECT_EQ(RowsOf("{\"x\":\"2026-01-01T01:02:03.5\"}\n{\"x\":\"2026-01-01\"}\n", kMicros),
            R"({x:"2026-01-01 01:02:03.5"}{x:"2026-01-01 00:00:00"})");
  EXPECT_EQ(RowsOf("{\"x\":\"2026-01-01 01:00:00+02:00\"}\n", kMicrosUtc), R"({x:"2025-12-31 23:00:00+00"})");
  EXPECT_THAT(ErrorOf("{\"x\":\"2026-01-01 00:00:00+02:00\"}\n", kMicros),
              AllOf(HasSubstr("t, line 1, column x: "), HasSubstr("expected no zone offset")));
  const std::string error = ErrorOf("{\"x\":\"2026-01-01 00:00:00\"}\n", kMicrosUtc);
  EXPECT_TRUE(error.ends_with(": expected a zone offset")) << error;
  EXPECT_THAT(ErrorOf("{\"x\":[\"2026-01-01 00:00:00\"]}\n", arrow::list(kMicrosUtc)), HasSubstr("column x: "));
}

TEST(JsonFormat, TimestampsAreInferredAsTheyAreWritten) {
  EXPECT_EQ(Read("{\"x\":\"2026-01-01 00:00:00\"}\n", {}).types, "x: timestamp[us]");
  const auto zoned = Read("{\"x\":\"2026-01-01 00:00:00+02\"}\n", {});
  EXPECT_EQ(zoned.types, "x: timestamp[us, tz=UTC]");
  EXPECT_EQ(zoned.rows, R"({x:"2025-12-31 22:00:00+00"})");
  EXPECT_EQ(Read("{\"x\":\"2026-01-01 00:00:00+02\"}\n{\"x\":\"2026-01-01\"}\n", {}).types, "x: string");
  EXPECT_EQ(Read("{\"x\":[\"2026-01-01 00:00:00Z\"]}\n", {}).types, "x: list<item: timestamp[us, tz=UTC]>");
}

TEST(JsonFormat, BytesAreWrittenInFull) {
  for (const std::string& text : std::vector<std::string>{R"(\\xa)", R"(\\xzz)", R"(\\xAA\\xBB)"}) {
    EXPECT_THAT(ErrorOf("{\"x\":\"" + text + "\"}\n", arrow::binary()), HasSubstr("t, line 1, column x: '\\x"));
  }
  EXPECT_EQ(RowsOf(R"({"x":"\\x"})", arrow::binary()), R"({x:"\\x"})");
}

}  // namespace
}  // namespace hyprstream::cli
