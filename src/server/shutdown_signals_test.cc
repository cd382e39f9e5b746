#include "server/shutdown_signals.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

namespace hyprstream::server {
namespace {

// Ends the process with the number of the signal that was waited for.
void WaitAfterHangUp(void (*disposition)(int)) {
  std::signal(SIGHUP, disposition);
  BlockShutdownSignals();
  std::raise(SIGHUP);
  std::raise(SIGTERM);
  std::_Exit(WaitForShutdownSignal());
}

TEST(ShutdownSignals, AClosedTerminalIsWaitedForUnlessIgnored) {
  EXPECT_EXIT(WaitAfterHangUp(SIG_DFL), ::testing::ExitedWithCode(SIGHUP), "");
  EXPECT_EXIT(WaitAfterHangUp(SIG_IGN), ::testing::ExitedWithCode(SIGTERM), "");
}

}  // namespace
}  // namespace hyprstream::server
