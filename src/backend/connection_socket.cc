#include "backend/connection_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>

namespace hyprstream::backend {
namespace {

using AddressOf = int (*)(int, sockaddr*, socklen_t*);

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;  // 0: none

  // 0: it is none of TCP.
  int port() const {
    if (size == 0) return 0;
    if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
    if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
    return 0;
  }
  bool is_unix_path() const { return storage.ss_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path); }
  std::string bytes() const { return {reinterpret_cast<const char*>(&storage), size}; }
};

Address Ask(int descriptor, AddressOf address_of) {
  Address address;
  socklen_t size = sizeof(address.storage);
  if (address_of(descriptor, reinterpret_cast<sockaddr*>(&address.storage), &size) == 0) address.size = size;
  return address;
}

struct OpenSocket {
  int descriptor;
  SocketId id;
  Address local;
  Address peer;
};

std::vector<OpenSocket> OpenSockets() {
  std::vector<OpenSocket> sockets;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string name = entry.path().filename().string();
    int descriptor = -1;
    std::from_chars(name.data(), name.data() + name.size(), descriptor);
    struct stat status{};
    if (descriptor < 0 || fstat(descriptor, &status) != 0 || !S_ISSOCK(status.st_mode)) continue;
    sockets.push_back({descriptor, status.st_ino, Ask(descriptor, getsockname), Ask(descriptor, getpeername)});
  }
  return sockets;
}

bool Listens(int descriptor) {
  int listens = 0;
  socklen_t size = sizeof(listens);
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

std::vector<OpenSocket> Outgoing() {
  auto sockets = OpenSockets();
  std::vector<int> listened;
  for (const auto& socket : sockets) {
    if (Listens(socket.descriptor)) listened.push_back(socket.local.port());
  }
  std::erase_if(sockets, [&](const auto& socket) {
    if (socket.peer.is_unix_path()) return false;
    return socket.peer.port() == 0 || std::ranges::find(listened, socket.local.port()) != listened.end();
  });
  return sockets;
}

bool IsNew(const std::vector<SocketId>& before, SocketId id) { return !std::ranges::binary_search(before, id); }

}  // namespace

SocketId FindSocket(const ConnectionPorts& ports) {
  if (ports.local == 0 || ports.peer == 0) return 0;
  for (const auto& socket : OpenSockets()) {
    if (socket.local.port() == ports.local && socket.peer.port() == ports.peer) return socket.id;
  }
  return 0;
}

std::vector<SocketId> OutgoingSockets() {
  std::vector<SocketId> ids;
  for (const auto& socket : Outgoing()) ids.push_back(socket.id);
  std::ranges::sort(ids);
  return ids;
}

SocketId OnlyNewSocket(const std::vector<SocketId>& before) {
  SocketId found = 0;
  for (const auto& socket : Outgoing()) {
    if (!IsNew(before, socket.id)) continue;
    if (found != 0) return 0;
    found = socket.id;
  }
  return found;
}

bool ShutDownSocket(SocketId wanted) {
  if (wanted == 0) return false;
  for (const auto& socket : OpenSockets()) {
    if (socket.id == wanted) return shutdown(socket.descriptor, SHUT_RDWR) == 0;
  }
  return false;
}

std::string PeerOf(SocketId wanted) {
  for (const auto& socket : Outgoing()) {
    if (socket.id == wanted) return socket.peer.bytes();
  }
  return {};
}

int ShutDownNewSockets(const std::vector<SocketId>& before, const std::string& peer) {
  int count = 0;
  for (const auto& socket : Outgoing()) {
    if (!IsNew(before, socket.id) || socket.peer.bytes() != peer) continue;
    if (shutdown(socket.descriptor, SHUT_RDWR) == 0) ++count;
  }
  return count;
}

}  // namespace hyprstream::backend
