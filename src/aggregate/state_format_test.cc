#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "aggregate/state_format_internal.h"
#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/buffer.h"
#include "arrow/result.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using enum AggregateKind;

std::shared_ptr<AggregateQuery> Query() {
  const auto decimal = arrow::decimal128(38, 0);
  return MakeTestQuery({{"w", arrow::date32()}, {"name", arrow::utf8()}, {"k", arrow::boolean()}}, 0,
                       {{kCountStar, nullptr, arrow::int64()},
                        {kSum, decimal, decimal},
                        {kAvg, arrow::float64(), arrow::float64()},
                        {kMin, arrow::utf8(), arrow::utf8()},
                        {kMax, arrow::boolean(), arrow::boolean()}});
}

std::unique_ptr<ViewState> FilledState(const std::shared_ptr<AggregateQuery>& query) {
  auto state = ViewState::Make(query).ValueOrDie();
  // The sums of window 1 pass 2^127, so that carries are saved too.
  const std::string big = "\"99999999999999999999999999999999999999\"";
  FoldAndMerge(*state,
               {MakeTestBatch(*query, {"[1, 1, 2, null]", R"(["a", "a", "", null])", "[true, true, null, false]",
                                       "[" + big + ", " + big + ", \"3\", null]", "[1, 2.5, 0.1, null]",
                                       R"(["a long string that has memory of its own", "b", "", null])",
                                       "[true, false, null, true]"})});
  return state;
}

std::string Saved(const ViewState& state) { return state.Serialize().ValueOrDie()->ToString(); }

TEST(StateFormat, RoundTrip) {
  const auto query = Query();
  const auto state = FilledState(query);
  const std::string bytes = Saved(*state);
  const auto restored = ViewState::Make(query).ValueOrDie();
  FoldAndMerge(*restored, {MakeTestBatch(*query, {"[9]", "[null]", "[true]", "[\"1\"]", "[1]", "[null]", "[null]"})});
  ASSERT_TRUE(restored->Restore(bytes).ok());
  EXPECT_EQ(Saved(*restored), bytes);
  EXPECT_EQ(restored->Stats().rows, 4);
  // And it goes on as the other does.
  const std::string minus = "[\"-99999999999999999999999999999999999999\"]";
  const auto batch = MakeTestBatch(*query, {"[1]", "[\"a\"]", "[true]", minus, "[1]", "[\"A\"]", "[null]"});
  FoldAndMerge(*state, {batch});
  FoldAndMerge(*restored, {batch});
  EXPECT_EQ(RowsOf(restored->Pin()), RowsOf(state->Pin()));
  EXPECT_THAT(RowsOf(restored->Pin()), SizeIs(3));
}

TEST(StateFormat, BelongsToItsDefinition) {
  const std::string bytes = Saved(*FilledState(Query()));
  auto query = Query();
  query->definition = "SELECT something else";
  auto status = ViewState::Make(query).ValueOrDie()->Restore(bytes);
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("View state of sales_5m: it belongs to another definition"));
  query = Query();
  query->time_zone = "Europe/Berlin";
  EXPECT_TRUE(ViewState::Make(query).ValueOrDie()->Restore(bytes).IsInvalid());
  query = Query();
  query->aggregates[3].kind = kMax;
  EXPECT_TRUE(ViewState::Make(query).ValueOrDie()->Restore(bytes).IsInvalid());
}

TEST(StateFormat, DamageLeavesTheStateUnchanged) {
  const auto query = Query();
  const auto state = FilledState(query);
  const std::string bytes = Saved(*state);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_TRUE(state->Restore(std::string_view(bytes).substr(0, size)).IsInvalid()) << "cut to " << size;
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_TRUE(state->Restore(damaged).IsInvalid()) << "bit " << bit;
  }
  EXPECT_TRUE(state->Restore(bytes + "x").IsInvalid());
  EXPECT_EQ(Saved(*state), bytes);
}

// With the checksum made right again, only the reader's own bounds are left: it must answer, one way or the other.
TEST(StateFormat, ForgedBytesAreReadWithinBounds) {
  const auto query = Query();
  const std::string bytes = Saved(*FilledState(query));
  constexpr std::size_t kEnvelope = 20;  // magic, version and fingerprint
  const unsigned seed = 11;
  std::mt19937 random(seed);
  const auto below = [&](std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  };
  for (int round = 0; round < 5'000; ++round) {
    std::string forged = bytes.substr(0, bytes.size() - sizeof(std::uint32_t));
    for (std::size_t flips = 1 + below(3); flips > 0; --flips) {
      forged[kEnvelope + below(forged.size() - kEnvelope)] = static_cast<char>(below(256));
    }
    if (below(4) == 0) forged.resize(kEnvelope + below(forged.size() - kEnvelope));
    const std::uint32_t checksum = StateChecksum(forged);
    forged.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
    const auto state = ViewState::Make(query).ValueOrDie();
    const auto status = state->Restore(forged);
    if (!status.ok()) {
      ASSERT_TRUE(status.IsInvalid()) << status;
      continue;
    }
    const auto source = MakeViewSource(state->Pin());
    const auto read = source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches();
    if (!read.ok()) {
      ASSERT_TRUE(read.status().IsInvalid());
    }
    FoldAndMerge(*state, {MakeTestBatch(*query, {"[1]", "[\"a\"]", "[true]", "[\"1\"]", "[1]", "[\"A\"]", "[null]"})});
  }
}

}  // namespace
}  // namespace hyprstream::aggregate
