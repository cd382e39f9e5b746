#include "server/shutdown_signals.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

namespace hyprstream::server {
namespace {

// In a process of its own, which ends with the number of the signal that was waited for.
void WaitAfter(int raised, int raised_next) {
  BlockShutdownSignals();
  std::raise(raised);
  std::raise(raised_next);
  std::_Exit(WaitForShutdownSignal());
}

TEST(ShutdownSignals, AClosedTerminalIsWaitedForUnlessIgnored) {
  const auto hang_up = [](void (*disposition)(int)) {
    std::signal(SIGHUP, disposition);
    WaitAfter(SIGHUP, SIGTERM);
  };
  EXPECT_EXIT(hang_up(SIG_DFL), ::testing::ExitedWithCode(SIGHUP), "");
  EXPECT_EXIT(hang_up(SIG_IGN), ::testing::ExitedWithCode(SIGTERM), "");
}

}  // namespace
}  // namespace hyprstream::server
