#include "core/linear_fit.h"

#include <cmath>
#include <random>
#include <vector>

#include "arrow/result.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

struct Row {
  double y;
  std::vector<double> features;
};

// y = 3 a - 0.5 b + 0.001 c + 7, and noise; c is large and far from zero.
std::vector<Row> RandomRows(int count, double noise) {
  std::mt19937_64 random(11);
  std::normal_distribution<> normal;
  std::vector<Row> rows;
  for (int i = 0; i < count; ++i) {
    const double a = normal(random);
    const double b = 100 + 5 * normal(random) + a;
    const double c = 1e7 + 1e4 * normal(random);
    rows.push_back({.y = 3 * a - 0.5 * b + 0.001 * c + 7 + noise * normal(random), .features = {a, b, c}});
  }
  return rows;
}

LinearFit FitOf(const std::vector<Row>& rows) {
  LinearFit fit;
  for (const Row& row : rows) fit.Add(row.y, row.features);
  return fit;
}

TEST(LinearFit, FindsTheWeightsThatMadeTheRows) {
  const auto solution = FitOf(RandomRows(1'000, 0)).Solve(0).ValueOrDie();
  EXPECT_THAT(solution.weights, ElementsAre(DoubleNear(3, 1e-9), DoubleNear(-0.5, 1e-9), DoubleNear(0.001, 1e-12)));
  EXPECT_NEAR(solution.bias, 7, 1e-5);
  EXPECT_NEAR(*solution.r2, 1, 1e-12);
  EXPECT_EQ(solution.rows, 1'000);
}

// At the least squares, what is left over goes with no feature.
TEST(LinearFit, LeavesNothingThatGoesWithAFeature) {
  const auto rows = RandomRows(2'000, 2);
  const auto solution = FitOf(rows).Solve(0).ValueOrDie();
  double rest = 0;
  std::vector<double> with(3, 0);
  double squares = 0;
  double mean = 0;
  for (const Row& row : rows) mean += row.y / 2'000;
  double all = 0;
  for (const Row& row : rows) {
    double left = row.y - solution.bias;
    for (int i = 0; i < 3; ++i)
      left -= solution.weights[static_cast<std::size_t>(i)] * row.features[static_cast<std::size_t>(i)];
    rest += left;
    for (std::size_t i = 0; i < 3; ++i) with[i] += left * row.features[i];
    squares += left * left;
    all += (row.y - mean) * (row.y - mean);
  }
  EXPECT_NEAR(rest / 2'000, 0, 1e-8);
  EXPECT_THAT(with, ElementsAre(DoubleNear(0, 1e-3), DoubleNear(0, 1e-3), DoubleNear(0, 100)));
  EXPECT_NEAR(*solution.r2, 1 - squares / all, 1e-10);
}

TEST(LinearFit, MergedIsTheSameToTheLastDigits) {
  const auto rows = RandomRows(3'000, 1);
  const auto whole = FitOf(rows).Solve(0.5).ValueOrDie();
  std::vector<LinearFit> parts(5);
  for (std::size_t i = 0; i < rows.size(); ++i) parts[i * i % 5].Add(rows[i].y, rows[i].features);
  LinearFit merged;
  for (const LinearFit& part : parts) merged.Merge(part);
  const auto solution = merged.Solve(0.5).ValueOrDie();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(solution.weights[i], whole.weights[i], 1e-9 * std::abs(whole.weights[i])) << i;
  }
  EXPECT_NEAR(solution.bias, whole.bias, 1e-5);
  EXPECT_EQ(solution.rows, 3'000);
}

TEST(LinearFit, AFeatureThatOthersDetermineHasNoWeight) {
  LinearFit fit;
  for (int i = 0; i < 50; ++i) {
    const double a = i * 0.37;
    const double b = (i * i) % 17;
    fit.Add(2 * a + b, std::vector<double>{a, 5, b, a - 3 * b});
  }
  const auto solution = fit.Solve(0).ValueOrDie();
  EXPECT_THAT(solution.weights, ElementsAre(DoubleNear(2, 1e-9), 0, DoubleNear(1, 1e-9), 0));
  EXPECT_NEAR(solution.bias, 0, 1e-9);
  LinearFit one;
  one.Add(4, std::vector<double>{1, 2});
  const auto of_one = one.Solve(0).ValueOrDie();
  EXPECT_THAT(of_one.weights, ElementsAre(0, 0));
  EXPECT_EQ(of_one.bias, 4);
  EXPECT_FALSE(of_one.r2.has_value());
}

// One feature: weight = cov / (var + ridge), of sums.
TEST(LinearFit, ARidgeMakesWeightsSmaller) {
  LinearFit fit;
  for (const double x : {1.0, 2.0, 3.0, 4.0}) fit.Add(2 * x, std::vector<double>{x});
  const auto solution = fit.Solve(5).ValueOrDie();
  EXPECT_THAT(solution.weights, ElementsAre(DoubleNear(1, 1e-12)));
  EXPECT_NEAR(solution.bias, 2.5, 1e-12);
  EXPECT_NEAR(*solution.r2, 0.75, 1e-12);  // 1 - 5 / 20
}

TEST(LinearFit, SaysWhatItCannotDo) {
  LinearFit uneven;
  uneven.Add(1, std::vector<double>{1});
  uneven.Add(1, std::vector<double>{1, 2});
  EXPECT_EQ(uneven.rows(), 1);
  EXPECT_THAT(uneven.Solve(0).status().message(), testing::HasSubstr("as many features in every row, at most 64"));
  LinearFit wide;
  wide.Add(1, std::vector<double>(65, 0));
  EXPECT_FALSE(wide.Solve(0).ok());
  LinearFit infinite;
  infinite.Add(1, std::vector<double>{HUGE_VAL});
  infinite.Add(2, std::vector<double>{1});
  EXPECT_TRUE(std::isnan(infinite.Solve(0).ValueOrDie().weights[0]));
  EXPECT_FALSE(LinearFit::Make({.rows = 3, .features = 2, .sums = {1, 2}}).ok());
}

TEST(LinearFit, PartsWithoutRowsAreNone) {
  EXPECT_TRUE(LinearFit::Make({}).status().IsInvalid());
  const auto uneven = LinearFit::Make({.uneven = true});
  ASSERT_TRUE(uneven.ok());
  EXPECT_TRUE(uneven->Solve(0).status().IsInvalid());
  EXPECT_EQ(LinearFit().Solve(0).ValueOrDie().rows, 0);
}

}  // namespace
}  // namespace hyprstream
