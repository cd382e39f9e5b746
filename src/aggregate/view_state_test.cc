#include "aggregate/view_state.h"

#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "aggregate/view_test_support.h"
#include "arrow/builder.h"
#include "arrow/result.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;
using enum AggregateKind;

std::unique_ptr<ViewState> MakeState(const std::shared_ptr<AggregateQuery>& query) {
  return ViewState::Make(query).ValueOrDie();
}

std::shared_ptr<AggregateQuery> SalesQuery() {
  return MakeTestQuery({{"window_start", arrow::timestamp(arrow::TimeUnit::MICRO)}, {"region", arrow::utf8()}}, 0,
                       {{kCountStar, nullptr, arrow::int64()}, {kSum, arrow::int64(), arrow::decimal128(38, 0)}});
}

std::shared_ptr<arrow::RecordBatch> Sales(const AggregateQuery& query, const std::string& windows,
                                          const std::string& regions, const std::string& amounts) {
  return MakeTestBatch(query, {windows, regions, amounts});
}

TEST(ViewState, GroupsByWindowAndKeyAcrossBatches) {
  const auto query = SalesQuery();
  const auto state = MakeState(query);
  FoldAndMerge(*state, {Sales(*query, "[300000000, 0, 0]", R"(["n", "s", null])", "[1, 2, 3]"),
                        Sales(*query, "[0, null, 0]", R"(["s", "n", null])", "[5, 7, null]")});
  FoldAndMerge(*state, {Sales(*query, "[0]", R"(["s"])", "[-10]")});
  EXPECT_THAT(RowsOf(state->Pin()),
              ElementsAre("1970-01-01 00:00:00.000000 | s | 3 | -3", "1970-01-01 00:00:00.000000 | null | 2 | 3",
                          "1970-01-01 00:05:00.000000 | n | 1 | 1", "null | n | 1 | 7"));
  EXPECT_EQ(state->Stats().windows, 3);
  EXPECT_EQ(state->Stats().groups, 4);
  EXPECT_EQ(state->Stats().rows, 7);
  const auto windows = state->Windows();
  ASSERT_EQ(windows.size(), 3U);
  EXPECT_EQ(windows[0].window, "1970-01-01 00:00:00");
  EXPECT_EQ(windows[1].window, "1970-01-01 00:05:00");
  EXPECT_EQ(windows[2].window, "NULL");
  EXPECT_EQ(windows[0].rows, 5);
}

TEST(ViewState, WithoutKeysHasOneRowBeforeAnyRow) {
  const auto query =
      MakeTestQuery({}, -1, {{kCountStar, nullptr, arrow::int64()}, {kSum, arrow::float64(), arrow::float64()}});
  const auto state = MakeState(query);
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("0 | null"));
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[1.5, null, 2]"})});
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("3 | 3.5"));
  ASSERT_TRUE(state->Replace(nullptr, *state->Fold({}).ValueOrDie()).ok());
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("0 | null"));
}

TEST(ViewState, WindowAloneIsAGroup) {
  const auto query = MakeTestQuery({{"d", arrow::date32()}}, 0, {{kCountStar, nullptr, arrow::int64()}});
  const auto state = MakeState(query);
  EXPECT_THAT(RowsOf(state->Pin()), IsEmpty());
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[1, -1, 1, null]"})});
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("1969-12-31 | 1", "1970-01-02 | 2", "null | 1"));
  EXPECT_EQ(state->Windows()[0].window, "1969-12-31");
}

TEST(ViewState, FloatKeysAreEqualAsInGroupBy) {
  const auto query =
      MakeTestQuery({{"k", arrow::float64()}, {"f", arrow::float32()}}, -1, {{kCountStar, nullptr, arrow::int64()}});
  const auto state = MakeState(query);
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[0.0, -0.0, NaN, -NaN]", "[-0.0, 0.0, NaN, NaN]"})});
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("0 | 0 | 2", "nan | nan | 2"));
}

// A lone key has an index of its own when it is an integer.
TEST(ViewState, EveryTypeAsTheOnlyKey) {
  const std::vector<std::pair<std::shared_ptr<arrow::DataType>, std::string>> cases = {
      {arrow::boolean(), "[true, false, null]"},
      {arrow::int8(), "[-128, 127, null]"},
      {arrow::int16(), "[-32768, 32767, null]"},
      {arrow::uint32(), "[4294967295, 0, null]"},
      {arrow::int64(), "[-9223372036854775808, 9223372036854775807, null]"},
      {arrow::uint64(), "[18446744073709551615, 0, null]"},
      {arrow::decimal128(16, 16), R"(["0.3000000000000000", "-0.3000000000000000", null])"},
      {arrow::decimal128(38, 0),
       R"(["99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", null])"},
      {arrow::date32(), "[-1, 2, null]"},
      {arrow::utf8(), R"(["a", "", null])"},
  };
  for (const auto& [type, values] : cases) {
    SCOPED_TRACE(type->ToString());
    const auto query = MakeTestQuery({{"k", type}}, -1, {{kCountStar, nullptr, arrow::int64()}});
    const auto state = MakeState(query);
    const auto batch = MakeTestBatch(*query, {values});
    FoldAndMerge(*state, {batch});
    FoldAndMerge(*state, {batch->Slice(1, 2), batch->Slice(0, 1)});
    const auto source = MakeViewSource(state->Pin());
    const auto result = source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches().ValueOrDie().front();
    const auto texts = [](const arrow::Array& array) {
      std::vector<std::string> found;
      for (std::int64_t i = 0; i < array.length(); ++i) found.push_back(array.GetScalar(i).ValueOrDie()->ToString());
      return found;
    };
    EXPECT_THAT(texts(*result->column(0)), UnorderedElementsAreArray(texts(*batch->column(0))));
    EXPECT_THAT(texts(*result->column(1)), ElementsAre("2", "2", "2"));
  }
}

TEST(ViewState, EveryKeyType) {
  const std::vector<std::pair<std::shared_ptr<arrow::DataType>, std::string>> cases = {
      {arrow::boolean(), "[true, false, null, true]"},
      {arrow::int8(), "[-1, 2, null, -1]"},
      {arrow::uint64(), "[18446744073709551615, 0, null, 18446744073709551615]"},
      {arrow::decimal128(10, 2), R"(["1.50", "-1.50", null, "1.50"])"},
      {arrow::date32(), "[1, 2, null, 1]"},
      {arrow::time64(arrow::TimeUnit::MICRO), "[1, 2, null, 1]"},
      {arrow::timestamp(arrow::TimeUnit::NANO, "Europe/Berlin"), "[1, 2, null, 1]"},
      {arrow::utf8(), R"(["a", "", null, "a"])"},
      {arrow::large_utf8(), R"(["a", "", null, "a"])"},
      {arrow::binary(), R"(["a", "", null, "a"])"},
      {arrow::large_binary(), R"(["a", "", null, "a"])"},
      {arrow::utf8_view(), R"(["a rather long string value", "", null, "a rather long string value"])"},
      {arrow::fixed_size_binary(2), R"(["ab", "cd", null, "ab"])"},
  };
  for (const auto& [type, values] : cases) {
    SCOPED_TRACE(type->ToString());
    const auto query = MakeTestQuery({{"k", type}, {"g", arrow::utf8()}}, -1,
                                     {{kCountStar, nullptr, arrow::int64()}, {kMin, type, type}, {kMax, type, type}});
    const auto state = MakeState(query);
    const auto batch = MakeTestBatch(*query, {values, R"(["x", "x", "x", "x"])", values, values});
    FoldAndMerge(*state, {batch});
    FoldAndMerge(*state, {batch->Slice(1, 3)});
    const auto source = MakeViewSource(state->Pin());
    const auto result = source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches().ValueOrDie().front();
    ASSERT_TRUE(result->ValidateFull().ok()) << result->ValidateFull();
    EXPECT_TRUE(result->schema()->Equals(*query->output_schema));
    const auto distinct = batch->column(0)->Slice(0, 3);
    EXPECT_TRUE(result->column(0)->Equals(distinct)) << result->ToString();
    EXPECT_TRUE(result->column(3)->Equals(distinct)) << result->ToString();
    EXPECT_TRUE(result->column(4)->Equals(distinct)) << result->ToString();
  }
}

// What a commit is held against before it is merged.
TEST(ViewState, GrowsByNoMoreThanItsBound) {
  std::mt19937_64 random(7);
  for (const std::int64_t spread : {1, 3, 1'000, 1'000'000'000}) {
    for (const bool is_text : {false, true}) {
      SCOPED_TRACE(std::to_string(spread) + (is_text ? " text" : ""));
      const auto query = MakeTestQuery({{"k", is_text ? arrow::utf8() : arrow::int64()}}, -1,
                                       {{kSum, arrow::int64(), arrow::decimal128(38, 0)}});
      const auto state = MakeState(query);
      std::int64_t next = 0;
      for (const std::int64_t rows : {3, 100, 5'000, 40'000, 40'000, 70'000, 1}) {
        arrow::Int64Builder numbers;
        arrow::StringBuilder texts;
        for (std::int64_t i = 0; i < rows; ++i) {
          const auto key = next++ * spread + static_cast<std::int64_t>(random() % 2);
          ASSERT_TRUE(numbers.Append(key).ok() && texts.Append(std::to_string(key)).ok());
        }
        const std::shared_ptr<arrow::Array> values = numbers.Finish().ValueOrDie();
        const std::shared_ptr<arrow::Array> keys = is_text ? texts.Finish().ValueOrDie() : values;
        const auto delta =
            state->Fold({arrow::RecordBatch::Make(query->evaluated_schema, rows, arrow::ArrayVector{keys, values})})
                .ValueOrDie();
        const std::int64_t before = state->Stats().bytes;
        const std::int64_t bound = state->GrowthBound(*delta);
        state->Merge(*delta);
        EXPECT_LE(state->Stats().bytes - before, bound + (is_text ? rows * 64 : 0)) << rows;
      }
    }
  }
}

TEST(ViewState, MinAndMaxOrderAsDuckDb) {
  const auto query = MakeTestQuery({}, -1,
                                   {{kMin, arrow::float64(), arrow::float64()},
                                    {kMax, arrow::float64(), arrow::float64()},
                                    {kMin, arrow::boolean(), arrow::boolean()},
                                    {kMax, arrow::boolean(), arrow::boolean()},
                                    {kMin, arrow::utf8(), arrow::utf8()},
                                    {kMax, arrow::utf8(), arrow::utf8()},
                                    {kMax, arrow::int32(), arrow::int32()}});
  const auto state = MakeState(query);
  FoldAndMerge(*state,
               {MakeTestBatch(*query, {"[NaN, 1, -Inf]", "[Inf, NaN, 2]", "[true, false, null]", "[false, false, true]",
                                       R"(["b", "\u00e9", "B"])", R"(["z", "\u00e9", null])", "[null, null, null]"})});
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("-inf | nan | false | true | B | \xc3\xa9 | null"));
}

TEST(ViewState, SumsAndAveragesHaveDuckDbTypes) {
  const auto query = MakeTestQuery({}, -1,
                                   {{kSum, arrow::boolean(), arrow::decimal128(38, 0)},
                                    {kSum, arrow::uint64(), arrow::decimal128(38, 0)},
                                    {kSum, arrow::decimal128(10, 2), arrow::decimal128(38, 2)},
                                    {kSum, arrow::float32(), arrow::float64()},
                                    {kAvg, arrow::int16(), arrow::float64()},
                                    {kAvg, arrow::decimal128(10, 2), arrow::float64()},
                                    {kCount, arrow::list(arrow::int32()), arrow::int64()}});
  const auto state = MakeState(query);
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[true, true, null]", "[18446744073709551615, 18446744073709551615, 1]",
                                               R"(["1.25", "-3.00", null])", "[0.5, null, 2]", "[1, 2, null]",
                                               R"(["1.25", "2.50", "0.00"])", "[[1], null, []]"})});
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("2 | 36893488147419103231 | -1.75 | 2.5 | 1.5 | 1.25 | 2"));
}

TEST(ViewState, FloatingSumsKeepWhatRoundingLoses) {
  const auto query = MakeTestQuery({}, -1, {{kSum, arrow::float64(), arrow::float64()}});
  const auto state = MakeState(query);
  for (const char* values : {"[1e100, 1, 0.25]", "[-1e100]", "[1]"}) {
    FoldAndMerge(*state, {MakeTestBatch(*query, {values})});
  }
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("2.25"));
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[Inf, 1]"})});
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("inf"));
}

TEST(ViewState, OnlyAFinalSumCanBeOutOfRange) {
  const auto type = arrow::decimal128(38, 0);
  const auto query = MakeTestQuery({{"k", arrow::int32()}}, -1, {{kSum, type, type}, {kAvg, type, arrow::float64()}});
  const auto state = MakeState(query);
  const std::string big = "99999999999999999999999999999999999999";
  const std::string bigs = "[\"" + big + "\", \"" + big + "\", \"" + big + "\", \"5\"]";
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[1, 1, 1, 2]", bigs, bigs})});
  const auto pinned = state->Pin();
  const auto source = MakeViewSource(pinned);
  const auto status = source->Scan({.projection = {0, 1}, .filters = {}}).ValueOrDie()->ToRecordBatches().status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("View sales_5m, column a0: the sum is out of range"));
  // The average has the same limit, as in DuckDB; the other group can be read.
  const auto average = source->Scan({.projection = {2}, .filters = {}}).ValueOrDie()->ToRecordBatches().status();
  EXPECT_THAT(average.message(), HasSubstr("View sales_5m, column a1: the sum behind the average is out of range"));
  EXPECT_THAT(
      RowsOf(*source
                  ->Scan({.projection = {1},
                          .filters = {{.column = 0, .op = ColumnFilter::Op::kEqual, .value = arrow::MakeScalar(2)}}})
                  .ValueOrDie()),
      ElementsAre("5"));
  const std::string minus = "[\"-" + big + "\", \"-" + big + "\"]";
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[1, 1]", minus, minus})});
  EXPECT_EQ(RowsOf(*MakeViewSource(state->Pin())->Scan({.projection = {1}, .filters = {}}).ValueOrDie()).front(), big);
}

TEST(ViewState, SumsOfDecimalsEndAt38DigitsOthersAt128Bits) {
  const auto type = arrow::decimal128(38, 0);
  auto query = std::make_shared<AggregateQuery>(*MakeTestQuery({}, -1, {{kSum, type, type}, {kSum, type, type}}));
  query->aggregates[1].decimal_sum = true;
  const auto state = MakeState(query);
  const std::string values = R"(["99999999999999999999999999999999999999", "50000000000000000000000000000000000000"])";
  FoldAndMerge(*state, {MakeTestBatch(*query, {values, values})});
  const auto source = MakeViewSource(state->Pin());
  EXPECT_THAT(RowsOf(*source->Scan({.projection = {0}, .filters = {}}).ValueOrDie()),
              ElementsAre("149999999999999999999999999999999999999"));
  const auto status = source->Scan({.projection = {1}, .filters = {}}).ValueOrDie()->ToRecordBatches().status();
  EXPECT_THAT(status.message(), HasSubstr("column a1: the sum is out of range of DECIMAL(38)"));
}

TEST(ViewState, AggregatesTakeTheRowsWhereTheirConditionIsTrue) {
  auto query = std::make_shared<AggregateQuery>(*MakeTestQuery({{"k", arrow::int32()}}, -1,
                                                               {{kCountStar, nullptr, arrow::int64()},
                                                                {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                                                                {kCount, arrow::boolean(), arrow::int64()}}));
  query->aggregates[0].filter = query->aggregates[1].filter = query->aggregates[2].arguments.front();
  const auto state = MakeState(query);
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[1, 1, 2, 1]", "[10, 20, 30, 40]", "[true, null, false, true]"})});
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("1 | 2 | 50 | 2", "2 | 0 | null | 1"));
}

TEST(ViewState, PinnedVersionsStayAsTheyWere) {
  const auto query = SalesQuery();
  const auto state = MakeState(query);
  std::vector<std::pair<std::shared_ptr<const ViewVersion>, std::vector<std::string>>> pins;
  for (int i = 0; i < 20; ++i) {
    const std::string window = std::to_string(i % 3 * 300'000'000);
    FoldAndMerge(*state, {Sales(*query, "[" + window + "]", R"(["n"])", "[" + std::to_string(i) + "]")});
    if (i % 2 == 0) pins.emplace_back(state->Pin(), RowsOf(state->Pin()));
    if (i % 5 == 4) pins.erase(pins.begin());
    for (const auto& [version, rows] : pins) EXPECT_EQ(RowsOf(version), rows);
  }
  EXPECT_EQ(state->Pin(), state->Pin()) << "nothing changed between the pins";
  EXPECT_EQ(state->Stats().rows, 20);
}

TEST(ViewState, AMergedDeltaIsNotWrittenTo) {
  const auto query = SalesQuery();
  const auto state = MakeState(query);
  const auto delta = state->Fold({Sales(*query, "[0]", R"(["n"])", "[1]")}).ValueOrDie();
  for (int i = 0; i < 3; ++i) state->Merge(*delta);
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("1970-01-01 00:00:00.000000 | n | 3 | 3"));
  EXPECT_EQ(delta->rows(), 1);
}

TEST(ViewState, ReplaceTouchesItsWindowsOnly) {
  const auto query = SalesQuery();
  const auto state = MakeState(query);
  FoldAndMerge(*state, {Sales(*query, "[0, 300000000, 600000000, null]", R"(["n", "n", "n", "n"])", "[1, 2, 3, 4]")});
  const auto before = state->Pin();
  const auto rows_before = RowsOf(before);
  const auto delta = state->Fold({Sales(*query, "[300000000]", R"(["s"])", "[20]")}).ValueOrDie();
  const auto windows = [](const char* json) {
    const auto type = arrow::timestamp(arrow::TimeUnit::MICRO);
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("w", type)}), 3,
                                    {arrow::json::ArrayFromJSONString(type, json).ValueOrDie()});
  };
  EXPECT_THAT(state->Replace(windows("[0, 600000000, null]"), *delta).message(),
              HasSubstr("window 1970-01-01 00:05:00"));
  EXPECT_EQ(RowsOf(state->Pin()), rows_before);
  ASSERT_TRUE(state->Replace(windows("[300000000, null, 0]"), *delta).ok());
  EXPECT_THAT(RowsOf(state->Pin()),
              ElementsAre("1970-01-01 00:05:00.000000 | s | 1 | 20", "1970-01-01 00:10:00.000000 | n | 1 | 3"));
  EXPECT_EQ(RowsOf(before), rows_before);
  EXPECT_EQ(state->Stats().rows, 2);
  EXPECT_TRUE(state->Replace(nullptr, *delta).IsInvalid());
}

TEST(ViewState, RefusesWhatItCannotMaintain) {
  const auto list = arrow::list(arrow::int32());
  const auto timestamp = arrow::timestamp(arrow::TimeUnit::MICRO);
  auto status = ViewState::Make(MakeTestQuery({{"tags", list}}, -1, {})).status();
  EXPECT_TRUE(status.IsNotImplemented());
  EXPECT_THAT(status.message(), HasSubstr("View sales_5m, column tags: a key of type list<"));
  status = ViewState::Make(MakeTestQuery({}, -1, {{kAvg, timestamp, timestamp}})).status();
  EXPECT_TRUE(status.IsNotImplemented());
  EXPECT_THAT(status.message(), HasSubstr("column a0: avg of timestamp[us]"));
  status = ViewState::Make(MakeTestQuery({}, -1, {{kMax, list, list}})).status();
  EXPECT_TRUE(status.IsNotImplemented());
  status = ViewState::Make(MakeTestQuery({}, -1, {{kSum, arrow::int64(), arrow::int64()}})).status();
  EXPECT_TRUE(status.IsInvalid());
  status = ViewState::Make(MakeTestQuery({{"w", arrow::utf8()}}, 0, {})).status();
  EXPECT_TRUE(status.IsNotImplemented());
}

TEST(ViewState, FoldRefusesOtherTypes) {
  const auto query = SalesQuery();
  const auto state = MakeState(query);
  const auto other = MakeTestQuery({{"w", arrow::timestamp(arrow::TimeUnit::MICRO)}, {"region", arrow::utf8()}}, 0,
                                   {{kSum, arrow::int32(), arrow::decimal128(38, 0)}});
  const auto status = state->Fold({Sales(*other, "[0]", R"(["n"])", "[1]")}).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("was evaluated as int32, expected int64"));
}

// Windows that hardly grow any more keep no room for more groups, and take late rows all the same.
TEST(ViewState, AWindowIsMadeCompactWhenTheNextBegins) {
  auto query = MakeTestQuery({{"w", arrow::int64()}, {"k", arrow::int64()}}, 0,
                             {{kCountStar, nullptr, arrow::int64()}, {kSum, arrow::int64(), arrow::decimal128(38, 0)}});
  const auto state = ViewState::Make(query).ValueOrDie();
  const auto add = [&](std::int64_t window, std::int64_t first, std::int64_t rows) {
    arrow::Int64Builder windows, keys, values;
    for (std::int64_t key = first; key < first + rows; ++key) {
      ASSERT_TRUE(windows.Append(window).ok() && keys.Append(key).ok() && values.Append(1).ok());
    }
    const auto batch = arrow::RecordBatch::Make(
        query->evaluated_schema, rows,
        {windows.Finish().ValueOrDie(), keys.Finish().ValueOrDie(), values.Finish().ValueOrDie()});
    FoldAndMerge(*state, {batch});
  };
  const auto first_window = [&] { return state->Windows().front(); };
  add(0, 0, 20);
  add(0, 20, 13);
  const auto open = first_window();
  add(1, 0, 1);
  const auto compact = first_window();
  EXPECT_EQ(compact.groups, 33);
  EXPECT_LE(compact.bytes, open.bytes * 2 / 3);
  EXPECT_EQ(state->Stats().bytes, compact.bytes + state->Windows().back().bytes);
  add(0, 32, 4000);
  EXPECT_EQ(first_window().groups, 4032);
  EXPECT_EQ(first_window().rows, 4033);
}

}  // namespace
}  // namespace hyprstream::aggregate
