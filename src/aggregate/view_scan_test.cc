// Reading a version: projection, filters and batch sizes.
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/result.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using enum AggregateKind;
using Op = ColumnFilter::Op;

// Windows 0, 10, 20 and NULL, in each the regions n, s and NULL with k 1, 2 and 1; column order k, count, w, region.
class ViewScan : public testing::Test {
 protected:
  ViewScan() {
    const auto query = MakeTestQuery({{"w", arrow::int64()}, {"region", arrow::utf8()}, {"k", arrow::int32()}}, 0,
                                     {{kCountStar, nullptr, arrow::int64()}});
    query->output = {{.name = "k", .is_key = true, .index = 2},
                     {.name = "a0", .is_key = false, .index = 0},
                     {.name = "w", .is_key = true, .index = 0},
                     {.name = "region", .is_key = true, .index = 1}};
    query->output_schema = arrow::schema({arrow::field("k", arrow::int32()), arrow::field("a0", arrow::int64()),
                                          arrow::field("w", arrow::int64()), arrow::field("region", arrow::utf8())});
    state_ = ViewState::Make(query).ValueOrDie();
    for (const char* window : {"[20, 20, 20]", "[null, null, null]", "[0, 0, 0]", "[10, 10, 10]"}) {
      FoldAndMerge(*state_, {MakeTestBatch(*query, {window, R"(["n", "s", null])", "[1, 2, 1]"})});
    }
  }

  std::vector<std::string> Scan(std::vector<int> projection, std::vector<ColumnFilter> filters) const {
    const auto source = MakeViewSource(state_->Pin());
    return RowsOf(*source->Scan({.projection = std::move(projection), .filters = std::move(filters)}).ValueOrDie());
  }
  static ColumnFilter Window(Op op, std::int64_t start) {
    return {.column = 2, .op = op, .value = arrow::MakeScalar(start)};
  }
  static ColumnFilter Region(const std::string& region) {
    return {.column = 3, .op = Op::kEqual, .value = arrow::MakeScalar(region)};
  }
  static ColumnFilter K(std::int32_t k) { return {.column = 0, .op = Op::kEqual, .value = arrow::MakeScalar(k)}; }

  std::unique_ptr<ViewState> state_;
};

TEST_F(ViewScan, ColumnsInSelectOrderWindowsAscending) {
  EXPECT_THAT(Scan({0, 1, 2, 3}, {}),
              ElementsAre("1 | 1 | 0 | n", "2 | 1 | 0 | s", "1 | 1 | 0 | null", "1 | 1 | 10 | n", "2 | 1 | 10 | s",
                          "1 | 1 | 10 | null", "1 | 1 | 20 | n", "2 | 1 | 20 | s", "1 | 1 | 20 | null",
                          "1 | 1 | null | n", "2 | 1 | null | s", "1 | 1 | null | null"));
  EXPECT_THAT(Scan({3, 3, 0}, {Window(Op::kEqual, 10)}), ElementsAre("n | n | 1", "s | s | 2", "null | null | 1"));
}

TEST_F(ViewScan, WindowRanges) {
  EXPECT_THAT(Scan({2}, {Window(Op::kGreaterEqual, 10), Region("n")}), ElementsAre("10", "20"));
  EXPECT_THAT(Scan({2}, {Window(Op::kGreater, 10), Region("n")}), ElementsAre("20"));
  EXPECT_THAT(Scan({2}, {Window(Op::kLess, 10), Region("n")}), ElementsAre("0"));
  EXPECT_THAT(Scan({2}, {Window(Op::kLessEqual, 10), Window(Op::kGreater, 0), Region("n")}), ElementsAre("10"));
  EXPECT_THAT(Scan({2}, {Window(Op::kEqual, 5)}), IsEmpty());
}

TEST_F(ViewScan, KeyEquality) {
  EXPECT_THAT(Scan({2, 3}, {K(1), Window(Op::kLess, 11)}), ElementsAre("0 | n", "0 | null", "10 | n", "10 | null"));
  EXPECT_THAT(Scan({2, 1}, {K(2), Region("s"), Window(Op::kEqual, 20)}), ElementsAre("20 | 1"));
  EXPECT_THAT(Scan({2, 1}, {K(1), Region("s")}), IsEmpty());
  EXPECT_THAT(Scan({2}, {K(1), K(2)}), IsEmpty());
  EXPECT_THAT(Scan({2}, {Region("")}), IsEmpty()) << "NULL is not the empty string";
}

TEST_F(ViewScan, ComparedWithNullNothingMatches) {
  EXPECT_THAT(Scan({2}, {{.column = 3, .op = Op::kEqual, .value = arrow::MakeNullScalar(arrow::utf8())}}), IsEmpty());
  EXPECT_THAT(Scan({2}, {{.column = 2, .op = Op::kLess, .value = arrow::MakeNullScalar(arrow::int64())}}), IsEmpty());
}

TEST_F(ViewScan, Lists) {
  const auto in = [](int column, std::vector<std::shared_ptr<arrow::Scalar>> values) {
    return ColumnFilter{.column = column, .op = Op::kIn, .values = std::move(values)};
  };
  const auto time = [](std::int64_t start) { return arrow::MakeScalar(start); };
  const auto text = [](const char* region) { return arrow::MakeScalar(region); };
  EXPECT_THAT(Scan({2}, {in(2, {time(20), time(0), time(5), time(20)}), Region("n")}), ElementsAre("0", "20"));
  EXPECT_THAT(Scan({2}, {in(2, {time(20), time(0)}), in(2, {time(10), time(0)}), Region("n")}), ElementsAre("0"));
  EXPECT_THAT(Scan({2, 3, 0}, {in(3, {text("s"), text("x"), text("n")}), Window(Op::kEqual, 10)}),
              ElementsAre("10 | n | 1", "10 | s | 2"));
  EXPECT_THAT(Scan({3, 0}, {in(3, {text("s"), text("n"), text("s")}), K(2), Window(Op::kEqual, 10)}),
              ElementsAre("s | 2"));
  EXPECT_THAT(Scan({3}, {in(3, {text("s"), arrow::MakeNullScalar(arrow::utf8())}), Window(Op::kEqual, 10)}),
              ElementsAre("s"))
      << "NULL in a list equals nothing";
  EXPECT_THAT(Scan({3}, {in(3, {arrow::MakeNullScalar(arrow::utf8())})}), IsEmpty());
}

TEST_F(ViewScan, Nulls) {
  const auto null = [](int column) { return ColumnFilter{.column = column, .op = Op::kIsNull}; };
  EXPECT_THAT(Scan({2, 3}, {null(2)}), ElementsAre("null | n", "null | s", "null | null"));
  EXPECT_THAT(Scan({2, 3}, {null(3)}), ElementsAre("0 | null", "10 | null", "20 | null", "null | null"));
  EXPECT_THAT(Scan({2, 0}, {null(3), K(1), Window(Op::kEqual, 10)}), ElementsAre("10 | 1"));
  EXPECT_THAT(Scan({2, 0}, {null(3), K(2)}), IsEmpty());
  EXPECT_THAT(Scan({2}, {null(2), Window(Op::kGreater, 0)}), IsEmpty());
  EXPECT_THAT(Scan({2}, {null(3), Region("n")}), IsEmpty());
}

TEST_F(ViewScan, BoundsAtTheEndsOfTime) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  EXPECT_THAT(Scan({2}, {Window(Op::kGreater, kMax)}), IsEmpty());
  EXPECT_THAT(Scan({2}, {Window(Op::kLess, kMin)}), IsEmpty());
  EXPECT_THAT(Scan({2}, {Window(Op::kGreaterEqual, kMin), Region("n")}), ElementsAre("0", "10", "20"));
  EXPECT_THAT(Scan({2}, {Window(Op::kLessEqual, kMax), Region("n")}), ElementsAre("0", "10", "20"));
}

TEST_F(ViewScan, ALookUpLooksAtNothingElse) {
  const auto visits = std::make_shared<ScanVisits>();
  const auto source = MakeViewSource(state_->Pin(), visits);
  EXPECT_THAT(
      RowsOf(*source->Scan({.projection = {1}, .filters = {Window(Op::kEqual, 10), Region("s"), K(2)}}).ValueOrDie()),
      SizeIs(1));
  EXPECT_EQ(visits->slices, 1);
  EXPECT_EQ(visits->groups, 1);
  EXPECT_THAT(
      RowsOf(*source->Scan({.projection = {1}, .filters = {Window(Op::kGreater, 0), Region("s")}}).ValueOrDie()),
      SizeIs(2));
  EXPECT_EQ(visits->slices, 3) << "of two windows";
  EXPECT_EQ(visits->groups, 7);
}

TEST_F(ViewScan, OtherFiltersAreLeftToTheCaller) {
  EXPECT_THAT(Scan({2}, {{.column = 1, .op = Op::kEqual, .value = arrow::MakeScalar(std::int64_t{99})}}), SizeIs(12));
  EXPECT_THAT(Scan({2}, {{.column = 1, .op = Op::kIsNull}}), SizeIs(12));
  EXPECT_THAT(Scan({2}, {{.column = 0, .op = Op::kGreater, .value = arrow::MakeScalar(std::int32_t{9})}}), SizeIs(12));
  EXPECT_THAT(Scan({2}, {{.column = 2, .op = Op::kEqual, .value = arrow::MakeScalar(std::int32_t{10})}}), SizeIs(12));
}

TEST_F(ViewScan, CountsRowsWithoutColumns) {
  const auto source = MakeViewSource(state_->Pin());
  const auto batches =
      source->Scan({.projection = {}, .filters = {Region("n")}}).ValueOrDie()->ToRecordBatches().ValueOrDie();
  ASSERT_THAT(batches, SizeIs(1));
  EXPECT_EQ(batches[0]->num_rows(), 4);
  EXPECT_EQ(batches[0]->num_columns(), 0);
  EXPECT_EQ(source->EstimatedRows(), 12);
}

TEST_F(ViewScan, RefusesColumnsThatAreNot) {
  const auto source = MakeViewSource(state_->Pin());
  EXPECT_TRUE(source->Scan({.projection = {4}, .filters = {}}).status().IsInvalid());
  EXPECT_TRUE(source->Scan({.projection = {-1}, .filters = {}}).status().IsInvalid());
}

TEST_F(ViewScan, AReaderOutlivesStateAndSource) {
  const auto reader = MakeViewSource(state_->Pin())->Scan({.projection = {2}, .filters = {}}).ValueOrDie();
  state_.reset();
  EXPECT_THAT(RowsOf(*reader), SizeIs(12));
}

TEST(ViewScanBatches, HoldAtMost64KiRowsOfOneOrManyWindows) {
  for (const int window_key : {-1, 0}) {
    const auto query = MakeTestQuery({{"k", arrow::int64()}}, window_key, {{kCountStar, nullptr, arrow::int64()}});
    const auto state = ViewState::Make(query).ValueOrDie();
    arrow::Int64Builder keys;
    const std::int64_t count = window_key == -1 ? 150'000 : 70'000;
    for (std::int64_t key = 0; key < count; ++key) ASSERT_TRUE(keys.Append(key).ok());
    FoldAndMerge(*state, {arrow::RecordBatch::Make(query->evaluated_schema, count, {keys.Finish().ValueOrDie()})});
    const auto source = MakeViewSource(state->Pin());
    std::int64_t rows = 0;
    for (const auto& batch : source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches().ValueOrDie()) {
      EXPECT_TRUE(batch->num_rows() == 65'536 || rows + batch->num_rows() == count);
      EXPECT_TRUE(batch->ValidateFull().ok());
      rows += batch->num_rows();
    }
    EXPECT_EQ(rows, count);
  }
}

}  // namespace
}  // namespace hyprstream::aggregate
