// A real Valkey, as a child process behind a Unix socket in a temporary folder; nothing of its data stays.
//
// The program is valkey-server. Thread safety: one thread. Ownership: the destructor ends it; it also ends with the
// test's process.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::testing {

class ValkeyServer {
 public:
  // Returns once it accepts connections; IOError when it does not. `password`: empty trusts whoever connects.
  static arrow::Result<std::unique_ptr<ValkeyServer>> Start(std::string password = {});
  ~ValkeyServer();
  ValkeyServer(const ValkeyServer&) = delete;
  ValkeyServer& operator=(const ValkeyServer&) = delete;

  // unix://[:password@]/folder/socket
  std::string uri() const;
  const std::string& socket_path() const { return socket_path_; }

  // Ends every connection and the server.
  void Stop();
  // After Stop(): behind the same socket, empty.
  arrow::Status Restart();
  // It stays connected and answers nothing until Thaw().
  void Freeze() const;
  void Thaw() const;

 private:
  ValkeyServer() = default;

  std::string password_;
  std::string folder_;
  std::string socket_path_;
  pid_t pid_ = -1;
};

}  // namespace hyprstream::testing
