// The network port: takes connections up to a bound and hands them on; those beyond it are closed at once.
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
  int connections_max = 1000;      // at once; lowered to what the limit of open files leaves
};

class ConnectionAcceptor {
 public:
  using Take = std::function<void(int socket)>;  // owns the socket from then on, and closes it in the end

  // Listens; connections wait until Start. AlreadyExists when the port is in use, IOError
  // when the address cannot be had.
  static arrow::Result<std::unique_ptr<ConnectionAcceptor>> Listen(AcceptorOptions options);
  virtual ~ConnectionAcceptor() = default;

  virtual void Start(Take take) = 0;
  virtual void Stop() = 0;  // closes the port; connections that were taken live on. Idempotent
  virtual int port() const = 0;
  virtual int connections_max() const = 0;   // the bound that holds
  virtual std::int64_t refused() const = 0;  // connections closed because of it
};

}  // namespace hyprstream::flight
