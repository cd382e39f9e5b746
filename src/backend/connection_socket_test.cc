#include "backend/connection_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <vector>

namespace hyprstream::backend {
namespace {

int PortOf(int socket, int (*address_of)(int, sockaddr*, socklen_t*)) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  EXPECT_EQ(address_of(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

class ConnectionSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
    ASSERT_EQ(listen(listener_, 4), 0);
    address_.sin_port = htons(static_cast<std::uint16_t>(PortOf(listener_, getsockname)));
  }
  void TearDown() override {
    for (const int client : clients_) close(client);
    close(listener_);
  }
  int Connect() {
    clients_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(clients_.back(), reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
    return clients_.back();
  }

  int listener_ = -1;
  sockaddr_in address_{};
  std::vector<int> clients_;
};

SocketId Find(int client) {
  return FindSocket({.local = PortOf(client, getsockname), .peer = PortOf(client, getpeername)});
}

bool HasEnded(int client) {
  char byte = 0;
  return recv(client, &byte, 1, MSG_DONTWAIT) == 0;
}

TEST_F(ConnectionSocketTest, FreesAThreadThatWaitsForAPeerThatSaysNothing) {
  const int one = Connect();
  const int other = Connect();
  auto waiting = std::async(std::launch::async, [&] {
    char byte = 0;
    return recv(one, &byte, 1, 0);
  });
  EXPECT_TRUE(ShutDownSocket(Find(one)));
  EXPECT_EQ(waiting.get(), 0);
  EXPECT_FALSE(HasEnded(other)) << "it is not the other's end";
  EXPECT_EQ(FindSocket({.local = PortOf(other, getsockname), .peer = 1}), 0);
  EXPECT_EQ(FindSocket({}), 0);
  EXPECT_FALSE(ShutDownSocket(0));
}

TEST_F(ConnectionSocketTest, IsFoundAsTheOneThatHasCome) {
  Connect();
  const auto before = OutgoingSockets();
  EXPECT_EQ(OnlyNewSocket(before), 0);
  const int one = Connect();
  const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  EXPECT_EQ(OnlyNewSocket(before), Find(one)) << "what is accepted does not count";
  Connect();
  EXPECT_EQ(OnlyNewSocket(before), 0) << "it may be either";
  close(accepted);
}

TEST_F(ConnectionSocketTest, EndsWhatHasComeSinceToTheSamePeer) {
  const int session = Connect();
  const int old = Connect();
  const auto before = OutgoingSockets();
  const int cancel = Connect();
  const auto peer = PeerOf(Find(session));
  EXPECT_TRUE(ShutDownSocket(Find(session)));
  EXPECT_EQ(ShutDownNewSockets(before, peer), 1);
  EXPECT_TRUE(HasEnded(cancel));
  EXPECT_FALSE(HasEnded(old));
  EXPECT_EQ(ShutDownNewSockets(before, ""), 0);
  EXPECT_EQ(PeerOf(0), "");
}

}  // namespace
}  // namespace hyprstream::backend
