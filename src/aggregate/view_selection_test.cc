// Rows of a version picked by window and group.
#include "aggregate/view_selection.h"

#include <memory>
#include <string>
#include <vector>

#include "aggregate/view_test_support.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using enum AggregateKind;

std::vector<std::string> Selected(const std::shared_ptr<const ViewVersion>& version, ViewSelection selection) {
  const auto source = SelectRows(version, std::move(selection));
  return RowsOf(*source->Scan(AllColumns(*source)).ValueOrDie());
}

std::vector<std::int64_t> StartsFromLast(const ViewVersion& version, std::size_t count = 100) {
  std::vector<std::int64_t> starts;
  WindowsFromLast(version, [&](WindowStart window) {
    starts.push_back(window.is_null ? -1 : window.start);
    return starts.size() < count;
  });
  return starts;
}

class ViewSelectionTest : public testing::Test {
 protected:
  void Make(const std::vector<TestKey>& keys) {
    query_ = MakeTestQuery(keys, 0, {{kCountStar, nullptr, arrow::int64()}});
    state_ = ViewState::Make(query_).ValueOrDie();
  }
  void Add(const std::vector<std::string>& columns) { FoldAndMerge(*state_, {MakeTestBatch(*query_, columns)}); }

  std::shared_ptr<AggregateQuery> query_;
  std::unique_ptr<ViewState> state_;
};

TEST_F(ViewSelectionTest, WholeWindowsAreReadAsTheyAre) {
  Make({{"w", arrow::int64()}, {"k", arrow::int32()}});
  Add({"[0, 0, 10, 20, null]", "[1, 2, 1, 1, 5]"});
  const auto version = state_->Pin();
  EXPECT_THAT(Selected(version, {.windows = {{{.start = 0}, {}}, {{.start = 20}, {}}, {{.start = 30}, {}}}}),
              ElementsAre("0 | 1 | 1", "0 | 2 | 1", "20 | 1 | 1"));
  EXPECT_THAT(Selected(version, {.windows = {{{.is_null = true}, {}}}}), ElementsAre("null | 5 | 1"));
  EXPECT_THAT(Selected(version, {}), IsEmpty());
}

TEST_F(ViewSelectionTest, GroupsAreNamedByTheDeltaThatTouchedThem) {
  Make({{"w", arrow::int64()}, {"k", arrow::utf8()}});
  Add({"[0, 0, 10, 10]", R"(["a", "b", "a", null])"});
  const auto delta = state_->Fold({MakeTestBatch(*query_, {"[0, 0, 10]", R"(["b", "b", null])"})}).ValueOrDie();
  ViewSelection selection;
  for (const auto& [window, groups] : state_->GroupsOf(*delta)) selection.windows[window] = groups;
  EXPECT_THAT(Selected(state_->Pin(), selection), ElementsAre("0 | b | 1", "10 | null | 1"));
  state_->Merge(*delta);
  EXPECT_THAT(Selected(state_->Pin(), selection), ElementsAre("0 | b | 3", "10 | null | 2"));
}

TEST_F(ViewSelectionTest, TheVersionIsKeptWhileItsRowsAreRead) {
  Make({{"w", arrow::int64()}, {"k", arrow::int32()}});
  Add({"[0]", "[1]"});
  const auto source = SelectRows(state_->Pin(), {.windows = {{{.start = 0}, {}}}});
  Add({"[0]", "[1]"});
  EXPECT_THAT(RowsOf(*source->Scan(AllColumns(*source)).ValueOrDie()), ElementsAre("0 | 1 | 1"));
}

TEST_F(ViewSelectionTest, AViewWithoutWindowsIsOne) {
  query_ = MakeTestQuery({{"k", arrow::int32()}}, -1, {{kCountStar, nullptr, arrow::int64()}});
  state_ = ViewState::Make(query_).ValueOrDie();
  Add({"[1, 2]"});
  EXPECT_THAT(Selected(state_->Pin(), {.windows = {{{}, {}}}}), ElementsAre("1 | 1", "2 | 1"));
}

TEST_F(ViewSelectionTest, WindowsAreGoneThroughFromTheLast) {
  Make({{"w", arrow::int64()}, {"k", arrow::int32()}});
  Add({"[0, 10, 20, null]", "[1, 1, 1, 1]"});
  EXPECT_THAT(StartsFromLast(*state_->Pin()), ElementsAre(-1, 20, 10, 0));
  EXPECT_THAT(StartsFromLast(*state_->Pin(), 2), ElementsAre(-1, 20));
}

TEST_F(ViewSelectionTest, WindowsThatHopArePutTogetherFromTheirSlices) {
  query_ = MakeTestQuery({{"w", arrow::int64()}, {"k", arrow::int32()}}, 0, {{kCountStar, nullptr, arrow::int64()}});
  query_->hopping = WindowSpec{.kind = WindowKind::kHopping, .size = 30, .slide = 10, .origin = 0};
  state_ = ViewState::Make(query_).ValueOrDie();
  Add({"[0, 10, 10, 50]", "[1, 1, 2, 1]"});
  const auto version = state_->Pin();
  EXPECT_THAT(StartsFromLast(*version), ElementsAre(50, 40, 30, 10, 0, -10, -20));
  EXPECT_THAT(Selected(version, {.windows = {{{.start = -10}, {}}, {{.start = 30}, {}}, {{.start = 20}, {}}}}),
              ElementsAre("-10 | 1 | 2", "-10 | 2 | 1", "30 | 1 | 1"));
  const auto delta = state_->Fold({MakeTestBatch(*query_, {"[10]", "[2]"})}).ValueOrDie();
  ViewSelection selection;
  for (const auto& [slice, groups] : state_->GroupsOf(*delta)) {
    for (const WindowStart window : WindowsOfSlice(*query_, slice)) selection.windows[window] = groups;
  }
  EXPECT_THAT(Selected(version, selection), ElementsAre("-10 | 2 | 1", "0 | 2 | 1", "10 | 2 | 1"));
}

}  // namespace
}  // namespace hyprstream::aggregate
