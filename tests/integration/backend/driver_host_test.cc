// The process of a driver, asked by hand.
#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>

#include "backend/host_protocol.h"
#include "support/status_assertions.h"

extern char** environ;

namespace hyprstream::testing {
namespace {

using backend::HostBody;
using backend::HostCall;
using backend::HostFrame;
using backend::HostSocket;
using ::testing::HasSubstr;

arrow::Result<HostFrame> Ask(const HostSocket& socket, HostCall call, const std::string& body = {}) {
  ARROW_RETURN_NOT_OK(socket.Send(static_cast<std::uint32_t>(call), body));
  return socket.Receive();
}

// With a database of SQLite in memory.
class DriverHost : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* drivers = std::getenv("HYPRSTREAM_ADBC_DRIVERS");
    ASSERT_NE(drivers, nullptr) << "HYPRSTREAM_ADBC_DRIVERS must name the folder of the drivers";
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, control_.second.descriptor(), backend::kHostControlDescriptor);
    std::string name = "hyprstream";
    std::string command = "driver-host";
    std::array<char*, 3> argv = {name.data(), command.data(), nullptr};
    const int failed = posix_spawn(&pid_, HYPRSTREAM_PROGRAM, &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ASSERT_EQ(failed, 0);
    const auto library = std::string(drivers) + "/libadbc_driver_sqlite.so";
    ASSERT_OK_AND_ASSIGN(const auto opened,
                         Ask(control_.first, HostCall::kOpen, HostBody().Text(library).Text("").Number(0).bytes()));
    ASSERT_EQ(opened.kind, ADBC_STATUS_OK) << opened.body;
    ASSERT_OK(control_.first.Send(static_cast<std::uint32_t>(HostCall::kConnect), HostBody().Number(1).bytes(),
                                  line_.second.descriptor()));
    ASSERT_OK_AND_ASSIGN(const auto begun, Ask(line_.first, HostCall::kInit));
    ASSERT_EQ(begun.kind, ADBC_STATUS_OK) << begun.body;
  }
  void TearDown() override {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  const std::pair<HostSocket, HostSocket> control_ = HostSocket::MakePair().ValueOrDie();
  const std::pair<HostSocket, HostSocket> line_ = HostSocket::MakePair().ValueOrDie();
  pid_t pid_ = -1;
};

TEST_F(DriverHost, RowsThatNobodyAskedForHaveNoEnd) {
  ASSERT_OK_AND_ASSIGN(const auto prepared, Ask(line_.first, HostCall::kPrepare, HostBody().Text("SELECT 7").bytes()));
  ASSERT_EQ(prepared.kind, ADBC_STATUS_OK) << prepared.body;
  ASSERT_OK_AND_ASSIGN(const auto early, Ask(line_.first, HostCall::kNext));
  EXPECT_EQ(early.kind, ADBC_STATUS_INVALID_STATE);
  EXPECT_THAT(early.body, HasSubstr("no rows to read"));
  ASSERT_OK_AND_ASSIGN(const auto ran, Ask(line_.first, HostCall::kExecuteQuery));
  ASSERT_EQ(ran.kind, ADBC_STATUS_OK) << ran.body;
  ASSERT_OK_AND_ASSIGN(const auto rows, Ask(line_.first, HostCall::kNext));
  EXPECT_EQ(rows.kind, ADBC_STATUS_OK);
  EXPECT_FALSE(rows.body.empty());
  ASSERT_OK_AND_ASSIGN(const auto end, Ask(line_.first, HostCall::kNext));
  EXPECT_EQ(end.kind, ADBC_STATUS_OK);
  EXPECT_TRUE(end.body.empty());
}

}  // namespace
}  // namespace hyprstream::testing
