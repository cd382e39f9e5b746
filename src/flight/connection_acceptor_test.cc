#include "flight/connection_acceptor.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bounded_queue.h"

namespace hyprstream::flight {
namespace {

using ::testing::HasSubstr;

int ConnectTo(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

// Waits for the other side to close; false when it says nothing for long.
bool IsClosedByPeer(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  char byte = 0;
  return ::poll(&wait, 1, 10'000) == 1 && ::recv(fd, &byte, 1, 0) <= 0;
}

void ShutDownAndClose(int fd) {
  ::shutdown(fd, SHUT_RDWR);
  ::close(fd);
}

// As gRPC writes it.
std::string NameOf(int client) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  EXPECT_EQ(::getsockname(client, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return "ipv4:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

TEST(ConnectionAcceptor, ClosesWhatIsBeyondTheBoundAndHasRoomAgainAfterwards) {
  auto acceptor = ConnectionAcceptor::Listen({.connections_max = 2});
  ASSERT_TRUE(acceptor.ok()) << acceptor.status();
  BoundedQueue<int> taken(100);
  (*acceptor)->Start({.take = [&](int fd) { taken.Push(int{fd}, 1); }});
  const int port = (*acceptor)->port();
  const int first = ConnectTo(port);
  const int second = ConnectTo(port);
  const int first_taken = *taken.Pop();
  const int second_taken = *taken.Pop();

  const int third = ConnectTo(port);
  EXPECT_TRUE(IsClosedByPeer(third));
  EXPECT_EQ((*acceptor)->refused(), 1);

  ShutDownAndClose(first_taken);
  const int fourth = ConnectTo(port);
  ::close(*taken.Pop());
  for (const int fd : {first, second, second_taken, third, fourth}) ::close(fd);
}

TEST(ConnectionAcceptor, TellsWhenAConnectionBeginsAndEnds) {
  auto acceptor = ConnectionAcceptor::Listen({.connections_max = 1});
  ASSERT_TRUE(acceptor.ok()) << acceptor.status();
  BoundedQueue<int> taken(100);
  BoundedQueue<std::string> told(100);
  (*acceptor)->Start({.take = [&](int fd) { taken.Push(int{fd}, 1); },
                      .begun = [&](const std::string& peer) { told.Push("begun " + peer, 1); },
                      .ended = [&](const std::string& peer) { told.Push("ended " + peer, 1); }});
  // The client closes it: told before our side has.
  const int first = ConnectTo((*acceptor)->port());
  const std::string first_name = NameOf(first);
  EXPECT_EQ(*told.Pop(), "begun " + first_name);
  ::close(first);
  EXPECT_EQ(*told.Pop(), "ended " + first_name);
  // Which still counts for the bound, as long as it keeps it open.
  const int refused = ConnectTo((*acceptor)->port());
  EXPECT_TRUE(IsClosedByPeer(refused));
  ShutDownAndClose(*taken.Pop());
  // Our side closes it first.
  const int second = ConnectTo((*acceptor)->port());
  EXPECT_EQ(*told.Pop(), "begun " + NameOf(second));
  ShutDownAndClose(*taken.Pop());
  EXPECT_EQ(*told.Pop(), "ended " + NameOf(second));
  EXPECT_TRUE(IsClosedByPeer(second));
  for (const int fd : {refused, second}) ::close(fd);
}

TEST(ConnectionAcceptor, SaysWhenThePortIsInUse) {
  auto first = ConnectionAcceptor::Listen({});
  ASSERT_TRUE(first.ok());
  const auto second = ConnectionAcceptor::Listen({.port = (*first)->port()});
  EXPECT_TRUE(second.status().IsAlreadyExists()) << second.status();
  EXPECT_THAT(second.status().message(), HasSubstr("is in use"));
}

TEST(ConnectionAcceptor, RefusesAnAddressThatIsNotHere) {
  EXPECT_TRUE(ConnectionAcceptor::Listen({.host = "192.0.2.1"}).status().IsIOError());
  EXPECT_TRUE(ConnectionAcceptor::Listen({.host = "no such host"}).status().IsIOError());
}

TEST(ConnectionAcceptor, StopsWithoutEverHavingStarted) {
  auto acceptor = ConnectionAcceptor::Listen({.host = "localhost"});
  ASSERT_TRUE(acceptor.ok()) << acceptor.status();
  (*acceptor)->Stop();
  (*acceptor)->Stop();
}

}  // namespace
}  // namespace hyprstream::flight
