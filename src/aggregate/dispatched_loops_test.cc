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

TEST(DispatchedLoops, CountValuesBeforeOneThatIsOutside) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  for (const std::int64_t least : {std::int64_t{-3}, kLeast, std::numeric_limits<std::int64_t>::max() - 9}) {
    for (std::size_t count = 0; count < 200; ++count) {
      for (const std::int64_t outside : {std::int64_t{10}, std::int64_t{-1}}) {
        std::vector<std::int64_t> values(200);
        const auto at = [&](std::int64_t place) {
          return static_cast<std::int64_t>(static_cast<std::uint64_t>(least) + static_cast<std::uint64_t>(place));
        };
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = at(static_cast<std::int64_t>(i % 10));
        if (count < values.size()) values[count] = at(outside);
        EXPECT_EQ(CountBefore(values.data(), values.size(), least, 10), count);
        EXPECT_EQ(CountBefore(values.data(), count, least, 10), count);
      }
    }
  }
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
