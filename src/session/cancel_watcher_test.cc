#include "session/cancel_watcher.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "engine/engine.h"
#include "support/status_assertions.h"

namespace hyprstream::session {
namespace {

using ::testing::HasSubstr;

class CancelWatcherTest : public ::testing::Test {
 protected:
  // Runs what would take an hour under a watch; what its client is told.
  arrow::Status RunUntilStopped(CancelWatcher& watcher) {
    const RequestContext context;
    const auto watch = watcher.Begin(context, *connection_, this);
    const auto run = connection_->Run("SELECT count(*) FROM range(10000000000) a, range(1000) b WHERE a.range % 7 = 8");
    return watch->Explain(run.status());
  }

  std::unique_ptr<engine::Engine> engine_ = engine::Engine::Make({.path = "", .threads = 1}).ValueOrDie();
  std::unique_ptr<engine::Connection> connection_ = engine_->Connect().ValueOrDie();
};

TEST_F(CancelWatcherTest, StopsWhatRunsWhenMemoryIsShort) {
  std::atomic<int> asked = 0;
  CancelWatcher watcher({}, [&] { return ++asked >= 3; });
  ASSERT_OK(connection_->Begin());
  const auto status = RunUntilStopped(watcher);
  EXPECT_TRUE(status.IsOutOfMemory()) << status;
  EXPECT_THAT(status.message(), HasSubstr("raise memory_max"));
  EXPECT_GE(asked, 3);
}

TEST_F(CancelWatcherTest, AsksForMemoryOnlyWhileStatementsRun) {
  std::atomic<int> asked = 0;
  CancelWatcher watcher({}, [&] { return ++asked > 0; });
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace hyprstream::session
