#include "backend/statement_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/fake_clock.h"

namespace hyprstream::backend {
namespace {

using std::chrono::milliseconds;
using End = WatchedStatement::End;

TEST(StatementWatch, CancelsOnceNobodyWaits) {
  FakeClock clock;
  StatementWatch watch(clock);
  bool gone = false;
  int cancels = 0;
  const auto statement =
      watch.Add({.cancel = [&] { ++cancels; }, .cancelled = [&] { return gone; }}, milliseconds{1'000});
  watch.Poll();
  EXPECT_EQ(cancels, 0);
  EXPECT_EQ(statement->end(), End::kNone);
  gone = true;
  watch.Poll();
  EXPECT_EQ(cancels, 1);
  EXPECT_EQ(statement->end(), End::kCancelled);
}

TEST(StatementWatch, CancelsAgainUntilItIsReleased) {
  FakeClock clock;
  StatementWatch watch(clock);
  int cancels = 0;
  const auto statement =
      watch.Add({.cancel = [&] { ++cancels; }, .cancelled = [] { return true; }}, milliseconds{1'000});
  watch.Poll();
  watch.Poll();
  EXPECT_EQ(cancels, 1);
  clock.Advance(milliseconds{50});
  watch.Poll();
  EXPECT_EQ(cancels, 2);
  clock.Advance(milliseconds{50});
  watch.Poll();
  EXPECT_EQ(cancels, 2) << "the pauses grow";
  statement->Release();
  clock.Advance(milliseconds{5'000});
  watch.Poll();
  EXPECT_EQ(cancels, 2);
  EXPECT_TRUE(watch.empty());
}

TEST(StatementWatch, AbortsOnceWhatACancelDoesNotEnd) {
  FakeClock clock;
  StatementWatch watch(clock);
  int aborts = 0;
  const auto statement =
      watch.Add({.cancel = [] {}, .cancelled = [] { return true; }, .abort = [&] { ++aborts; }}, milliseconds{1'000});
  watch.Poll();
  clock.Advance(WatchedStatement::kAbortAfter - milliseconds{1});
  watch.Poll();
  EXPECT_EQ(aborts, 0);
  clock.Advance(milliseconds{1});
  watch.Poll();
  clock.Advance(milliseconds{60'000});
  watch.Poll();
  EXPECT_EQ(aborts, 1);
}

TEST(StatementWatch, CountsOnlyWaitsForTheDatabaseAgainstTheTimeOut) {
  FakeClock clock;
  StatementWatch watch(clock);
  int cancels = 0;
  const auto statement = watch.Add({.cancel = [&] { ++cancels; }, .cancelled = {}}, milliseconds{100});
  for (int i = 0; i < 3; ++i) {
    statement->Enter();
    clock.Advance(milliseconds{30});
    watch.Poll();
    statement->Leave();
    clock.Advance(milliseconds{10'000});  // its client is slow
    watch.Poll();
  }
  EXPECT_EQ(cancels, 0);
  statement->Enter();
  clock.Advance(milliseconds{10});
  watch.Poll();
  EXPECT_EQ(cancels, 1);
  EXPECT_EQ(statement->end(), End::kTimedOut);
}

TEST(StatementWatch, EndsEverythingWhenClosed) {
  FakeClock clock;
  StatementWatch watch(clock);
  int cancels = 0;
  const auto before = watch.Add({.cancel = [&] { ++cancels; }, .cancelled = {}}, milliseconds{100});
  watch.Close();
  const auto after = watch.Add({.cancel = [&] { ++cancels; }, .cancelled = {}}, milliseconds{100});
  watch.Poll();
  EXPECT_EQ(cancels, 2);
  EXPECT_EQ(before->end(), End::kClosed);
  EXPECT_EQ(after->end(), End::kClosed);
}

// What a cancel touches must not go away under it: the tsan build looks at this.
TEST(StatementWatch, SurvivesStatementsReleasedAtTheSameMoment) {
  const SystemClock clock;
  StatementWatch watch(clock);
  std::atomic<bool> stop = false;
  std::thread poller([&] {
    while (!stop) watch.Poll();
  });
  for (int i = 0; i < 2'000; ++i) {
    int touched = 0;  // dies with this turn
    const auto statement =
        watch.Add({.cancel = [&touched] { ++touched; }, .cancelled = [i] { return i % 2 == 0; }}, milliseconds{1'000});
    statement->Enter();
    statement->Leave();
    statement->Release();
  }
  stop = true;
  poller.join();
  watch.Poll();
  EXPECT_TRUE(watch.empty());
}

}  // namespace
}  // namespace hyprstream::backend
