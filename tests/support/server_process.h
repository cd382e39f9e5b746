// The real server, as a child process on a free loopback port.
//
// Thread safety: one thread. Ownership: the destructor sends SIGTERM, waits, and kills after a bound.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::testing {

class ServerProcess {
 public:
  // Starts $HYPRSTREAM_BINARY (build/release/hyprstream) `serve --port 0 ARGUMENTS...` and returns once it accepts
  // calls. IOError with its log when it does not.
  static arrow::Result<std::unique_ptr<ServerProcess>> Start(const std::vector<std::string>& arguments = {});
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& host() const { return host_; }
  int port() const { return port_; }
  std::string url() const;
  pid_t pid() const { return pid_; }

  // A number of /proc/PID/status (VmRSS in kB, Threads); -1 when it is not there.
  long status_value(const std::string& name) const;
  int open_files() const;

  // SIGTERM; the exit status, or -1 when the server had to be killed.
  int Terminate();
  void Kill();

 private:
  ServerProcess() = default;
  arrow::Result<std::string> WaitUntilReady();

  pid_t pid_ = -1;
  std::string folder_;
  std::string host_;
  int port_ = 0;
};

}  // namespace hyprstream::testing
