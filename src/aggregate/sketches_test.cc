// The sketches keep their promises, in one piece and merged.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "aggregate/frequent_items_internal.h"
#include "aggregate/hyper_log_log_internal.h"
#include "aggregate/log_linear_histogram_internal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

std::uint64_t HashOf(std::uint64_t value) { return SketchHash({reinterpret_cast<const char*>(&value), sizeof(value)}); }

TEST(HyperLogLog, IsExactForFewValues) {
  HyperLogLog sketch;
  EXPECT_EQ(sketch.Estimate(), 0);
  for (std::uint64_t value = 0; value < HyperLogLog::kExactMax; ++value) {
    sketch.Add(HashOf(value));
    sketch.Add(HashOf(value / 2));
    ASSERT_EQ(sketch.Estimate(), static_cast<std::int64_t>(value) + 1);
  }
}

// The standard error over many sketches, at sizes below, around and far above the number of registers.
TEST(HyperLogLog, HasAStandardErrorOfAtMostTwoPercent) {
  for (const std::int64_t size : {600, 2'000, 10'000, 20'000, 100'000}) {
    double squares = 0;
    double errors = 0;
    constexpr int kSketches = 60;
    for (std::uint64_t seed = 1; seed <= kSketches; ++seed) {
      HyperLogLog sketch;
      for (std::int64_t i = 0; i < size; ++i) sketch.Add(HashOf(seed << 40 | static_cast<std::uint64_t>(i)));
      const double error = static_cast<double>(sketch.Estimate() - size) / static_cast<double>(size);
      squares += error * error;
      errors += error;
    }
    EXPECT_LE(std::sqrt(squares / kSketches), 0.02) << size;
    EXPECT_LE(std::abs(errors / kSketches), 0.01) << size << ": it leans to one side";
  }
}

TEST(HyperLogLog, MergedIsTheSameAsInOnePiece) {
  for (const std::uint64_t size : {10U, 700U, 5'000U}) {
    HyperLogLog whole;
    HyperLogLog odd;
    HyperLogLog even;
    for (std::uint64_t i = 0; i < size; ++i) {
      whole.Add(HashOf(i));
      (i % 5 == 0 ? odd : even).Add(HashOf(i));
    }
    odd.Merge(even);
    StateWriter one;
    StateWriter other;
    whole.Save(one);
    odd.Save(other);
    EXPECT_EQ(one.bytes(), other.bytes()) << size;
  }
}

double ExactQuantile(std::vector<double> values, double q) {
  std::ranges::sort(values);
  const auto n = static_cast<double>(values.size());
  const auto above = static_cast<std::size_t>(std::floor(n - n * q));
  return values[std::max<std::size_t>(1, values.size() - above) - 1];
}

TEST(LogLinearHistogram, IsWithinOnePercentOfTheValue) {
  std::mt19937_64 random(5);
  std::normal_distribution<> exponents(0, 20);
  for (const bool negative : {false, true}) {
    LogLinearHistogram whole;
    LogLinearHistogram parts[3];
    std::vector<double> values;
    for (int i = 0; i < 20'000; ++i) {
      double value = std::exp(exponents(random));
      if (negative && i % 3 == 0) value = -value;
      if (i % 50 == 0) value = 0;
      values.push_back(value);
      whole.Add(value);
      parts[i % 3].Add(value);
    }
    parts[0].Merge(parts[1]);
    parts[0].Merge(parts[2]);
    for (const double q : {0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0}) {
      const double exact = ExactQuantile(values, q);
      EXPECT_LE(std::abs(*whole.Quantile(q) - exact), 0.01 * std::abs(exact)) << q;
      EXPECT_EQ(*parts[0].Quantile(q), *whole.Quantile(q)) << q;
    }
  }
}

TEST(LogLinearHistogram, IsExactForSmallWholeNumbersAndHoldsTheEndsOfDouble) {
  LogLinearHistogram small;
  std::vector<double> values;
  for (int i = -127; i < 128; ++i) values.push_back(i);
  for (const double value : values) small.Add(value);
  for (int percent = 0; percent <= 100; ++percent) {
    EXPECT_EQ(*small.Quantile(percent / 100.0), ExactQuantile(values, percent / 100.0)) << percent;
  }
  LogLinearHistogram ends;
  EXPECT_FALSE(ends.Quantile(0.5).has_value());
  for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) ends.Add(value);
  EXPECT_EQ(ends.total(), 0U);
  for (const double value : {1.7e308, -1.7e308, 1e-320, -0.0}) ends.Add(value);
  EXPECT_EQ(*ends.Quantile(0), -1.7e308);
  EXPECT_EQ(*ends.Quantile(1), 1.7e308);
  EXPECT_EQ(*ends.Quantile(0.5), 0);
}

// Counters are of 32 bits, what they count is not.
TEST(LogLinearHistogram, CountsOnBeyondItsCounters) {
  LogLinearHistogram one;
  one.Add(1);
  one.Add(2);
  for (int i = 0; i < 200; ++i) one.Add(3);
  LogLinearHistogram whole = one;
  for (int doubled = 0; doubled < 32; ++doubled) whole.Merge(LogLinearHistogram(whole));
  constexpr std::uint64_t kTimes = std::uint64_t{1} << 32;
  EXPECT_EQ(whole.total(), kTimes * one.total());
  for (int i = 0; i < 201; ++i) whole.Add(1);
  EXPECT_EQ(*whole.Quantile(0.5), 3);
  EXPECT_EQ(*whole.Quantile(1.0 / 202), 1);
  EXPECT_EQ(*whole.Quantile(1.99 / 202), 2);
  StateWriter writer;
  whole.Save(writer);
  LogLinearHistogram restored;
  StateReader reader(writer.bytes());
  ASSERT_TRUE(restored.Load(reader).ok());
  EXPECT_EQ(restored.total(), whole.total());
  StateWriter again;
  restored.Save(again);
  EXPECT_EQ(again.bytes(), writer.bytes());
}

// Carries are found at once, however many: this takes minutes where each is searched for among the others.
TEST(LogLinearHistogram, EveryCounterMayBeginAgain) {
  constexpr std::uint64_t kTimes = (std::uint64_t{1} << 32) + 1;
  const auto of_places = [](std::int32_t first) {
    StateWriter writer;
    writer.Put(0.0);
    writer.Put(1e300);
    writer.Put(std::uint32_t{1'000});
    for (std::int32_t place = 0; place < 1'000; ++place) {
      writer.Put(first + 2 * place);
      for (int bucket = 0; bucket < 64; ++bucket) writer.Put(kTimes);
    }
    LogLinearHistogram sketch;
    StateReader reader(writer.bytes());
    EXPECT_TRUE(sketch.Load(reader).ok());
    StateWriter again;
    sketch.Save(again);
    EXPECT_EQ(again.bytes(), writer.bytes());
    return sketch;
  };
  LogLinearHistogram even = of_places(2);
  const LogLinearHistogram odd = of_places(1);
  even.Merge(odd);
  even.Merge(odd);
  EXPECT_EQ(even.total(), 3 * 64'000 * kTimes);
  EXPECT_LT(*even.Quantile(0.25), *even.Quantile(0.75));
}

TEST(FrequentItems, CountsAreAtMostRowsByCapacityTooLow) {
  constexpr std::uint32_t kCapacity = 100;
  std::mt19937_64 random(9);
  std::vector<std::uint64_t> counts(5'000, 0);
  FrequentItems parts[4] = {FrequentItems(kCapacity), FrequentItems(kCapacity), FrequentItems(kCapacity),
                            FrequentItems(kCapacity)};
  constexpr int kRows = 100'000;
  for (int row = 0; row < kRows; ++row) {
    // Zipf-like: small numbers often.
    const double share = std::uniform_real_distribution<>(0, 1)(random);
    const auto item = static_cast<std::size_t>(std::pow(5'000.0, share)) - 1;
    ++counts[item];
    parts[row % 4].Add(std::to_string(item));
  }
  for (int part = 1; part < 4; ++part) parts[0].Merge(parts[part]);
  for (std::size_t item = 0; item < counts.size(); ++item) {
    const std::uint64_t counted = parts[0].CountOf(std::to_string(item));
    EXPECT_LE(counted, counts[item]);
    EXPECT_GE(counted + kRows / kCapacity, counts[item]) << item;
  }
  EXPECT_EQ(parts[0].Top(3), (std::vector<std::string_view>{"0", "1", "2"}));
}

}  // namespace
}  // namespace hyprstream::aggregate
