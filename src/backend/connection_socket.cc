#include "backend/connection_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>

namespace hyprstream::backend {
namespace {

using AddressOf = int (*)(int, sockaddr*, socklen_t*);

// 0: no TCP socket.
int PortOf(int socket, AddressOf address_of) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (address_of(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return 0;
}

}  // namespace

bool ShutDownSocket(const ConnectionPorts& ports) {
  if (ports.local == 0 || ports.peer == 0) return false;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string name = entry.path().filename().string();
    int socket = -1;
    std::from_chars(name.data(), name.data() + name.size(), socket);
    if (PortOf(socket, getsockname) == ports.local && PortOf(socket, getpeername) == ports.peer) {
      return shutdown(socket, SHUT_RDWR) == 0;
    }
  }
  return false;
}

}  // namespace hyprstream::backend
