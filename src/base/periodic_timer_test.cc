#include "base/periodic_timer.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/fake_clock.h"

namespace hyprstream {
namespace {

using std::chrono::seconds;

TEST(PeriodicTimer, WorksOnceAPeriodUntilItIsStopped) {
  FakeClock clock;
  std::atomic<int> runs = 0;
  PeriodicTimer timer(clock);
  timer.Start("timer", seconds(1), [&] {
    ++runs;
    runs.notify_all();
  });
  for (int run = 0; run < 3; ++run) {
    clock.WaitForSleepers(1);
    clock.Advance(seconds(1));
    runs.wait(run);
  }
  timer.Stop();
  timer.Stop();
  EXPECT_EQ(runs, 3);
}

}  // namespace
}  // namespace hyprstream
