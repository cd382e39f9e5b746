#include "backend/connection_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <latch>
#include <optional>
#include <thread>
#include <vector>

#include "base/fake_clock.h"
#include "base/mutex.h"

namespace hyprstream::backend {
namespace {

class ConnectionSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
    ASSERT_EQ(listen(listener_, 64), 0);
    socklen_t size = sizeof(address_);
    ASSERT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &size), 0);
  }
  void TearDown() override {
    MutexLock lock(mutex_);
    for (const int client : clients_) close(client);
    close(listener_);
  }
  int Connect() {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
    MutexLock lock(mutex_);
    clients_.push_back(client);
    return client;
  }

  int listener_ = -1;
  sockaddr_in address_{};
  FakeClock clock_;
  Mutex mutex_;
  std::vector<int> clients_ GUARDED_BY(mutex_);
};

bool HasEnded(int client) {
  char byte = 0;
  return recv(client, &byte, 1, MSG_DONTWAIT) == 0;
}

TEST_F(ConnectionSocketTest, FreesAThreadThatWaitsForAPeerThatSaysNothing) {
  ConnectedSocket socket(clock_);
  const auto connect = [&] {
    const NotesConnects noting(socket);
    return Connect();
  };
  const int one = connect();
  const int other = Connect();
  auto waiting = std::async(std::launch::async, [&] {
    char byte = 0;
    return recv(one, &byte, 1, 0);
  });
  const bool freed = socket.ShutDown();
  EXPECT_TRUE(freed);
  if (!freed) shutdown(one, SHUT_RDWR);  // so that the test ends
  EXPECT_EQ(waiting.get(), 0);
  EXPECT_FALSE(HasEnded(other)) << "it is not the other's end";
  EXPECT_FALSE(ShutDownSocket(0));
}

TEST_F(ConnectionSocketTest, IsTheLastThatItsThreadHasConnected) {
  ConnectedSocket socket(clock_);
  EXPECT_EQ(socket.id(), 0);
  EXPECT_EQ(socket.age(), std::nullopt);
  Connect();
  EXPECT_EQ(socket.id(), 0) << "nobody wanted it noted";
  {
    const NotesConnects noting(socket);
    Connect();
    const auto first = socket.id();
    EXPECT_NE(first, 0);
    std::thread([&] { Connect(); }).join();
    EXPECT_EQ(socket.id(), first) << "another thread's";
    const int datagrams = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(datagrams, reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
    close(datagrams);
    EXPECT_EQ(socket.id(), first) << "a look for a name's address, say";
    const int second = Connect();
    EXPECT_NE(socket.id(), first);
    EXPECT_TRUE(socket.ShutDown());
    EXPECT_TRUE(HasEnded(second));
  }
  const auto last = socket.id();
  Connect();
  EXPECT_EQ(socket.id(), last);
}

TEST_F(ConnectionSocketTest, ThreadsThatConnectAtOneMomentEachHaveTheirOwn) {
  constexpr int kThreads = 8;
  std::vector<std::future<bool>> own;
  std::latch all(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    own.push_back(std::async(std::launch::async, [&] {
      ConnectedSocket socket(clock_);
      const NotesConnects noting(socket);
      all.arrive_and_wait();
      const int descriptor = Connect();
      struct stat status{};
      return fstat(descriptor, &status) == 0 && status.st_ino == socket.id();
    }));
  }
  for (auto& one : own) EXPECT_TRUE(one.get());
}

TEST_F(ConnectionSocketTest, IsOldFromItsConnectOn) {
  ConnectedSocket socket(clock_);
  const NotesConnects noting(socket);
  Connect();
  clock_.Advance(std::chrono::seconds(3));
  EXPECT_EQ(socket.age(), std::chrono::seconds(3));
}

}  // namespace
}  // namespace hyprstream::backend
