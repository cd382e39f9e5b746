#include "backend/connection_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

namespace hyprstream::backend {
namespace {

int PortOf(int socket, int (*address_of)(int, sockaddr*, socklen_t*)) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  EXPECT_EQ(address_of(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

TEST(ConnectionSocket, FreesAThreadThatWaitsForAPeerThatSaysNothing) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener, 4), 0);
  address.sin_port = htons(static_cast<std::uint16_t>(PortOf(listener, getsockname)));
  const int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  for (const int client : {one, other}) {
    ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  auto waiting = std::async(std::launch::async, [&] {
    char byte = 0;
    return recv(one, &byte, 1, 0);
  });
  EXPECT_TRUE(ShutDownSocket({.local = PortOf(one, getsockname), .peer = PortOf(one, getpeername)}));
  EXPECT_EQ(waiting.get(), 0);
  char byte = 0;
  EXPECT_EQ(recv(other, &byte, 1, MSG_DONTWAIT), -1) << "it is not the other's end";
  EXPECT_FALSE(ShutDownSocket({.local = PortOf(other, getsockname), .peer = 1}));
  EXPECT_FALSE(ShutDownSocket({}));
  for (const int socket : {one, other, listener}) close(socket);
}

}  // namespace
}  // namespace hyprstream::backend
