#include "backend/connection_socket.h"

#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>

namespace hyprstream::backend {
namespace {

thread_local ConnectedSocket* noted = nullptr;

// 0: it is none.
SocketId IdOf(int descriptor) {
  struct stat status{};
  return fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

bool IsStream(int descriptor) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace

bool ShutDownSocket(SocketId wanted) {
  if (wanted == 0) return false;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string name = entry.path().filename().string();
    int descriptor = -1;
    std::from_chars(name.data(), name.data() + name.size(), descriptor);
    if (descriptor >= 0 && IdOf(descriptor) == wanted) return shutdown(descriptor, SHUT_RDWR) == 0;
  }
  return false;
}

void ConnectedSocket::Note(int descriptor) {
  if (!IsStream(descriptor)) return;
  MutexLock lock(mutex_);
  id_ = IdOf(descriptor);
  connected_ = clock_.Now();
}

SocketId ConnectedSocket::id() const {
  MutexLock lock(mutex_);
  return id_;
}

std::optional<Clock::TimePoint::duration> ConnectedSocket::age() const {
  MutexLock lock(mutex_);
  if (id_ == 0) return std::nullopt;
  return clock_.Now() - connected_;
}

NotesConnects::NotesConnects(ConnectedSocket& socket) { noted = &socket; }

NotesConnects::~NotesConnects() { noted = nullptr; }

}  // namespace hyprstream::backend

// A name that the program itself defines comes before a library's, also for libraries that are loaded later. A check
// for races or for memory errors has one of its own, which is the next.
extern "C" int connect(int descriptor, const sockaddr* address, socklen_t size) {
  using Connect = int (*)(int, const sockaddr*, socklen_t);
  static const auto next = reinterpret_cast<Connect>(dlsym(RTLD_NEXT, "connect"));
  if (hyprstream::backend::noted != nullptr) hyprstream::backend::noted->Note(descriptor);
  return next(descriptor, address, size);
}
