#include "flight/reading_turns.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "base/fake_clock.h"

namespace hyprstream::flight {
namespace {

using std::chrono_literals::operator""ms;

TEST(ReadingTurns, WaitsForOthersUntilTheyEnd) {
  FakeClock clock;
  ReadingTurns turns({.bytes_max = 100}, clock);
  std::optional<ReadingTurns::Turn> first = turns.Take(60, [] { return false; }).ValueOrDie();
  auto second = std::async(std::launch::async, [&] { return turns.Take(60, [] { return false; }).status(); });
  clock.WaitForSleepers(1);
  first.reset();
  EXPECT_TRUE(second.get().ok());
}

TEST(ReadingTurns, AnIdleClaimStopsCountingAndAHeldOneDoesNot) {
  FakeClock clock;
  ReadingTurns turns({.bytes_max = 100, .claim_max = 200ms}, clock);
  auto idle = turns.Take(60, [] { return false; }).ValueOrDie();
  auto second = std::async(std::launch::async, [&] { return turns.Take(60, [] { return false; }).ValueOrDie(); });
  clock.WaitForSleepers(1);
  clock.Advance(200ms);
  auto held = second.get();
  held.Hold(80);
  clock.Advance(1000ms);
  EXPECT_TRUE(turns.Take(20, [] { return true; }).ok());
  EXPECT_TRUE(turns.Take(30, [] { return true; }).status().IsCancelled());
}

TEST(ReadingTurns, WhatIsLargerThanTheBoundPassesAlone) {
  FakeClock clock;
  ReadingTurns turns({.bytes_max = 100}, clock);
  {
    const auto alone = turns.Take(500, [] { return true; });
    EXPECT_TRUE(alone.ok());
    EXPECT_TRUE(turns.Take(1, [] { return true; }).status().IsCancelled());
  }
  EXPECT_TRUE(turns.Take(turns.first_claim(), [] { return true; }).ok());
}

}  // namespace
}  // namespace hyprstream::flight
