// The network port: takes connections up to a bound and hands them on; those beyond it are closed at once. It says
// when each begins and ends.
//
// gRPC has no bound of its own: it accepts whatever comes, and when file descriptors run out it stops listening or
// spins. So the port is ours, and gRPC only gets connections that there is room for.
//
// Thread safety: all methods, from any thread. Ownership: one thread of its own, from Start to Stop (or the
// destructor), which join it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::flight {

struct AcceptorOptions {
  std::string host = "127.0.0.1";  // a name listens on all its addresses
  int port = 0;                    // 0: any free one
  int connections_max = 1000;      // at once; lowered to what the limit of open files leaves: each takes two
};

// Called from the acceptor's thread, which waits meanwhile. `peer` is written as gRPC does; for each connection comes
// begun, take, ended, and a peer's earlier connection has ended before the next begins. After Stop no end is told.
struct ConnectionCallbacks {
  std::function<void(int socket)> take;  // owns the socket from then on; it must shut it down before it closes it
  std::function<void(const std::string& peer)> begun = {};
  std::function<void(const std::string& peer)> ended = {};  // once either side has closed it
};

class ConnectionAcceptor {
 public:
  // Listens; connections wait until Start. AlreadyExists when the port is in use, IOError
  // when the address cannot be had.
  static arrow::Result<std::unique_ptr<ConnectionAcceptor>> Listen(AcceptorOptions options);
  virtual ~ConnectionAcceptor() = default;

  virtual void Start(ConnectionCallbacks callbacks) = 0;
  virtual void Stop() = 0;  // closes the port; connections that were taken live on. Idempotent
  virtual int port() const = 0;
  virtual int connections_max() const = 0;   // the bound that holds
  virtual std::int64_t refused() const = 0;  // connections closed because of it
};

}  // namespace hyprstream::flight
