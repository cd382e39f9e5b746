// Sketches that take a delta's rows when it is merged: against sketches that the delta has already.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "aggregate/view_test_support.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"

namespace hyprstream::aggregate {
namespace {

using enum AggregateKind;

std::shared_ptr<AggregateQuery> SketchQuery(std::int64_t size) {
  auto query = MakeTestQuery({{"w", arrow::int64()}, {"k", arrow::int64()}}, 0,
                             {{kCountStar, nullptr, arrow::int64()},
                              {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                              {kApproxCountDistinct, arrow::float64(), arrow::int64()},
                              {kApproxQuantile, arrow::float64(), arrow::float64(), {0.5}}});
  query->fixed_window = FixedWindow{.size = size, .origin = 0};
  return query;
}

// In no order of time; `newest`: of the last window.
std::shared_ptr<arrow::RecordBatch> Rows(const AggregateQuery& query, std::mt19937& random, int rows, int keys,
                                         std::int64_t newest) {
  arrow::Int64Builder times, names, sums;
  arrow::DoubleBuilder distinct, measured;
  for (int row = 0; row < rows; ++row) {
    const auto value = static_cast<std::int64_t>(random() % 5000);
    (times.Append(newest - static_cast<std::int64_t>(random() % 25))).ok();
    (row % 40 == 1 ? names.AppendNull() : names.Append(static_cast<std::int64_t>(random() % keys))).ok();
    (sums.Append(value)).ok();
    (row % 50 == 2 ? distinct.AppendNull() : distinct.Append(static_cast<double>(value))).ok();
    (row % 60 == 3 ? measured.AppendNull() : measured.Append(static_cast<double>(value - 100) / 8)).ok();
  }
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (arrow::ArrayBuilder* builder :
       std::initializer_list<arrow::ArrayBuilder*>{&times, &names, &sums, &distinct, &measured}) {
    columns.push_back(builder->Finish().ValueOrDie());
  }
  return arrow::RecordBatch::Make(query.evaluated_schema, rows, columns);
}

std::string BytesOf(const ViewState& state) { return state.Serialize().ValueOrDie()->ToString(); }

TEST(RowLog, RowsThatAreTakenAtTheMergeGiveTheStatesOfTheirDelta) {
  std::mt19937 random(41);
  const auto fine = ViewState::Make(SketchQuery(10)).ValueOrDie();
  const auto coarse = ViewState::Make(SketchQuery(20)).ValueOrDie();
  const auto fine_saved = ViewState::Make(SketchQuery(10)).ValueOrDie();
  const auto coarse_saved = ViewState::Make(SketchQuery(20)).ValueOrDie();
  std::shared_ptr<const ViewVersion> pinned;
  std::vector<std::string> seen;
  for (int commit = 0; commit < 12; ++commit) {
    // Few keys have thousands of distinct values, many a handful; the last ones are raw rows.
    const int keys = commit % 3 == 0 ? 3 : commit % 3 == 1 ? 150 : 100'000;
    const auto first = Rows(fine->query(), random, 12'000, keys, 3 * commit);
    const auto second = Rows(fine->query(), random, 500, keys, 3 * commit);
    const auto delta = fine->Fold({first, second}).ValueOrDie();
    const auto coarser = coarse->FoldFrom(*fine, *delta);
    ASSERT_NE(coarser, nullptr);
    EXPECT_GT(delta->bytes(), delta->rows() * static_cast<std::int64_t>(sizeof(double))) << "what it keeps counts";
    // Saved, a delta has states.
    const auto saved = fine->SerializeDelta(*delta).ValueOrDie()->ToString();
    const auto coarser_saved = coarse->SerializeDelta(*coarser).ValueOrDie()->ToString();
    const std::int64_t most = fine->Stats().bytes + fine->GrowthBound(*delta);
    if (commit % 2 == 0) fine->Merge(*delta);
    coarse->Merge(*coarser);
    if (commit % 2 == 1) fine->Merge(*delta);
    EXPECT_LE(fine->Stats().bytes, most);
    fine_saved->Merge(*fine_saved->RestoreDelta(saved).ValueOrDie());
    coarse_saved->Merge(*coarse_saved->RestoreDelta(coarser_saved).ValueOrDie());
    if (commit == 5) {
      pinned = fine->Pin();
      seen = RowsOf(pinned);
    }
  }
  EXPECT_EQ(RowsOf(fine->Pin()), RowsOf(fine_saved->Pin()));
  EXPECT_EQ(BytesOf(*fine), BytesOf(*fine_saved));
  EXPECT_EQ(RowsOf(coarse->Pin()), RowsOf(coarse_saved->Pin()));
  EXPECT_EQ(BytesOf(*coarse), BytesOf(*coarse_saved));
  EXPECT_EQ(RowsOf(pinned), seen) << "a pinned version changed";
}

TEST(RowLog, WindowsAreReplacedByTheStatesOfTheirRows) {
  std::mt19937 random(43);
  const auto state = ViewState::Make(SketchQuery(10)).ValueOrDie();
  const auto merged = ViewState::Make(SketchQuery(10)).ValueOrDie();
  const auto rows = Rows(state->query(), random, 5'000, 20, 0);
  state->ReplaceAll(*state->Fold({rows}).ValueOrDie());
  FoldAndMerge(*merged, {rows});
  EXPECT_EQ(BytesOf(*state), BytesOf(*merged));
}

// More rows than a delta keeps.
TEST(RowLog, DeltasOfManyRowsHaveStates) {
  std::mt19937 random(47);
  const auto state = ViewState::Make(SketchQuery(1'000)).ValueOrDie();
  const auto merged = ViewState::Make(SketchQuery(1'000)).ValueOrDie();
  const auto builder = state->BuildDelta();
  for (int batch = 0; batch < 7; ++batch) {
    const auto rows = Rows(state->query(), random, 50'000, 40, 0);
    ASSERT_TRUE(builder->Add(rows).ok());
    FoldAndMerge(*merged, {rows});
  }
  const auto delta = builder->Finish();
  EXPECT_LT(delta->bytes(), delta->rows() * 8);
  state->Merge(*delta);
  EXPECT_EQ(RowsOf(state->Pin()), RowsOf(merged->Pin()));
}

}  // namespace
}  // namespace hyprstream::aggregate
