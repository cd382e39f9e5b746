// logistic_fit in views whose windows are put together from parts: learned in the order of rows where that is known,
// the average of what the parts have learned where it is not.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/array/array_binary.h"
#include "arrow/array/array_nested.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_nested.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"
#include "arrow/table.h"
#include "core/logistic_fit.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using enum AggregateKind;

struct Row {
  std::int64_t time;
  double y;
  double x;
};

// y is 1 with the probability 1 / (1 + exp(1 - 2 x)); times ascend by `step`.
std::vector<Row> Rows(std::int64_t first, int count, std::int64_t step) {
  std::mt19937_64 random(static_cast<std::uint64_t>(first) + 1);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  std::vector<Row> rows;
  for (int i = 0; i < count; ++i) {
    const double x = normal(random);
    const double y = uniform(random) < 1 / (1 + std::exp(1 - 2 * x)) ? 1 : 0;
    rows.push_back({.time = first + i * step, .y = y, .x = x});
  }
  return rows;
}

LogisticFit::Solution Learned(const std::vector<Row>& rows) {
  LogisticFit fit;
  for (const Row& row : rows) fit.Add(row.y, std::span(&row.x, 1));
  return fit.Solve().ValueOrDie();
}

// SELECT w, count(*), logistic_fit(y, [x]).
std::shared_ptr<AggregateQuery> Query() {
  const auto features = arrow::list(arrow::float64());
  const auto fit = arrow::struct_(
      {arrow::field("weights", features), arrow::field("bias", arrow::float64()), arrow::field("n", arrow::int64())});
  return MakeTestQuery({{"w", arrow::int64()}}, 0,
                       {{kCountStar, nullptr, arrow::int64()}, {kLogisticFit, {arrow::float64(), features}, fit}});
}

std::shared_ptr<arrow::RecordBatch> BatchOf(const AggregateQuery& query, const std::vector<Row>& rows) {
  arrow::Int64Builder times;
  arrow::DoubleBuilder ys;
  arrow::ListBuilder lists(arrow::default_memory_pool(), std::make_shared<arrow::DoubleBuilder>());
  for (const Row& row : rows) {
    std::int64_t time = row.time;
    if (query.hopping) time -= ((time % query.hopping->slice()) + query.hopping->slice()) % query.hopping->slice();
    EXPECT_TRUE(times.Append(time).ok() && ys.Append(row.y).ok() && lists.Append().ok());
    EXPECT_TRUE(static_cast<arrow::DoubleBuilder*>(lists.value_builder())->Append(row.x).ok());
  }
  return arrow::RecordBatch::Make(query.evaluated_schema, static_cast<std::int64_t>(rows.size()),
                                  {times.Finish().ValueOrDie(), ys.Finish().ValueOrDie(), lists.Finish().ValueOrDie()});
}

// What the view has for each window, by its start.
std::map<std::int64_t, LogisticFit::Solution> Fits(ViewState& state) {
  const auto source = MakeViewSource(state.Pin());
  const auto table = source->Scan(AllColumns(*source)).ValueOrDie()->ToTable().ValueOrDie();
  const auto batch = table->CombineChunksToBatch().ValueOrDie();
  const auto& starts = static_cast<const arrow::Int64Array&>(*batch->column(0));
  const auto& fits = static_cast<const arrow::StructArray&>(*batch->column(2));
  const auto& weights = static_cast<const arrow::ListArray&>(*fits.field(0));
  const auto& values = static_cast<const arrow::DoubleArray&>(*weights.values());
  std::map<std::int64_t, LogisticFit::Solution> found;
  for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
    LogisticFit::Solution solution{.weights = {},
                                   .bias = static_cast<const arrow::DoubleArray&>(*fits.field(1)).Value(row),
                                   .rows = static_cast<const arrow::Int64Array&>(*fits.field(2)).Value(row)};
    for (std::int64_t i = 0; i < weights.value_length(row); ++i) {
      solution.weights.push_back(values.Value(weights.value_offset(row) + i));
    }
    found.emplace(starts.Value(row), std::move(solution));
  }
  return found;
}

void ExpectNear(const LogisticFit::Solution& fit, const LogisticFit::Solution& wanted, double part) {
  ASSERT_EQ(fit.weights.size(), wanted.weights.size());
  EXPECT_NEAR(fit.weights[0], wanted.weights[0], part * std::abs(wanted.weights[0]));
  EXPECT_NEAR(fit.bias, wanted.bias, part * std::abs(wanted.bias));
  EXPECT_EQ(fit.rows, wanted.rows);
}

void ExpectSame(const LogisticFit::Solution& fit, const LogisticFit::Solution& wanted) {
  EXPECT_EQ(fit.weights, wanted.weights);
  EXPECT_EQ(fit.bias, wanted.bias);
  EXPECT_EQ(fit.rows, wanted.rows);
}

class LogisticSessions : public testing::Test {
 protected:
  static constexpr std::int64_t kGap = 100;

  LogisticSessions() { query_->session_gap = kGap; }

  std::unique_ptr<ViewState> Make() const { return ViewState::Make(query_).ValueOrDie(); }
  // In commits of a few rows and of many.
  void Feed(ViewState& state, const std::vector<Row>& rows) {
    for (std::size_t at = 0, take = 1; at < rows.size(); take = take * 3 % 700) {
      const auto end = std::min(rows.size(), at + take);
      const std::vector<Row> part(rows.begin() + static_cast<std::ptrdiff_t>(at),
                                  rows.begin() + static_cast<std::ptrdiff_t>(end));
      FoldAndMerge(state, {BatchOf(*query_, part)});
      at = end;
    }
  }

  const std::shared_ptr<AggregateQuery> query_ = Query();
};

TEST_F(LogisticSessions, LearnInTheOrderOfRowsHoweverTheyAreCommitted) {
  auto rows = Rows(0, 5'000, 7);
  std::ranges::shuffle(rows, std::mt19937_64(3));  // one session in the end, many before
  std::ranges::stable_sort(rows, {}, [](const Row& row) { return row.time / 2'000; });
  const auto state = Make();
  Feed(*state, rows);
  const auto fits = Fits(*state);
  ASSERT_EQ(fits.size(), 1);
  ExpectNear(fits.begin()->second, Learned(rows), 0.06);
  // In the order of time no session is ever joined: to the bit.
  std::ranges::sort(rows, {}, &Row::time);
  const auto ordered = Make();
  Feed(*ordered, rows);
  ExpectSame(Fits(*ordered).at(0), Learned(rows));
  const auto at_once = Make();
  FoldAndMerge(*at_once, {BatchOf(*query_, rows)});
  ExpectSame(Fits(*at_once).at(0), Learned(rows));
}

TEST_F(LogisticSessions, ARowBetweenTwoAveragesThem) {
  const auto early = Rows(0, 3'000, 1);
  const auto late = Rows(3'000 + kGap, 2'000, 1);
  const auto state = Make();
  FoldAndMerge(*state, {BatchOf(*query_, early)});
  FoldAndMerge(*state, {BatchOf(*query_, late)});
  const auto apart = Fits(*state);
  ASSERT_EQ(apart.size(), 2);
  ExpectSame(apart.at(0), Learned(early));
  ExpectSame(apart.at(3'000 + kGap), Learned(late));
  const auto pin = state->Pin();
  FoldAndMerge(*state, {BatchOf(*query_, Rows(3'050, 1, 1))});
  auto all = early;
  all.insert(all.end(), late.begin(), late.end());
  all.push_back(Rows(3'050, 1, 1).front());
  ASSERT_EQ(Fits(*state).size(), 1);
  ExpectNear(Fits(*state).at(0), Learned(all), 0.04);
  EXPECT_EQ(RowsOf(pin).size(), 2);
}

TEST_F(LogisticSessions, SavedAndRestoredTheyLearnOn) {
  const auto rows = Rows(0, 1'000, 7);
  for (const std::size_t split : {std::size_t{0}, std::size_t{30}, std::size_t{500}}) {
    const auto state = Make();
    Feed(*state, {rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(split)});
    const auto restored = Make();
    ASSERT_TRUE(restored->Restore(std::string_view(*state->Serialize().ValueOrDie())).ok());
    Feed(*restored, {rows.begin() + static_cast<std::ptrdiff_t>(split), rows.end()});
    ExpectSame(Fits(*restored).at(0), Learned(rows));
  }
}

TEST_F(LogisticSessions, ReplacedTheyAreLearnedAnew) {
  const auto state = Make();
  Feed(*state, Rows(0, 1'000, 7));
  const auto rows = Rows(5, 700, 3);
  state->ReplaceAll(*state->Fold({BatchOf(*query_, rows)}).ValueOrDie());
  ASSERT_EQ(Fits(*state).size(), 1);
  ExpectSame(Fits(*state).at(5), Learned(rows));
}

// Each slice learns in the order of its rows; a window is the average of its slices.
TEST(LogisticHops, AreNearToWhatTheRowsOfTheWindowSay) {
  const auto query = Query();
  query->hopping = WindowSpec{.kind = WindowKind::kHopping, .size = 5'000, .slide = 1'000};
  const auto state = ViewState::Make(query).ValueOrDie();
  const auto rows = Rows(0, 20'000, 1);
  for (std::size_t at = 0; at < rows.size(); at += 700) {
    FoldAndMerge(*state,
                 {BatchOf(*query, {rows.begin() + static_cast<std::ptrdiff_t>(at),
                                   rows.begin() + static_cast<std::ptrdiff_t>(std::min(at + 700, rows.size()))})});
  }
  const auto fits = Fits(*state);
  EXPECT_EQ(fits.size(), 24);
  for (const auto& [start, fit] : fits) {
    std::vector<Row> inside;
    std::ranges::copy_if(rows, std::back_inserter(inside), [&, first = start](const Row& row) {
      return row.time >= first && row.time < first + query->hopping->size;
    });
    ExpectNear(fit, Learned(inside), 0.05);
    if (inside.size() == 1'000) ExpectSame(fit, Learned(inside));  // one slice
  }
  for (int again = 0; again < 3; ++again) {
    const auto same = Fits(*state);
    for (const auto& [start, fit] : fits) ExpectSame(same.at(start), fit);
  }
}

// States that leave a view, as views of other servers take them.
TEST(LogisticStates, MergeIntoAnotherView) {
  const auto query = Query();
  const auto first = ViewState::Make(query).ValueOrDie();
  const auto second = ViewState::Make(query).ValueOrDie();
  auto rows = Rows(0, 3'000, 0);
  auto others = Rows(7, 4'000, 0);
  for (Row& row : others) row.time = 0;
  FoldAndMerge(*first, {BatchOf(*query, rows)});
  FoldAndMerge(*second, {BatchOf(*query, others)});
  const auto source = MakeViewSource(second->Pin());
  ASSERT_TRUE(source->has_states_by_row());
  const auto scanned = source->Scan({.projection = {0, 4, 5}, .filters = {}}).ValueOrDie()->ToTable().ValueOrDie();
  const auto batch = scanned->CombineChunksToBatch().ValueOrDie();
  arrow::ArrayVector columns = {batch->column(0)};
  for (int column = 1; column < 3; ++column) {
    arrow::BinaryBuilder sealed;
    const auto& states = static_cast<const arrow::BinaryArray&>(*batch->column(column));
    ASSERT_TRUE(sealed.Append(source->StatesOf(column)->Seal(states.GetView(0))).ok());
    columns.push_back(sealed.Finish().ValueOrDie());
  }
  const auto states = arrow::RecordBatch::Make(batch->schema(), 1, columns);
  first->Merge(*first->FoldStates({states}).ValueOrDie());
  rows.insert(rows.end(), others.begin(), others.end());
  ExpectNear(Fits(*first).at(0), Learned(rows), 0.04);
}

// Whatever the bytes of a fit that has forgotten its rows say, it is read and merged within bounds.
TEST(LogisticStates, ForgedFitsMergeWithinBounds) {
  const auto rows = Rows(0, 300, 1);
  LogisticFit sound;
  for (const Row& row : rows) sound.Add(row.y, std::span(&row.x, 1));
  std::mt19937_64 random(11);
  for (int round = 0; round < 500; ++round) {
    auto parts = sound.parts();
    const double bad[] = {0, -1, 1e308, -1e308, 5e-324, std::nan(""), HUGE_VAL};
    for (auto& number : parts.numbers) {
      if (random() % 3 == 0) number = bad[random() % std::size(bad)];
    }
    auto forged = LogisticFit::Make(1, parts).ValueOrDie();
    forged.Merge(sound);
    auto fit = sound;
    fit.Merge(forged);
    fit.Add(1, std::span(&rows[0].x, 1));
    EXPECT_EQ(fit.Solve().ValueOrDie().weights.size(), 1);
  }
}

}  // namespace
}  // namespace hyprstream::aggregate
