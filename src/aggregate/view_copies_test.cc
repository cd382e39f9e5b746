// Merges beside pinned readers: what a reader has pinned stays as it was, whatever is shared with it, and a merge
// copies little more than it touches.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/array/array_decimal.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "core/aggregate_functions.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using enum AggregateKind;

struct Group {
  std::int64_t rows = 0;
  std::int64_t sum = 0;
  std::string least;
  friend bool operator==(const Group&, const Group&) = default;
};
using Model = std::map<std::string, Group>;  // by the key's text

// How keys look, and how many of them there may be.
struct Keys {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  std::int64_t count;
  std::int64_t step;  // between integers: far apart they are hashed
  std::int64_t first = 0;
};

std::shared_ptr<arrow::RecordBatch> RandomRows(const AggregateQuery& query, const Keys& keys, std::int64_t rows,
                                               std::mt19937_64& random, Model& model) {
  arrow::Int64Builder integers, values;
  arrow::StringBuilder texts, words;
  // Mostly few keys, and now and then any.
  const std::int64_t range = random() % 3 == 0 ? keys.count : std::min<std::int64_t>(keys.count, 50);
  const std::int64_t from = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(keys.count - range + 1));
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t number =
        keys.first + keys.step * (from + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(range)));
    const std::string text = std::string(static_cast<std::size_t>(std::abs(number % 30)), 'k') + std::to_string(number);
    const auto value = static_cast<std::int64_t>(random() % 1000);
    const std::string word = "a word that is kept outside " + std::to_string(value);
    EXPECT_TRUE(integers.Append(number).ok() && texts.Append(text).ok() && values.Append(value).ok() &&
                words.Append(word).ok());
    Group& group = model[keys.type->id() == arrow::Type::STRING ? text : std::to_string(number)];
    if (group.rows == 0 || word < group.least) group.least = word;
    ++group.rows;
    group.sum += value;
  }
  const auto number_column = integers.Finish().ValueOrDie();
  const auto text_column = texts.Finish().ValueOrDie();
  return arrow::RecordBatch::Make(query.evaluated_schema, rows,
                                  {keys.type->id() == arrow::Type::STRING ? text_column : number_column,
                                   values.Finish().ValueOrDie(), words.Finish().ValueOrDie()});
}

Model Read(const std::shared_ptr<const ViewVersion>& version) {
  Model model;
  const auto source = MakeViewSource(version);
  for (const auto& batch : source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches().ValueOrDie()) {
    const auto& rows = static_cast<const arrow::Int64Array&>(*batch->column(1));
    const auto& sums = static_cast<const arrow::Decimal128Array&>(*batch->column(2));
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      const auto sum = static_cast<std::int64_t>(arrow::Decimal128(sums.GetValue(row)).low_bits());
      model[batch->column(0)->GetScalar(row).ValueOrDie()->ToString()] = {
          rows.Value(row), sum, batch->column(3)->GetScalar(row).ValueOrDie()->ToString()};
    }
  }
  return model;
}

class ViewCopies : public testing::TestWithParam<Keys> {};

TEST_P(ViewCopies, WhatIsPinnedStaysAsItWasThroughRandomMerges) {
  const Keys& keys = GetParam();
  const auto query = MakeTestQuery({{"k", keys.type}}, -1,
                                   {{kCountStar, nullptr, arrow::int64()},
                                    {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                                    {kMin, arrow::utf8(), arrow::utf8()}});
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto state = ViewState::Make(query).ValueOrDie();
    const auto alone = ViewState::Make(query).ValueOrDie();
    Model model;
    std::vector<std::pair<std::shared_ptr<const ViewVersion>, Model>> pinned;
    for (int step = 0; step < 120; ++step) {
      const auto batch = RandomRows(*query, keys, 1 + static_cast<std::int64_t>(random() % 200), random, model);
      FoldAndMerge(*state, {batch});
      FoldAndMerge(*alone, {batch});
      if (random() % 2 == 0) pinned.emplace_back(state->Pin(), model);
      // They are let go in any order, now and then all of them.
      while (!pinned.empty() && (pinned.size() > 5 || random() % 3 == 0)) {
        const auto one = static_cast<std::ptrdiff_t>(random() % pinned.size());
        ASSERT_EQ(Read(pinned[static_cast<std::size_t>(one)].first), pinned[static_cast<std::size_t>(one)].second);
        pinned.erase(pinned.begin() + one);
      }
      const ViewStats stats = state->Stats();
      ASSERT_EQ(stats.bytes, state->Windows().front().bytes);
      ASSERT_EQ(stats.groups, static_cast<std::int64_t>(model.size()));
      // A list that was copied has no spare room.
      ASSERT_NEAR(static_cast<double>(stats.bytes), static_cast<double>(alone->Stats().bytes), 4096.0);
      ASSERT_EQ(state->CopiedSince(*state->Pin()), 0);
      ASSERT_EQ(alone->CopiedSince(*state->Pin()), 0);
    }
    ASSERT_EQ(Read(state->Pin()), model);
    const auto last = state->Pin();
    auto reborn = ViewState::Make(query).ValueOrDie();
    ASSERT_TRUE(reborn->Restore(std::string_view(*state->Serialize().ValueOrDie())).ok());
    ASSERT_EQ(Read(reborn->Pin()), model);
  }
}

INSTANTIATE_TEST_SUITE_P(Keys, ViewCopies,
                         testing::Values(Keys{"dense", arrow::int64(), 2000, 1},
                                         Keys{"dense_of_both_signs", arrow::int64(), 2000, 1, -1500},
                                         Keys{"far_apart", arrow::int64(), 3000, 1'000'003},
                                         Keys{"texts", arrow::utf8(), 3000, 1}),
                         [](const auto& param) { return param.param.name; });

// ---- one window of many groups

std::shared_ptr<AggregateQuery> Sums() {
  return MakeTestQuery({{"k", arrow::int64()}}, -1,
                       {{kCountStar, nullptr, arrow::int64()}, {kSum, arrow::int64(), arrow::decimal128(38, 0)}});
}

std::shared_ptr<arrow::RecordBatch> Rows(const AggregateQuery& query, std::int64_t first, std::int64_t rows,
                                         std::int64_t step) {
  arrow::Int64Builder keys, values;
  for (std::int64_t i = first; i < first + rows; ++i) {
    EXPECT_TRUE(keys.Append(i * step).ok() && values.Append(i).ok());
  }
  return arrow::RecordBatch::Make(query.evaluated_schema, rows,
                                  {keys.Finish().ValueOrDie(), values.Finish().ValueOrDie()});
}

// Keys 0 to `groups` - 1 times `step`, each with `rows` rows.
void ExpectAll(const std::shared_ptr<const ViewVersion>& version, std::int64_t groups, std::int64_t step,
               std::int64_t rows) {
  const auto source = MakeViewSource(version);
  std::vector<bool> seen(static_cast<std::size_t>(groups));
  std::int64_t found = 0;
  for (const auto& batch : source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches().ValueOrDie()) {
    const auto& keys = static_cast<const arrow::Int64Array&>(*batch->column(0));
    const auto& counts = static_cast<const arrow::Int64Array&>(*batch->column(1));
    for (std::int64_t row = 0; row < batch->num_rows(); ++row, ++found) {
      const std::int64_t key = keys.Value(row) / step;
      ASSERT_TRUE(key >= 0 && key < groups && key * step == keys.Value(row));
      ASSERT_FALSE(seen[static_cast<std::size_t>(key)]) << keys.Value(row);
      seen[static_cast<std::size_t>(key)] = true;
      ASSERT_EQ(counts.Value(row), rows) << keys.Value(row);
    }
  }
  ASSERT_EQ(found, groups);
}

class ManyGroups : public testing::TestWithParam<std::int64_t> {};

TEST_P(ManyGroups, AMergeBesideAReaderCopiesWhatItTouches) {
  constexpr std::int64_t kGroups = 700'000;
  constexpr std::int64_t kBatch = 100'000;
  const std::int64_t step = GetParam();
  const auto query = Sums();
  const auto state = ViewState::Make(query).ValueOrDie();
  for (std::int64_t first = 0; first < kGroups; first += kBatch) {
    const ViewStats before = state->Stats();
    const auto delta = state->Fold({Rows(*query, first, kBatch, step)}).ValueOrDie();
    const std::int64_t bound = before.bytes + state->GrowthBound(*delta);
    state->Merge(*delta);
    EXPECT_LE(state->Stats().bytes, bound);
    // Nor is it far off: a budget is to be filled.
    EXPECT_GE(state->Stats().bytes, bound * 6 / 10);
  }
  const auto pinned = state->Pin();
  const std::int64_t whole = state->Stats().bytes;
  FoldAndMerge(*state, {Rows(*query, 1000, 1000, step)});    // groups that are there
  FoldAndMerge(*state, {Rows(*query, kGroups, 100, step)});  // and new ones
  EXPECT_GT(state->CopiedSince(*pinned), 0);
  EXPECT_LT(state->CopiedSince(*pinned), whole / 20);
  ExpectAll(pinned, kGroups, step, 1);
  FoldAndMerge(*state, {Rows(*query, 0, 1000, step), Rows(*query, 2000, kGroups - 1900, step)});
  ExpectAll(state->Pin(), kGroups + 100, step, 2);
  ExpectAll(pinned, kGroups, step, 1);
}

TEST_P(ManyGroups, AWindowFillsBesideItsReaders) {
  constexpr std::int64_t kGroups = 1'500'000;
  constexpr std::int64_t kBatch = 50'000;
  const auto query = Sums();
  const auto state = ViewState::Make(query).ValueOrDie();
  std::shared_ptr<const ViewVersion> pinned;
  for (std::int64_t first = 0; first < kGroups; first += kBatch) {
    FoldAndMerge(*state, {Rows(*query, first, kBatch, GetParam())});
    const auto next = state->Pin();
    if (first == kGroups / 2) ExpectAll(pinned, first, GetParam(), 1);
    pinned = next;
  }
  ExpectAll(pinned, kGroups, GetParam(), 1);
}

// How many rows the group of that key has; 0: there is none.
std::int64_t LookUp(const std::shared_ptr<const ViewVersion>& version, std::int64_t key) {
  const ColumnFilter equal{.column = 0, .op = ColumnFilter::Op::kEqual, .value = arrow::MakeScalar(key)};
  const auto reader = MakeViewSource(version)->Scan({.projection = {0, 1}, .filters = {equal}}).ValueOrDie();
  std::int64_t found = 0;
  for (const auto& batch : reader->ToRecordBatches().ValueOrDie()) {
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      if (static_cast<const arrow::Int64Array&>(*batch->column(0)).Value(row) != key) continue;
      found += static_cast<const arrow::Int64Array&>(*batch->column(1)).Value(row);
    }
  }
  return found;
}

TEST_P(ManyGroups, KeysAreLookedUpWhileOthersCome) {
  constexpr std::int64_t kGroups = 450'000;  // of even numbers
  constexpr std::int64_t kBatch = 3'000;
  const std::int64_t step = GetParam();
  const auto query = Sums();
  const auto state = ViewState::Make(query).ValueOrDie();
  FoldAndMerge(*state, {Rows(*query, 0, kGroups, 2 * step)});
  const auto pinned = state->Pin();
  std::atomic<bool> is_done = false;
  std::jthread reader([&] {
    for (std::int64_t key = 0; !is_done; key = (key + 7'777) % (2 * kGroups)) {
      ASSERT_EQ(LookUp(pinned, key * step), key % 2 == 0 ? 1 : 0) << key;
    }
  });
  for (std::int64_t first = 0; first < 2 * kGroups; first += 10 * kBatch) {
    FoldAndMerge(*state, {Rows(*query, first, kBatch, step)});
  }
  is_done = true;
  reader.join();
  EXPECT_EQ(LookUp(state->Pin(), step), 1);
  EXPECT_EQ(LookUp(state->Pin(), 2 * step), 2);
}

INSTANTIATE_TEST_SUITE_P(Steps, ManyGroups, testing::Values(1, 1'000'003),
                         [](const auto& param) { return param.param == 1 ? "dense" : "hashed"; });

// However many batches the rows come in.
TEST(ViewCopies, AnIndexThatGrowsIsCountedOnceInTheBoundOfACommit) {
  constexpr std::int64_t kStep = 1'000'003;
  constexpr std::int64_t kGroups = 405'000;  // the next ones make it grow
  constexpr std::int64_t kBatch = 20'000;
  const auto query = Sums();
  const auto state = ViewState::Make(query).ValueOrDie();
  FoldAndMerge(*state, {Rows(*query, 0, kGroups, kStep)});
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (std::int64_t first = kGroups; batches.size() < 5; first += kBatch) {
    batches.push_back(Rows(*query, first, kBatch, kStep));
  }
  const auto bound_of = [&](const auto& rows) { return state->GrowthBound(*state->Fold(rows).ValueOrDie()); };
  EXPECT_LE(bound_of(batches), bound_of(std::vector{Rows(*query, kGroups, 5 * kBatch, kStep)}) * 11 / 10);
}

TEST(ViewCopies, AViewThatGoesBeforeItsReadersLeavesThemWhatTheySee) {
  const auto query = Sums();
  auto state = ViewState::Make(query).ValueOrDie();
  std::vector<std::shared_ptr<const ViewVersion>> pinned;
  for (std::int64_t i = 0; i < 4; ++i) {
    FoldAndMerge(*state, {Rows(*query, 0, 5000, 1'000'003)});
    pinned.push_back(state->Pin());
  }
  state.reset();
  pinned.erase(pinned.begin() + 1);
  ExpectAll(pinned[2], 5000, 1'000'003, 4);
  pinned.pop_back();
  ExpectAll(pinned[0], 5000, 1'000'003, 1);
  ExpectAll(pinned[1], 5000, 1'000'003, 3);
}

}  // namespace
}  // namespace hyprstream::aggregate
