#include "base/clock.h"

#include <gtest/gtest.h>

#include <future>

#include "base/fake_clock.h"

namespace hyprstream {
namespace {

using namespace std::chrono_literals;

TEST(FakeClock, SleepsUntilItIsAdvanced) {
  FakeClock clock;
  const auto start = clock.Now();
  auto woke_at = std::async(std::launch::async, [&] {
    clock.SleepUntil(start + 2s);
    return clock.Now();
  });
  clock.WaitForSleepers(1);
  clock.Advance(1s);
  clock.WaitForSleepers(1);
  EXPECT_EQ(woke_at.wait_for(0s), std::future_status::timeout);
  clock.Advance(1s);
  EXPECT_EQ(woke_at.get(), start + 2s);
}

TEST(FakeClock, WallTimeMovesAlong) {
  FakeClock clock;
  const auto before = clock.WallNow();
  clock.Advance(1h);
  EXPECT_EQ(clock.WallNow() - before, 1h);
}

TEST(SystemClock, ADeadlineInThePastDoesNotWait) {
  SystemClock clock;
  clock.SleepUntil(clock.Now() - 1h);
  Mutex mutex;
  CondVar condition;
  MutexLock lock(mutex);
  EXPECT_FALSE(clock.WaitUntil(condition, mutex, clock.Now() - 1s));
}

}  // namespace
}  // namespace hyprstream
