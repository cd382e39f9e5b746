// The Flight and Flight SQL door: one port, every call decoded, handed to a session, and its answer encoded.
//
// Thread safety: all methods, from any thread. Ownership: the dependencies outlive the server; Shutdown (or the
// destructor) waits for running calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "flight/rpc_event.h"

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow
namespace hyprstream {
class Clock;
class MemoryShare;
namespace config {
class Credentials;
}
namespace session {
class SessionRegistry;
}
}  // namespace hyprstream

namespace hyprstream::flight {

struct FlightOptions {
  std::string host = "127.0.0.1";
  int port = 31337;          // 0: any free one
  std::string tls_cert_pem;  // both or none
  std::string tls_key_pem;
  std::int64_t message_bytes_max = 256LL << 20;     // one incoming message, after gRPC's decompression
  std::int64_t network_bytes_max = 1LL << 30;       // messages that gRPC is reading or sending, of all connections
  std::int64_t batch_bytes_max = 1LL << 30;         // one incoming batch, once it is decompressed
  std::int64_t put_queue_bytes_max = 64LL << 20;    // batches of one DoPut that wait for the commit path
  std::int64_t bind_bytes_max = 256LL << 20;        // parameters of one prepared statement
  std::int64_t result_batch_bytes_max = 8LL << 20;  // one outgoing batch
  std::int64_t result_row_bytes_max = 15LL << 20;   // one outgoing row
  int connections_max = 1000;                       // more are closed at once
  std::chrono::seconds connection_idle_max{3600};   // a connection that long without a call is closed
  int streams_max = 256;                            // concurrent calls of one connection
  int threads_max = 1024;                           // of gRPC: calls that run at once
  int tokens_max = 10'000;                          // issued by handshakes
  std::chrono::seconds token_idle_max{24 * 3600};   // an issued token that long unused is forgotten
  std::string name = "Hyprstream";
  std::string version = "0";
};

struct FlightDependencies {
  session::SessionRegistry& sessions;
  const config::Credentials& credentials;  // empty: everybody is the anonymous user
  const Clock& clock;
  std::function<void(const RpcEvent&)> on_rpc;  // one for each finished call; may be empty
  std::function<arrow::Status()> flush;         // the `flush` action; may be empty
  MemoryShare* messages = nullptr;    // batches on their way in; when it is full, senders wait. Null: not accounted
  MemoryShare* parameters = nullptr;  // bound to prepared statements; when it is full, binding is refused. Likewise
};

class FlightServer {
 public:
  // Invalid for half a TLS pair or an impossible bound.
  static arrow::Result<std::unique_ptr<FlightServer>> Make(FlightOptions options, FlightDependencies dependencies);
  virtual ~FlightServer() = default;

  // Listens and serves. IOError when the address cannot be had; the message says what to do.
  virtual arrow::Status Start() = 0;
  virtual int port() const = 0;  // after Start
  // Takes no new calls, lets running ones finish until `bound` has passed, then cancels them. Idempotent.
  virtual arrow::Status Shutdown(std::chrono::milliseconds bound) = 0;
};

}  // namespace hyprstream::flight
