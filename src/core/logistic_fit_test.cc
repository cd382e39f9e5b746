#include "core/logistic_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "arrow/result.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream {
namespace {

struct Row {
  double y;
  std::vector<double> features;
};

LogisticFit Of(std::span<const Row> rows, double ridge = 1) {
  LogisticFit fit(ridge);
  for (const Row& row : rows) fit.Add(row.y, row.features);
  return fit;
}

// Whose y is 1 with the probability that these weights give.
std::vector<Row> Made(const std::vector<double>& weights, double bias, double scale, int count) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  std::vector<Row> rows;
  for (int i = 0; i < count; ++i) {
    Row row{.y = 0, .features = {}};
    double x = bias;
    for (const double weight : weights) {
      row.features.push_back(scale * (normal(random) + 3));
      x += weight * row.features.back();
    }
    row.y = uniform(random) < 1 / (1 + std::exp(-x)) ? 1 : 0;
    rows.push_back(std::move(row));
  }
  return rows;
}

TEST(LogisticFit, OfFewRowsIsTheBestThereIs) {
  // Of one feature that is 0 or 1 the best weights are log odds: 3 of 4 and 1 of 4.
  const std::vector<Row> rows = {{1, {1}}, {1, {1}}, {1, {1}}, {0, {1}}, {0, {0}}, {0, {0}}, {0, {0}}, {1, {0}}};
  const auto solved = Of(rows, 0).Solve().ValueOrDie();
  EXPECT_NEAR(solved.weights[0], 2 * std::log(3), 1e-2);
  EXPECT_NEAR(solved.bias, -std::log(3), 1e-2);
  EXPECT_EQ(solved.rows, 8);
  EXPECT_LT(Of(rows, 5).Solve().ValueOrDie().weights[0], solved.weights[0]);  // held back
}

// Within four standard errors of the weights that made the rows, whatever the features' scale.
TEST(LogisticFit, FindsTheWeightsThatMadeTheRows) {
  for (const double scale : {1.0, 1000.0, 0.01}) {
    const auto solved = Of(Made({1.5 / scale, -2 / scale}, 1, scale, 20'000)).Solve().ValueOrDie();
    EXPECT_NEAR(solved.weights[0] * scale, 1.5, 0.12) << scale;
    EXPECT_NEAR(solved.weights[1] * scale, -2, 0.14) << scale;
    EXPECT_NEAR(solved.bias, 1, 0.4) << scale;
  }
}

TEST(LogisticFit, RowsThatFeaturesTellApartHaveFiniteWeights) {
  std::vector<Row> rows;
  for (int i = 0; i < 2'000; ++i) rows.push_back({i % 2 == 0 ? 1.0 : 0.0, {i % 2 == 0 ? 5.0 : -5.0, 7}});
  const auto solved = Of(rows).Solve().ValueOrDie();
  EXPECT_GT(solved.weights[0], 0.5);
  EXPECT_TRUE(std::isfinite(solved.weights[0]));
  EXPECT_NEAR(solved.weights[1], 0, 1e-9);  // says nothing
}

TEST(LogisticFit, TheSameOrderGivesTheSameBitsHoweverItIsSaved) {
  const auto rows = Made({1, -1, 0.5}, 0, 1, 500);
  const auto whole = Of(rows).Solve().ValueOrDie();
  for (const std::size_t split : {std::size_t{0}, std::size_t{10}, std::size_t{64}, std::size_t{300}}) {
    auto fit = LogisticFit::Make(1, Of(std::span(rows).first(split)).parts()).ValueOrDie();
    for (const Row& row : std::span(rows).subspan(split)) fit.Add(row.y, row.features);
    const auto solved = fit.Solve().ValueOrDie();
    EXPECT_EQ(solved.weights, whole.weights) << split;
    EXPECT_EQ(solved.bias, whole.bias) << split;
  }
  auto turned = rows;
  std::ranges::reverse(turned);
  EXPECT_NE(Of(turned).Solve().ValueOrDie().weights, whole.weights);  // order matters, if little
  EXPECT_NEAR(Of(turned).Solve().ValueOrDie().weights[0], whole.weights[0], 0.05);
}

// ---- merged

std::vector<LogisticFit> OfSlices(std::span<const Row> rows, std::size_t slice) {
  std::vector<LogisticFit> fits;
  for (std::size_t at = 0; at < rows.size(); at += slice) {
    fits.push_back(Of(rows.subspan(at, std::min(slice, rows.size() - at))));
  }
  return fits;
}

LogisticFit Merged(std::span<const LogisticFit> fits) {
  LogisticFit merged;
  for (const LogisticFit& fit : fits) merged.Merge(fit);
  return merged;
}

void ExpectNear(const LogisticFit& fit, const LogisticFit& wanted, double part) {
  const auto solved = fit.Solve().ValueOrDie();
  const auto best = wanted.Solve().ValueOrDie();
  ASSERT_EQ(solved.weights.size(), best.weights.size());
  for (std::size_t i = 0; i < best.weights.size(); ++i) {
    EXPECT_NEAR(solved.weights[i], best.weights[i], part * std::abs(best.weights[i]) + 1e-12) << i;
  }
  EXPECT_NEAR(solved.bias, best.bias, part * std::abs(best.bias) + 1e-12);
  EXPECT_EQ(solved.rows, best.rows);
}

// The share of rows whose y is on the side that the fit says.
double Told(const LogisticFit& fit, std::span<const Row> rows) {
  const auto solved = fit.Solve().ValueOrDie();
  double told = 0;
  for (const Row& row : rows) {
    double x = solved.bias;
    for (std::size_t i = 0; i < row.features.size(); ++i) x += solved.weights[i] * row.features[i];
    told += (x > 0) == (row.y > 0.5) ? 1 : 0;
  }
  return told / static_cast<double>(rows.size());
}

TEST(LogisticFit, LearnsTheRowsThatAnotherStillKnows) {
  const auto rows = Made({1}, 0, 1, 200);
  auto fit = Of(std::span(rows).first(160));
  fit.Merge(Of(std::span(rows).subspan(160)));
  EXPECT_EQ(fit.Solve().ValueOrDie().weights, Of(rows).Solve().ValueOrDie().weights);
  auto none = LogisticFit();
  none.Merge(Of(rows));
  none.Merge(LogisticFit());
  EXPECT_EQ(none.Solve().ValueOrDie().weights, Of(rows).Solve().ValueOrDie().weights);
  // Where only the later one has forgotten its rows the few are learned after its own.
  auto few = Of(std::span(rows).first(20));
  few.Merge(Of(std::span(rows).subspan(20)));
  std::vector<Row> turned(rows.begin() + 20, rows.end());
  turned.insert(turned.end(), rows.begin(), rows.begin() + 20);
  EXPECT_EQ(few.Solve().ValueOrDie().weights, Of(turned).Solve().ValueOrDie().weights);
}

// Off by 4 % with 1,000 rows each, by 1 % with 5,000; whatever the features' scale.
TEST(LogisticFit, MergedIsNearToWhatAllRowsSay) {
  for (const double scale : {1.0, 1000.0, 0.01}) {
    const auto rows = Made({1.5 / scale, -2 / scale, 0.3 / scale}, 1, scale, 20'000);
    ExpectNear(Merged(OfSlices(rows, 1'000)), Of(rows), 0.04);
    ExpectNear(Merged(OfSlices(rows, 5'000)), Of(rows), 0.012);
    // One that knows much is not led astray by one that knows little.
    ExpectNear(Merged(OfSlices(rows, 19'900)), Of(rows), 0.005);
  }
}

// Windows are put together in trees that depend on what is asked for.
TEST(LogisticFit, MergedInAnyOrderIsTheSameToTheLastBits) {
  const auto rows = Made({1, -1}, 0.5, 1, 4'000);
  auto fits = OfSlices(rows, 400);
  const LogisticFit merged = Merged(fits);
  auto again = OfSlices(rows, 400);
  EXPECT_EQ(Merged(again).parts().numbers, merged.parts().numbers);  // in the same order the same bits
  std::mt19937_64 random(3);
  for (int round = 0; round < 20; ++round) {
    std::ranges::shuffle(fits, random);
    ExpectNear(Merged(fits), merged, 1e-9);
    const std::span all(fits);
    auto halves = Merged(all.first(3 + static_cast<std::size_t>(round) % 4));
    halves.Merge(Merged(all.subspan(3 + static_cast<std::size_t>(round) % 4)));
    ExpectNear(halves, merged, 1e-9);
  }
}

// And goes on learning from there.
TEST(LogisticFit, MergedItLearnsOn) {
  const auto rows = Made({1, -1}, 0.5, 1, 20'000);
  auto fit = Merged(OfSlices(std::span(rows).first(4'000), 1'000));
  for (const Row& row : std::span(rows).subspan(4'000)) fit.Add(row.y, row.features);
  ExpectNear(fit, Of(rows), 0.05);
}

// Each slice sees the features elsewhere, and each but the last has rows of both sides.
TEST(LogisticFit, MergedItTellsSidesApart) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  std::vector<Row> rows;
  for (int slice = 0; slice < 8; ++slice) {
    for (int i = 0; i < 2'000; ++i) {
      const double a = normal(random) + slice;
      const double b = normal(random) - slice;
      rows.push_back({.y = a + b > 0 ? 1.0 : 0.0, .features = {a, b, 1}});
    }
  }
  EXPECT_GT(Told(Merged(OfSlices(rows, 2'000)), rows), 0.995);
  EXPECT_GT(Told(Of(rows), rows), 0.995);
}

TEST(LogisticFit, SlicesOfOneSideSayLittle) {
  const auto rows = Made({1.5, -2}, 1, 1, 10'000);
  std::vector<Row> one_sided;
  for (const Row& row : Made({1.5, -2}, 1, 1, 4'000)) one_sided.push_back({.y = 1, .features = row.features});
  auto fit = Merged(OfSlices(rows, 2'000));
  fit.Merge(Of(one_sided));
  const auto solved = fit.Solve().ValueOrDie();
  EXPECT_NEAR(solved.weights[0], 1.5, 0.15);
  EXPECT_NEAR(solved.weights[1], -2, 0.2);
  EXPECT_EQ(solved.rows, 14'000);
  // Of nothing else all is as likely as they say.
  auto same = Of(std::span(one_sided).first(1'000));
  same.Merge(Of(std::span(one_sided).subspan(1'000)));
  EXPECT_EQ(Told(same, one_sided), 1);
}

TEST(LogisticFit, MergedItSaysWhatIsWrongWithEither) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto rows = Made({1}, 0, 1, 100);
  auto wrong = Of(rows);
  wrong.Add(1, std::vector<double>{nan});
  for (const bool first : {true, false}) {
    auto fit = first ? wrong : Of(rows);
    fit.Merge(first ? Of(rows) : wrong);
    EXPECT_TRUE(std::isnan(fit.Solve().ValueOrDie().bias));
  }
  auto uneven = Of(rows);
  uneven.Merge(Of(Made({1, 2}, 0, 1, 100)));
  EXPECT_THAT(uneven.Solve().status().message(), testing::HasSubstr("give it lists of one length"));
}

TEST(LogisticFit, SaysWhatIsWrongWithItsRows) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(Of(std::vector<Row>{{1, {1}}, {1, {1, 2}}}).Solve().status().message(),
              testing::HasSubstr("give it lists of one length"));
  EXPECT_THAT(Of(std::vector<Row>{{2, {1}}}).Solve().status().message(), testing::HasSubstr("a number from 0 to 1"));
  EXPECT_TRUE(std::isnan(Of(std::vector<Row>{{1, {1}}, {1, {nan}}}).Solve().ValueOrDie().weights[0]));
  EXPECT_FALSE(LogisticFit::Make(1, {.rows = 3, .features = 1, .flaws = 0, .numbers = {1}}).ok());
  EXPECT_FALSE(LogisticFit::Make(1, {.rows = -1, .features = 1}).ok());
}

}  // namespace
}  // namespace hyprstream
