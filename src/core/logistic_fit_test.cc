#include "core/logistic_fit.h"

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

TEST(LogisticFit, MergesRowsThatItStillKnowsAndNoOthers) {
  const auto rows = Made({1}, 0, 1, 200);
  auto fit = Of(std::span(rows).first(160));
  fit.Merge(Of(std::span(rows).subspan(160)));
  EXPECT_EQ(fit.Solve().ValueOrDie().weights, Of(rows).Solve().ValueOrDie().weights);
  fit.Merge(Of(std::span(rows).first(100)));
  EXPECT_THAT(fit.Solve().status().message(), testing::HasSubstr("fits do not merge"));
  auto none = LogisticFit();
  none.Merge(Of(rows));
  EXPECT_EQ(none.Solve().ValueOrDie().weights, Of(rows).Solve().ValueOrDie().weights);
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
