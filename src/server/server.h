// The composition root: every room built from the settings, started and stopped in order.
//
// Thread safety: Make, Start and Drain from one thread.
// Ownership: owns all rooms; each outlives those that use it. The settings and the logger outlive the server.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend_registry.h"
#include "base/clock.h"
#include "config/credentials.h"
#include "config/load_config.h"
#include "server/rpc_counts.h"

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow
namespace hyprstream {
class Logger;
class MemoryBudget;
namespace commit {
class CommitPath;
}
namespace engine {
class Engine;
}
namespace flight {
class FlightServer;
struct RpcEvent;
}  // namespace flight
namespace http {
class HttpServer;
}
namespace session {
class BackendAttachments;
class SessionRegistry;
}  // namespace session
}  // namespace hyprstream

namespace hyprstream::server {

class ReadyFile;

class Server {
 public:
  // Opens the data, rebuilds views; listens to nothing yet. Every error is one line that says what to do.
  static arrow::Result<std::unique_ptr<Server>> Make(const config::LoadedConfig& settings, Logger& log);
  ~Server();

  // Takes connections; then writes the ready file.
  arrow::Status Start();
  std::string address() const;       // host:port, after Start
  std::string announcement() const;  // the line that says so

  // Stops accepting, gives running statements drain_ms to finish, cancels the rest, saves what a restart could not
  // rebuild. Idempotent.
  arrow::Status Drain();
  // After Drain(): a call has not ended though it was cancelled, in a driver that cannot be stopped. Then nothing is to
  // be taken apart any more: what the call uses must stay until the process ends.
  bool stuck() const { return stuck_; }

 private:
  Server(const config::LoadedConfig& settings, Logger& log);
  arrow::Status BuildRooms();
  arrow::Status BuildSessions();
  arrow::Status BuildFlight();
  arrow::Status StartHttp();
  void LogCall(const flight::RpcEvent& event);
  std::vector<backend::BackendInfo> ShownBackends() const;
  std::string Unready();  // why it takes no calls; empty: it does
  bool EngineFailed();    // logs it the first time

  const config::LoadedConfig& settings_;
  Logger& log_;
  const SystemClock clock_;
  const std::chrono::steady_clock::time_point started_;
  const config::Credentials credentials_;
  RpcCounts rpc_counts_;
  std::atomic<bool> ready_ = false;
  std::atomic<bool> failure_logged_ = false;
  bool drained_ = false;
  bool stuck_ = false;
  // In the order of their making; destroyed in reverse.
  std::unique_ptr<MemoryBudget> memory_;
  std::unique_ptr<backend::BackendRegistry> backends_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<commit::CommitPath> commits_;
  std::unique_ptr<session::BackendAttachments> attachments_;
  std::vector<backend::BackendInfo> left_out_;  // of those configured
  std::unique_ptr<session::SessionRegistry> sessions_;
  std::unique_ptr<flight::FlightServer> flight_;
  std::unique_ptr<http::HttpServer> http_;
  std::unique_ptr<ReadyFile> ready_file_;
};

}  // namespace hyprstream::server
