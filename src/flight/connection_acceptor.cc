#include "flight/connection_acceptor.h"

#include <arpa/inet.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace hyprstream::flight {

namespace {

constexpr int kBacklog = 1024;
constexpr int kFilesForOthers = 128;              // the database, its spill files, HTTP, logs
constexpr int kFilesPerConnection = 2;            // its owner's and ours
constexpr int kUnacknowledgedMillisMax = 60'000;  // what a peer that is gone may leave unacknowledged

// A file descriptor of ours.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File() { Close(); }

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

// A connection that was handed on. Its new owner closes it without a word; a descriptor of our own for the same socket
// sees that, and when the other side closes.
struct Taken {
  File socket;
  std::string peer;
  bool ended = false;  // one side has closed it; it counts until its owner has, too
};

std::string PeerOf(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN]{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    return "ipv4:" + std::string(text) + ':' + std::to_string(ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  const std::string port = std::to_string(ntohs(v6.sin6_port));
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof(text));
    return "ipv4:" + std::string(text) + ':' + port;
  }
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
  const std::string scope = v6.sin6_scope_id == 0 ? "" : "%25" + std::to_string(v6.sin6_scope_id);
  return "ipv6:%5B" + std::string(text) + scope + "%5D:" + port;
}

void SetNumber(int fd, int level, int option, int value) {
  ARROW_UNUSED(::setsockopt(fd, level, option, &value, sizeof(value)));
}

// Raises the limit of open files as far as it goes and returns how many connections it leaves room for.
int ConnectionsForFiles() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return kBacklog;
  if (files.rlim_cur < files.rlim_max) {
    const rlimit raised{.rlim_cur = files.rlim_max, .rlim_max = files.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) files = raised;
  }
  const auto count = static_cast<int>(std::min<rlim_t>(files.rlim_cur, 1 << 20));
  return std::max(1, (count - std::min(kFilesForOthers, count / 2)) / kFilesPerConnection);
}

arrow::Status ListenError() {
  return errno == EADDRINUSE ? arrow::Status::AlreadyExists("in use") : arrow::Status::IOError(std::strerror(errno));
}

arrow::Result<File> ListenOn(const addrinfo& address, int port) {
  File socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return ListenError();
  sockaddr_storage name{};
  std::memcpy(&name, address.ai_addr, address.ai_addrlen);
  auto& number = address.ai_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                                               : reinterpret_cast<sockaddr_in&>(name).sin_port;
  number = htons(static_cast<std::uint16_t>(port));
  SetNumber(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), address.ai_addrlen) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return ListenError();
  }
  return socket;
}

int PortOf(int socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0) return 0;
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(name).sin6_port
                                          : reinterpret_cast<const sockaddr_in&>(name).sin_port);
}

class AcceptorImpl final : public ConnectionAcceptor {
 public:
  AcceptorImpl(std::vector<File> listeners, int connections_max)
      : listeners_(std::move(listeners)),
        port_(PortOf(listeners_.front().get())),
        connections_max_(connections_max),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        ends_(::epoll_create1(EPOLL_CLOEXEC)),
        spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

  ~AcceptorImpl() override { Stop(); }

  void Start(ConnectionCallbacks callbacks) override {
    const MutexLock lock(mutex_);
    if (thread_.joinable()) return;
    thread_ = std::thread([this, callbacks = std::move(callbacks)] { Run(callbacks); });  // "acceptor"
  }

  void Stop() override {
    const MutexLock lock(mutex_);
    stopping_ = true;
    const std::uint64_t one = 1;
    ARROW_UNUSED(::write(wake_.get(), &one, sizeof(one)));
    if (thread_.joinable()) thread_.join();
    listeners_.clear();
  }

  int port() const override { return port_; }
  int connections_max() const override { return connections_max_; }
  std::int64_t refused() const override { return refused_; }

 private:
  void Run(const ConnectionCallbacks& callbacks) {
    std::vector<pollfd> waits{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                              {.fd = ends_.get(), .events = POLLIN, .revents = 0}};
    for (const auto& listener : listeners_) waits.push_back({.fd = listener.get(), .events = POLLIN, .revents = 0});
    while (!stopping_) {
      if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
      NoteEnds(callbacks);
      for (std::size_t i = 2; i < waits.size(); ++i) {
        if (waits[i].revents != 0) AcceptOne(waits[i].fd, callbacks);
      }
    }
  }

  void AcceptOne(int listener, const ConnectionCallbacks& callbacks) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    File socket(::accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.get() < 0) {
      if (errno == EMFILE || errno == ENFILE) RefuseWithSpare(listener);
      return;
    }
    NoteEnds(callbacks);  // of those that make room, and of the peer's earlier connection
    File watched(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
    if (std::ssize(taken_) >= connections_max_ || watched.get() < 0 || !WatchEnd(watched.get())) {
      ++refused_;
      return;
    }
    SetNumber(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    SetNumber(socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMillisMax);
    const auto& taken =
        taken_.emplace(made_, Taken{.socket = std::move(watched), .peer = PeerOf(address)}).first->second;
    if (callbacks.begun) callbacks.begun(taken.peer);
    callbacks.take(socket.Release());
  }

  // The other side's (RDHUP), and its owner's (HUP), who shuts it down first: an event each.
  bool WatchEnd(int socket) {
    epoll_event end{.events = EPOLLRDHUP | EPOLLET, .data = {.u64 = ++made_}};
    return ::epoll_ctl(ends_.get(), EPOLL_CTL_ADD, socket, &end) == 0;
  }

  void NoteEnds(const ConnectionCallbacks& callbacks) {
    std::array<epoll_event, 64> ends;
    int count = 0;
    do {
      count = ::epoll_wait(ends_.get(), ends.data(), static_cast<int>(ends.size()), 0);
      for (const epoll_event& end : std::span(ends).first(static_cast<std::size_t>(std::max(count, 0)))) {
        const auto found = taken_.find(end.data.u64);
        if (!std::exchange(found->second.ended, true) && callbacks.ended) callbacks.ended(found->second.peer);
        if ((end.events & EPOLLHUP) == 0) continue;
        // Closing ours would not do: epoll tells of a socket as long as its owner's descriptor is open.
        ARROW_UNUSED(::epoll_ctl(ends_.get(), EPOLL_CTL_DEL, found->second.socket.get(), nullptr));
        taken_.erase(found);
      }
    } while (count == std::ssize(ends));
  }

  // Without a descriptor the connection could not even be refused, and poll would report it forever.
  void RefuseWithSpare(int listener) {
    spare_.Close();
    File(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)).Close();
    ++refused_;
    spare_ = File(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }

  std::vector<File> listeners_;
  const int port_;
  const int connections_max_;
  const File wake_;
  const File ends_;  // epoll over the connections that were taken
  File spare_;
  std::map<std::uint64_t, Taken> taken_;  // of the thread, like made_
  std::uint64_t made_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> refused_{0};
  Mutex mutex_;
  std::thread thread_ GUARDED_BY(mutex_);
};

}  // namespace

arrow::Result<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::Listen(AcceptorOptions options) {
  const addrinfo hints{.ai_flags = AI_PASSIVE,
                       .ai_family = AF_UNSPEC,
                       .ai_socktype = SOCK_STREAM,
                       .ai_protocol = 0,
                       .ai_addrlen = 0,
                       .ai_addr = nullptr,
                       .ai_canonname = nullptr,
                       .ai_next = nullptr};
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(options.host.c_str(), nullptr, &hints, &found);
  if (failed != 0) return arrow::Status::IOError("Unknown address ", options.host, ": ", ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  std::vector<File> listeners;
  arrow::Status refusal;
  int port = options.port;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    if (address->ai_family != AF_INET && address->ai_family != AF_INET6) continue;
    auto listener = ListenOn(*address, port);
    if (!listener.ok()) {  // a family that this machine has not, unless the port is taken
      refusal = listener.status();
      if (refusal.IsAlreadyExists()) return refusal.WithMessage("Port ", port, " is in use");
      continue;
    }
    listeners.push_back(std::move(listener).ValueUnsafe());
    port = PortOf(listeners.back().get());
  }
  if (listeners.empty()) {
    return refusal.ok() ? arrow::Status::IOError("No address of ", options.host) : refusal;
  }
  return std::make_unique<AcceptorImpl>(std::move(listeners), std::min(options.connections_max, ConnectionsForFiles()));
}

}  // namespace hyprstream::flight
