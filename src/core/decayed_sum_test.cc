#include "core/decayed_sum.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace hyprstream {
namespace {

constexpr double kHalfLife = 10;
const std::vector<std::pair<double, std::int64_t>> kRows = {{8, 0}, {4, 10}, {3, 30}, {-2, 25}, {100, -30}};

DecayedSum Of(const std::vector<std::pair<double, std::int64_t>>& rows) {
  DecayedSum sum;
  for (const auto& [value, at] : rows) sum.Add(value, at, kHalfLife);
  return sum;
}

TEST(DecayedSum, HalvesWhatIsAHalfLifeOlderThanTheLatest) {
  const DecayedSum two = Of({{8, 0}, {4, 10}});
  EXPECT_EQ(two.sum, 8);       // 8 / 2 + 4
  EXPECT_EQ(two.weight, 1.5);  // 1 / 2 + 1
  EXPECT_EQ(two.mean(), 8 / 1.5);
  EXPECT_EQ(two.latest, 10);
  EXPECT_EQ(Of({{4, 10}, {8, 0}}).sum, 8);  // late
}

TEST(DecayedSum, AnyOrderAndSplitGivesTheSameUpToRounding) {
  double sum = 0;
  double weight = 0;
  for (const auto& [value, at] : kRows) {
    sum += value * std::exp2(-static_cast<double>(30 - at) / kHalfLife);
    weight += std::exp2(-static_cast<double>(30 - at) / kHalfLife);
  }
  for (std::size_t split = 0; split <= kRows.size(); ++split) {
    const auto at = kRows.begin() + static_cast<std::ptrdiff_t>(split);
    DecayedSum newer = Of({at, kRows.end()});
    const DecayedSum older = Of({kRows.begin(), at});
    DecayedSum merged = older;
    merged.Merge(newer, kHalfLife);
    newer.Merge(older, kHalfLife);
    for (const DecayedSum& one : {merged, newer}) {
      EXPECT_NEAR(one.sum, sum, 1e-12);
      EXPECT_NEAR(one.weight, weight, 1e-12);
      EXPECT_EQ(one.rows, 5);
    }
  }
}

TEST(DecayedSum, TheEndsOfTimeAreFarApart) {
  const auto least = std::numeric_limits<std::int64_t>::min();
  const auto greatest = std::numeric_limits<std::int64_t>::max();
  const double infinity = std::numeric_limits<double>::infinity();
  const DecayedSum sum = Of({{infinity, least}, {5, greatest}});
  EXPECT_EQ(sum.sum, 5);
  EXPECT_EQ(sum.weight, 1);
}

}  // namespace
}  // namespace hyprstream
