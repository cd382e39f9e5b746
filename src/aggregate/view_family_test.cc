// Deltas of coarser windows made of those of finer ones: against the rows folded again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>

#include "aggregate/view_test_support.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"

namespace hyprstream::aggregate {
namespace {

using enum AggregateKind;

constexpr std::int64_t kInfinite = std::numeric_limits<std::int64_t>::max();

std::shared_ptr<AggregateQuery> WindowQuery(std::int64_t size, std::int64_t origin = 0) {
  auto query = MakeTestQuery({{"w", arrow::int64()}, {"k", arrow::utf8()}}, 0,
                             {{kCountStar, nullptr, arrow::int64()},
                              {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                              {kMin, arrow::int64(), arrow::int64()},
                              {kMax, arrow::utf8(), arrow::utf8()},
                              {kApproxCountDistinct, arrow::int64(), arrow::int64()}});
  query->fixed_window = FixedWindow{.size = size, .origin = origin};
  return query;
}

std::shared_ptr<arrow::RecordBatch> RandomRows(const AggregateQuery& query, std::mt19937& random, int rows, int keys) {
  arrow::Int64Builder times, sums, lows, distinct;
  arrow::StringBuilder names, texts;
  for (int row = 0; row < rows; ++row) {
    const auto value = static_cast<std::int64_t>(random() % 1000);
    const auto kind = random() % 50;
    (kind == 0 ? times.AppendNull() : times.Append(kind == 1 ? kInfinite : value - 500)).ok();
    (kind == 2 ? names.AppendNull() : names.Append(std::to_string(random() % keys))).ok();
    (kind == 3 ? sums.AppendNull() : sums.Append(value)).ok();
    (lows.Append(value * 7 % 1001)).ok();
    (texts.Append("text " + std::to_string(value))).ok();
    (distinct.Append(value)).ok();
  }
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (arrow::ArrayBuilder* builder :
       std::initializer_list<arrow::ArrayBuilder*>{&times, &names, &sums, &lows, &texts, &distinct}) {
    columns.push_back(builder->Finish().ValueOrDie());
  }
  return arrow::RecordBatch::Make(query.evaluated_schema, rows, columns);
}

std::vector<std::string> SortedRows(ViewState& state) {
  auto rows = RowsOf(state.Pin());
  std::ranges::sort(rows);
  return rows;
}

TEST(ViewFamily, ACoarserDeltaIsThatOfTheRows) {
  std::mt19937 random(20261126);
  for (int run = 0; run < 40; ++run) {
    const auto size = static_cast<std::int64_t>(1 + random() % 40);
    const auto fine_query = WindowQuery(size, static_cast<std::int64_t>(random() % 3));
    const auto times = static_cast<std::int64_t>(1 + random() % 6);
    const auto coarse_query = WindowQuery(size * times, fine_query->fixed_window->origin + 2 * size);
    const auto fine = ViewState::Make(fine_query).ValueOrDie();
    const auto derived = ViewState::Make(coarse_query).ValueOrDie();
    const auto folded = ViewState::Make(coarse_query).ValueOrDie();
    for (int commit = 0; commit < 4; ++commit) {
      // Many keys: rows that are not grouped before they are merged.
      const bool many = run == 0;
      const auto rows = RandomRows(*fine_query, random, many ? 40'000 : 200, many ? 1'000'000 : 5);
      const auto delta = fine->Fold({rows}).ValueOrDie();
      const auto coarser = derived->FoldFrom(*fine, *delta);
      ASSERT_NE(coarser, nullptr);
      EXPECT_EQ(coarser->rows(), rows->num_rows());
      // In either order: the slices that they share are nobody's to write to.
      if (run % 2 == 0) fine->Merge(*delta);
      derived->Merge(*coarser);
      if (run % 2 == 1) fine->Merge(*delta);
      FoldAndMerge(*folded, {rows});
    }
    ASSERT_EQ(SortedRows(*derived), SortedRows(*folded)) << "run " << run;
    EXPECT_EQ(derived->Stats().rows, folded->Stats().rows);
    EXPECT_EQ(fine->Stats().rows, folded->Stats().rows);
  }
}

class Unrelated : public testing::TestWithParam<const char*> {};

TEST_P(Unrelated, ViewsAreFoldedFromRows) {
  const auto fine_query = WindowQuery(10);
  const auto coarse_query = WindowQuery(20);
  const std::string what = GetParam();
  if (what == "size") coarse_query->fixed_window->size = 25;
  if (what == "origin") coarse_query->fixed_window->origin = 5;
  if (what == "condition") coarse_query->where_sql = "k = 'a'";
  if (what == "table") coarse_query->from_sql = "other";
  if (what == "key") coarse_query->key_sql[1] = "lower(k)";
  if (what == "argument") coarse_query->argument_sql[0] = "y";
  if (what == "time") coarse_query->time_sql = "t + 1";
  if (what == "aggregate") coarse_query->aggregates[2].kind = kMax;
  if (what == "session") {
    coarse_query->fixed_window.reset();
    coarse_query->session_gap = 10;
  }
  if (what == "range") coarse_query->fixed_window->greatest = 15;
  const auto fine = ViewState::Make(fine_query).ValueOrDie();
  const auto coarse = ViewState::Make(coarse_query).ValueOrDie();
  const auto rows = MakeTestBatch(*fine_query, {"[12]", R"(["a"])", "[1]", "[2]", R"(["t"])", "[3]"});
  EXPECT_EQ(coarse->FoldFrom(*fine, *fine->Fold({rows}).ValueOrDie()), nullptr);
}

INSTANTIATE_TEST_SUITE_P(ViewFamily, Unrelated,
                         testing::Values("size", "origin", "condition", "table", "key", "argument", "time", "aggregate",
                                         "session", "range"));

// They count what they hold view by view.
TEST(ViewFamily, StatesOfEveryDistinctValueAreFoldedFromRows) {
  const auto query = [](std::int64_t size) {
    auto made = MakeTestQuery({{"w", arrow::int64()}}, 0, {{kCountDistinct, arrow::int64(), arrow::int64()}});
    made->fixed_window = FixedWindow{.size = size, .origin = 0};
    return made;
  };
  const auto fine = ViewState::Make(query(10)).ValueOrDie();
  const auto coarse = ViewState::Make(query(20)).ValueOrDie();
  const auto rows = MakeTestBatch(fine->query(), {"[1, 2]", "[1, 1]"});
  EXPECT_EQ(coarse->FoldFrom(*fine, *fine->Fold({rows}).ValueOrDie()), nullptr);
}

}  // namespace
}  // namespace hyprstream::aggregate
