// Random rows, splits, orders, restarts and replacements against a plain map of groups.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"
#include "arrow/result.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using enum AggregateKind;
using Random = std::mt19937_64;

struct Row {
  std::optional<std::int64_t> window = std::nullopt;
  std::optional<std::string> name = std::nullopt;
  std::optional<double> level = std::nullopt;
  std::optional<std::int64_t> number = std::nullopt;  // argument
  std::optional<double> measure = std::nullopt;       // argument: quarters, so that sums are exact in any order
  std::optional<std::string> word = std::nullopt;     // argument
};

std::shared_ptr<AggregateQuery> OracleQuery(int window_key) {
  return MakeTestQuery({{"w", arrow::int64()}, {"name", arrow::utf8()}, {"level", arrow::float64()}}, window_key,
                       {{kCountStar, nullptr, arrow::int64()},
                        {kCount, arrow::int64(), arrow::int64()},
                        {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                        {kAvg, arrow::float64(), arrow::float64()},
                        {kSum, arrow::float64(), arrow::float64()},
                        {kMin, arrow::int64(), arrow::int64()},
                        {kMax, arrow::float64(), arrow::float64()},
                        {kMin, arrow::utf8(), arrow::utf8()},
                        {kMax, arrow::utf8(), arrow::utf8()}});
}

template <class Builder, class T>
std::shared_ptr<arrow::Array> Column(std::span<const Row> rows, std::optional<T> Row::* member) {
  Builder builder;
  for (const Row& row : rows) {
    const std::optional<T>& value = row.*member;
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::RecordBatch> BatchOf(const AggregateQuery& query, std::span<const Row> rows) {
  const auto numbers = Column<arrow::Int64Builder>(rows, &Row::number);
  const auto measures = Column<arrow::DoubleBuilder>(rows, &Row::measure);
  const auto words = Column<arrow::StringBuilder>(rows, &Row::word);
  return arrow::RecordBatch::Make(
      query.evaluated_schema, static_cast<std::int64_t>(rows.size()),
      {Column<arrow::Int64Builder>(rows, &Row::window), Column<arrow::StringBuilder>(rows, &Row::name),
       Column<arrow::DoubleBuilder>(rows, &Row::level), numbers, numbers, measures, measures, numbers, measures, words,
       words});
}

std::string Text(const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : "null"; }
std::string Text(const std::optional<double>& value) { return value ? arrow::DoubleScalar(*value).ToString() : "null"; }
std::string Text(const std::optional<std::string>& value) { return value.value_or("null"); }

struct Group {
  std::int64_t rows = 0, numbers = 0, measures = 0, number_sum = 0;
  double measure_sum = 0;
  std::optional<std::int64_t> number_min;
  std::optional<double> measure_max;
  std::optional<std::string> word_min, word_max;

  void Add(const Row& row) {
    ++rows;
    if (row.number) {
      ++numbers;
      number_sum += *row.number;
      number_min = std::min(number_min.value_or(*row.number), *row.number);
    }
    if (row.measure) {
      ++measures;
      measure_sum += *row.measure;
      measure_max = std::max(measure_max.value_or(*row.measure), *row.measure);
    }
    if (row.word) {
      word_min = std::min(word_min.value_or(*row.word), *row.word);
      word_max = std::max(word_max.value_or(*row.word), *row.word);
    }
  }
  std::string ToString() const {
    const auto sum = measures == 0 ? std::nullopt : std::optional(measure_sum);
    const auto mean = measures == 0 ? std::nullopt : std::optional(measure_sum / static_cast<double>(measures));
    const auto number = numbers == 0 ? std::nullopt : std::optional(number_sum);
    return std::to_string(rows) + " | " + std::to_string(numbers) + " | " + Text(number) + " | " + Text(mean) + " | " +
           Text(sum) + " | " + Text(number_min) + " | " + Text(measure_max) + " | " + Text(word_min) + " | " +
           Text(word_max);
  }
};

std::vector<std::string> Expected(std::span<const Row> rows) {
  std::map<std::string, Group> groups;
  for (const Row& row : rows) {
    const std::optional<double> level = row.level && *row.level == 0 ? 0.0 : row.level;
    groups[Text(row.window) + " | " + Text(row.name) + " | " + Text(level)].Add(row);
  }
  std::vector<std::string> lines;
  for (const auto& [key, group] : groups) lines.push_back(key + " | " + group.ToString());
  std::ranges::sort(lines);
  return lines;
}

std::vector<std::string> Sorted(std::vector<std::string> rows) {
  std::ranges::sort(rows);
  return rows;
}

std::int64_t Below(Random& random, std::int64_t limit) {
  return std::uniform_int_distribution<std::int64_t>(0, limit - 1)(random);
}

Row RandomRow(Random& random, std::int64_t windows, std::int64_t names) {
  const auto maybe = [&](auto value) { return Below(random, 8) == 0 ? std::nullopt : std::optional(value); };
  const double levels[] = {0.0, -0.0, std::nan(""), 1.5};
  return {.window = maybe((Below(random, windows) - windows / 2) * 300),
          .name = maybe("name " + std::string(static_cast<std::size_t>(Below(random, names)), 'x')),
          .level = maybe(levels[Below(random, 4)]),
          .number = maybe(Below(random, 2'000'000'000'000) - 1'000'000'000'000),
          .measure = maybe(static_cast<double>(Below(random, 4'000) - 2'000) / 4),
          .word = maybe(std::to_string(Below(random, 1'000)))};
}

// The rows in random pieces: several batches a delta, some of them empty, deltas merged one after the other.
void Feed(Random& random, ViewState& state, std::span<const Row> rows) {
  while (!rows.empty()) {
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    for (std::int64_t batch = Below(random, 4); batch >= 0; --batch) {
      const auto take = static_cast<std::size_t>(Below(random, static_cast<std::int64_t>(rows.size()) + 1));
      batches.push_back(BatchOf(state.query(), rows.first(take)));
      rows = rows.subspan(take);
    }
    FoldAndMerge(state, batches);
  }
}

// Recomputes random windows without some of their rows, as a DELETE would.
void DeleteSome(Random& random, ViewState& state, std::vector<Row>& rows) {
  std::set<std::optional<std::int64_t>> touched;
  std::erase_if(rows, [&](const Row& row) {
    if (Below(random, 50) != 0) return false;
    touched.insert(row.window);
    return true;
  });
  std::vector<Row> kept;
  std::ranges::copy_if(rows, std::back_inserter(kept), [&](const Row& row) { return touched.contains(row.window); });
  std::vector<Row> keys;
  for (const auto& window : touched) keys.push_back({.window = window});
  const bool all = state.query().window_key == -1;
  const auto delta = state.Fold({BatchOf(state.query(), all ? rows : kept)}).ValueOrDie();
  const auto windows = BatchOf(state.query(), keys)->SelectColumns({0}).ValueOrDie();
  ASSERT_TRUE(state.Replace(windows, *delta).ok());
}

void RunSeed(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const auto query = OracleQuery(Below(random, 4) == 0 ? -1 : 0);
  auto state = ViewState::Make(query).ValueOrDie();
  const std::int64_t windows = 1 + Below(random, 40);
  const std::int64_t names = 1 + Below(random, 60);
  std::vector<Row> rows;
  std::vector<std::pair<std::shared_ptr<const ViewVersion>, std::vector<std::string>>> pins;
  for (int step = 0; step < 4; ++step) {
    std::vector<Row> added;
    for (std::int64_t i = Below(random, 400); i > 0; --i) added.push_back(RandomRow(random, windows, names));
    Feed(random, *state, added);
    rows.insert(rows.end(), added.begin(), added.end());
    if (Below(random, 3) == 0) DeleteSome(random, *state, rows);
    if (Below(random, 3) == 0) {
      const auto bytes = state->Serialize().ValueOrDie();
      state = ViewState::Make(query).ValueOrDie();
      ASSERT_TRUE(state->Restore(std::string_view(*bytes)).ok());
    }
    const auto expected = Expected(rows);
    const auto version = state->Pin();
    ASSERT_EQ(Sorted(RowsOf(version)), expected);
    ASSERT_EQ(state->Stats().rows, static_cast<std::int64_t>(rows.size()));
    ASSERT_EQ(state->Stats().groups, static_cast<std::int64_t>(expected.size()));
    if (Below(random, 2) == 0) pins.emplace_back(version, expected);
    for (const auto& [pinned, then] : pins) ASSERT_EQ(Sorted(RowsOf(pinned)), then);
  }
}

TEST(ViewOracle, RandomRowsSplitsAndReplacements) {
  const char* seeds = std::getenv("HYPRSTREAM_SEEDS");
  const std::uint64_t count = seeds == nullptr ? 25 : std::strtoull(seeds, nullptr, 10);
  for (std::uint64_t seed = 1; seed <= count && !HasFatalFailure(); ++seed) RunSeed(seed);
}

// Sums whose rounding depends on order: the same deltas in the same order must still give the same bits.
TEST(ViewOracle, TheSameDeltasInTheSameOrderGiveTheSameBits) {
  const auto query = MakeTestQuery({{"k", arrow::int64()}}, -1, {{kSum, arrow::float64(), arrow::float64()}});
  const auto first = ViewState::Make(query).ValueOrDie();
  const auto second = ViewState::Make(query).ValueOrDie();
  Random random(7);
  std::shared_ptr<const ViewVersion> pin;
  for (int delta = 0; delta < 50; ++delta) {
    arrow::Int64Builder keys;
    arrow::DoubleBuilder values;
    for (int row = 0; row < 200; ++row) {
      ASSERT_TRUE(keys.Append(Below(random, 17)).ok());
      ASSERT_TRUE(
          values
              .Append(std::ldexp(std::uniform_real_distribution<>(-1, 1)(random), static_cast<int>(Below(random, 80))))
              .ok());
    }
    const auto batch = arrow::RecordBatch::Make(query->evaluated_schema, 200,
                                                {keys.Finish().ValueOrDie(), values.Finish().ValueOrDie()});
    FoldAndMerge(*first, {batch});
    FoldAndMerge(*second, {batch});
    if (delta % 3 == 0) pin = second->Pin();  // copies on write must change nothing
  }
  EXPECT_TRUE(first->Serialize().ValueOrDie()->Equals(*second->Serialize().ValueOrDie()));
}

}  // namespace
}  // namespace hyprstream::aggregate
