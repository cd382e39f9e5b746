// Whatever the processor: what plain loops give, at every length around a register's.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "aggregate/dispatched_loops_internal.h"

namespace hyprstream::aggregate {
namespace {

template <class V>
std::vector<V> Random(std::mt19937_64& random, std::size_t count) {
  std::vector<V> values(count);
  for (V& value : values) value = static_cast<V>(random());
  if (random() % 4 == 0) values[random() % count] = std::numeric_limits<V>::min();
  if (random() % 4 == 0) values[random() % count] = std::numeric_limits<V>::max();
  return values;
}

template <class V>
void CheckRange(std::mt19937_64& random, std::size_t count) {
  const auto values = Random<V>(random, count);
  const auto [least, greatest] = std::ranges::minmax(values);
  EXPECT_EQ(LeastAndGreatest(values.data(), count), std::pair(least, greatest)) << count;
}

TEST(DispatchedLoops, GiveWhatPlainLoopsGive) {
  std::mt19937_64 random(7);
  for (std::size_t count = 1; count < 140; ++count) {
    CheckRange<std::int64_t>(random, count);
    CheckRange<std::int32_t>(random, count);
    auto ranks = Random<std::uint8_t>(random, count);
    const auto other_ranks = Random<std::uint8_t>(random, count);
    auto counts = Random<std::uint32_t>(random, count);
    const auto other_counts = Random<std::uint32_t>(random, count);
    auto highest = ranks;
    auto sums = counts;
    for (std::size_t i = 0; i < count; ++i) {
      highest[i] = std::max(highest[i], other_ranks[i]);
      sums[i] += other_counts[i];
    }
    MaxInto(ranks.data(), other_ranks.data(), count);
    AddInto(counts.data(), other_counts.data(), count);
    EXPECT_EQ(ranks, highest) << count;
    EXPECT_EQ(counts, sums) << count;
  }
}

}  // namespace
}  // namespace hyprstream::aggregate
