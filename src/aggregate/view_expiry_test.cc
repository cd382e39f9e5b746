// Windows that a delta's rows are left out of, windows that are dropped, and deltas as bytes.
#include <arrow/buffer.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"

namespace hyprstream::aggregate {
namespace {

using ::testing::ElementsAre;

std::unique_ptr<ViewState> MakeState() {
  return ViewState::Make(MakeTestQuery({{"w", arrow::timestamp(arrow::TimeUnit::MICRO)}, {"k", arrow::int64()}}, 0,
                                       {{AggregateKind::kCountStar, nullptr, arrow::int64()}}))
      .ValueOrDie();
}

std::unique_ptr<Delta> Rows(const ViewState& state, const std::string& windows, const std::string& keys) {
  return state.Fold({MakeTestBatch(state.query(), {windows, keys})}).ValueOrDie();
}

TEST(ViewExpiry, ADeltaTellsItsWindowsAndLeavesSomeOut) {
  const auto state = MakeState();
  const auto delta = Rows(*state, "[5, 0, 5, null]", "[1, 1, 2, 3]");
  std::vector<std::pair<WindowStart, std::int64_t>> windows;
  for (const auto& rows : delta->Windows()) windows.emplace_back(rows.window, rows.rows);
  EXPECT_THAT(windows, ElementsAre(std::pair(WindowStart{.start = 0}, 1), std::pair(WindowStart{.start = 5}, 2),
                                   std::pair(WindowStart{.is_null = true}, 1)));
  state->Merge(*delta, {{.start = 5}, {.start = 7}});
  EXPECT_EQ(state->Stats().rows, 2);
  state->Merge(*delta, {{.is_null = true}});
  EXPECT_EQ(state->Stats().rows, 5);
  EXPECT_EQ(state->Stats().windows, 3);
}

TEST(ViewExpiry, TheOldestWindowsAreDroppedAndNeverTheNullWindow) {
  const auto state = MakeState();
  state->Merge(*Rows(*state, "[null, -5, 0, 5, 5]", "[1, 1, 2, 3, 4]"));
  const auto pinned = state->Pin();
  EXPECT_EQ(state->DropOldest([](WindowStart) { return Expiry::kNotYet; }).windows, 0);
  const auto dropped =
      state->DropOldest([](WindowStart window) { return window.start < 5 ? Expiry::kExpired : Expiry::kNotYet; });
  EXPECT_EQ(dropped.windows, 2);
  EXPECT_EQ(dropped.rows, 2);
  EXPECT_EQ(state->Stats().rows, 3);
  EXPECT_EQ(RowsOf(pinned).size(), 5U);
  EXPECT_EQ(RowsOf(state->Pin()).size(), 3U);
  EXPECT_EQ(state->DropOldest([](WindowStart) { return Expiry::kExpired; }).rows, 2);
  EXPECT_EQ(state->Stats().rows, 1);
  EXPECT_EQ(state->DropOldest([](WindowStart) { return Expiry::kExpired; }).windows, 0);
  state->Merge(*Rows(*state, "[0]", "[9]"));
  EXPECT_EQ(state->Stats().rows, 2);
}

TEST(ViewExpiry, AWindowThatNeverEndsKeepsNoneBehindIt) {
  const auto state = MakeState();
  state->Merge(*Rows(*state, "[-9223372036854775807, 0, 5]", "[1, 1, 1]"));
  const auto dropped = state->DropOldest([](WindowStart window) {
    if (window.start < 0) return Expiry::kNever;
    return window.start < 5 ? Expiry::kExpired : Expiry::kNotYet;
  });
  EXPECT_EQ(dropped.windows, 1);
  EXPECT_EQ(state->Stats().windows, 2);
  EXPECT_EQ(state->Stats().rows, 2);
}

TEST(ViewExpiry, DeltasSurviveAsBytes) {
  const auto state = MakeState();
  const auto delta = Rows(*state, "[5, 0, 5, null]", "[1, 1, 2, 3]");
  const auto bytes = state->SerializeDelta(*delta).ValueOrDie();
  EXPECT_EQ(state->Stats().rows, 0);
  for (int times = 0; times < 2; ++times) state->Merge(*state->RestoreDelta(std::string_view(*bytes)).ValueOrDie());
  const auto other = MakeState();
  other->Merge(*delta);
  other->Merge(*delta);
  EXPECT_EQ(RowsOf(state->Pin()), RowsOf(other->Pin()));
  EXPECT_TRUE(state->RestoreDelta("damaged").status().IsInvalid());
}

TEST(ViewExpiry, AViewWithoutWindowsDropsNothing) {
  const auto state = ViewState::Make(MakeTestQuery({{"k", arrow::int64()}}, -1,
                                                   {{AggregateKind::kCountStar, nullptr, arrow::int64()}}))
                         .ValueOrDie();
  state->Merge(*state->Fold({MakeTestBatch(state->query(), {"[1, 2]"})}).ValueOrDie());
  EXPECT_EQ(state->DropOldest([](WindowStart) { return Expiry::kExpired; }).windows, 0);
  EXPECT_EQ(state->Stats().rows, 2);
}

}  // namespace
}  // namespace hyprstream::aggregate
