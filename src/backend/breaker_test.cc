#include "backend/breaker.h"

#include <gtest/gtest.h>

#include "base/fake_clock.h"

namespace hyprstream::backend {
namespace {

using std::chrono::milliseconds;

constexpr BreakerOptions kOptions = {
    .failures_max = 2, .time_outs_max = 3, .pause_least = milliseconds{100}, .pause_most = milliseconds{1'000}};

TEST(Breaker, OpensAfterFailuresInARow) {
  FakeClock clock;
  Breaker breaker(kOptions, clock, 1);
  breaker.Failed();
  breaker.Succeeded();
  breaker.Failed();
  EXPECT_TRUE(breaker.is_closed());
  breaker.Failed();
  EXPECT_EQ(breaker.state(), Breaker::State::kOpen);
  EXPECT_GE(breaker.pause(), milliseconds{50});
  EXPECT_LE(breaker.pause(), milliseconds{100});
}

TEST(Breaker, OpensAfterTimeOutsInARow) {
  FakeClock clock;
  Breaker breaker(kOptions, clock, 1);
  for (int i = 0; i < 2; ++i) breaker.TimedOut();
  EXPECT_TRUE(breaker.is_closed());
  breaker.TimedOut();
  EXPECT_FALSE(breaker.is_closed());
}

TEST(Breaker, GivesOneProbeWhenItsPauseIsOver) {
  FakeClock clock;
  Breaker breaker(kOptions, clock, 1);
  breaker.Open();
  EXPECT_FALSE(breaker.BeginProbe());
  clock.Advance(milliseconds{100});
  EXPECT_TRUE(breaker.BeginProbe());
  EXPECT_EQ(breaker.state(), Breaker::State::kHalfOpen);
  EXPECT_FALSE(breaker.BeginProbe());
  breaker.Succeeded();
  EXPECT_TRUE(breaker.is_closed());
}

TEST(Breaker, PausesLongerAfterEachProbeThatFailsUpToABound) {
  FakeClock clock;
  Breaker breaker(kOptions, clock, 1);
  breaker.Open();
  for (const int most : {200, 400, 800, 1'000, 1'000}) {
    clock.Advance(milliseconds{1'000});
    ASSERT_TRUE(breaker.BeginProbe());
    breaker.Failed();
    EXPECT_GE(breaker.pause(), milliseconds{most / 2});
    EXPECT_LE(breaker.pause(), milliseconds{most});
  }
}

TEST(Breaker, IsNotClosedByWhatBeganBeforeItOpened) {
  FakeClock clock;
  Breaker breaker(kOptions, clock, 1);
  breaker.Open();
  breaker.Succeeded();
  EXPECT_EQ(breaker.state(), Breaker::State::kOpen);
}

TEST(Breaker, PausesDiffer) {
  FakeClock clock;
  Breaker one({.pause_least = milliseconds{10'000}}, clock, 1);
  Breaker other({.pause_least = milliseconds{10'000}}, clock, 2);
  one.Open();
  other.Open();
  EXPECT_NE(one.pause(), other.pause());
}

}  // namespace
}  // namespace hyprstream::backend
