// Rows taken out of states again: exactly what is left without them, and for which aggregates that can be.
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/buffer.h"
#include "arrow/result.h"
#include "core/aggregate_functions.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using enum AggregateKind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Type = std::shared_ptr<arrow::DataType>;

std::shared_ptr<AggregateQuery> Sums(const std::vector<TestKey>& keys, int window_key) {
  const Type i64 = arrow::int64();
  const Type huge = arrow::decimal128(38, 0);
  return MakeTestQuery(keys, window_key,
                       {{kCountStar, nullptr, i64},
                        {kCount, {i64}, i64},
                        {kSum, {i64}, huge},
                        {kAvg, {huge}, arrow::float64()},
                        {kBitXor, {i64}, i64}});
}

TEST(Subtract, LeavesWhatWasThereWithout) {
  const auto query = Sums({{"w", arrow::timestamp(arrow::TimeUnit::MICRO)}, {"k", arrow::utf8()}}, 0);
  std::mt19937_64 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  const auto rows = [&](int count) {
    std::vector<std::string> columns(6, "[");
    for (int row = 0; row < count; ++row) {
      const std::string comma = row == 0 ? "" : ", ";
      columns[0] += comma + (random() % 9 == 0 ? "null" : std::to_string(random() % 4 * 1000));
      columns[1] += comma + (random() % 9 == 0 ? "null" : "\"key " + std::to_string(random() % 5) + "\"");
      for (const int column : {2, 3, 5}) {
        columns[column] += comma + (random() % 3 == 0 ? "null" : std::to_string(static_cast<int>(random() % 99) - 50));
      }
      columns[4] += comma + "\"" + (random() % 2 == 0 ? "-" : "") + "999999999999999999999999999999999999\"";
    }
    for (auto& column : columns) column += "]";
    return MakeTestBatch(*query, columns);
  };
  for (int round = 0; round < 50; ++round) {
    const auto state = ViewState::Make(query).ValueOrDie();
    const auto without = ViewState::Make(query).ValueOrDie();
    const auto kept = rows(20);
    const auto gone = rows(10);
    FoldAndMerge(*without, {kept});
    FoldAndMerge(*state, {kept, gone});
    const auto pin = state->Pin();
    const auto before = RowsOf(pin);
    state->Subtract(*state->Fold({gone}).ValueOrDie(), {});
    EXPECT_EQ(RowsOf(pin), before);
    const auto left = RowsOf(state->Pin());
    EXPECT_THAT(left, testing::UnorderedElementsAreArray(RowsOf(without->Pin())));
    EXPECT_EQ(state->Stats().rows, 20);
    EXPECT_EQ(state->Stats().groups, without->Stats().groups);
    state->Subtract(*state->Fold({kept}).ValueOrDie(), {});
    EXPECT_THAT(RowsOf(state->Pin()), IsEmpty());
    EXPECT_EQ(state->Stats().windows, 0);
  }
}

TEST(Subtract, TheOneGroupOfAViewWithoutKeysStays) {
  const auto query = Sums({}, -1);
  const auto state = ViewState::Make(query).ValueOrDie();
  const auto empty = RowsOf(state->Pin());
  const auto rows = MakeTestBatch(*query, {"[1, null]", "[3, 4]", "[\"5\", null]", "[7, null]"});
  FoldAndMerge(*state, {rows});
  state->Subtract(*state->Fold({rows}).ValueOrDie(), {});
  EXPECT_EQ(RowsOf(state->Pin()), empty);
}

TEST(Subtract, LeavesWindowsAloneThatItIsToldTo) {
  const auto query = MakeTestQuery({{"w", arrow::int64()}}, 0, {{kCountStar, nullptr, arrow::int64()}});
  const auto state = ViewState::Make(query).ValueOrDie();
  const auto rows = MakeTestBatch(*query, {"[1, 1, 2]"});
  FoldAndMerge(*state, {rows});
  state->Subtract(*state->Fold({rows}).ValueOrDie(), {{.start = 1}});
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("1 | 2"));
}

// What docs/aggregates.md says, of the aggregates that can, over integers and over floats, and of their neighbours.
TEST(Subtract, IsPossibleWhereTheDocumentsSaySo) {
  const Type i64 = arrow::int64();
  const Type f64 = arrow::float64();
  const Type huge = arrow::decimal128(38, 0);
  const std::vector<std::pair<TestAggregate, bool>> cases = {{{kCountStar, nullptr, i64}, false},
                                                             {{kCount, {i64}, i64}, false},
                                                             {{kCount, {f64}, i64}, true},
                                                             {{kSum, {i64}, huge}, false},
                                                             {{kSum, {f64}, f64}, true},
                                                             {{kAvg, {i64}, f64}, false},
                                                             {{kAvg, {f64}, f64}, true},
                                                             {{kMin, {i64}, i64}, false},
                                                             {{kMax, {i64}, i64}, false},
                                                             {{kVarPop, {f64}, f64}, true},
                                                             {{kBitXor, {i64}, i64}, false},
                                                             {{kBitAnd, {i64}, i64}, false},
                                                             {{kBitOr, {i64}, i64}, false},
                                                             {{kProduct, {f64}, f64}, true},
                                                             {{kAnyValue, {i64}, i64}, false},
                                                             {{kCountDistinct, {i64}, i64}, false},
                                                             {{kApproxCountDistinct, {i64}, i64}, false}};
  for (const auto& [aggregate, of_floats] : cases) {
    const auto& function = FunctionOf(aggregate.kind);
    const bool documented = function.subtractable == "yes" || (function.subtractable == "but for floats" && !of_floats);
    const auto state = ViewState::Make(MakeTestQuery({{"k", i64}}, -1, {aggregate})).ValueOrDie();
    EXPECT_EQ(state->can_subtract(), documented) << function.name();
  }
}

}  // namespace
}  // namespace hyprstream::aggregate
