#include "cli/server_link.h"

#include <arrow/flight/client_cookie_middleware.h>
#include <arrow/flight/types.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

namespace hyprstream::cli {
namespace {

namespace flight = arrow::flight;

arrow::Result<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return arrow::Status::IOError("Cannot read ", path, ": ", errno == 0 ? "it is empty" : std::strerror(errno));
  }
  return std::move(text).str();
}

arrow::Result<std::string> ReadSecret(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadFile(path));
  std::string secret = text.substr(0, text.find_first_of("\r\n"));
  if (secret.empty()) return arrow::Status::IOError("Cannot read ", path, ": it begins with an empty line");
  return secret;
}

// gRPC's own errors in words that say what to do; a server's as they are.
std::string Explained(std::string text) {
  if (text.starts_with("failed to connect")) {
    constexpr std::string_view kReason = "last error: ";
    if (const std::size_t at = text.find(kReason); at != std::string::npos) text = text.substr(at + kReason.size());
    if (text.starts_with("UNKNOWN: ")) text = text.substr(text.find(' ') + 1);
    return "No server answers there (" + text + "); start it with `hyprstream serve`, or name another with --url";
  }
  for (const char* broken : {"Socket closed", "Connection reset", "Broken pipe", "GOAWAY"}) {
    if (text.find(broken) != std::string::npos) return "The server has gone away (" + text + ")";
  }
  return text;
}

// Connects, which gRPC does at the first call. In gRPC 1.51 one connection in some hundreds fails with a reason that no
// TCP connection has, although the server is there. Statements are never sent twice, so it is a call without effect
// that finds out. Clients share what they know of an address: a fresh one fails as well until gRPC tries again, 100 ms
// later at first.
arrow::Result<std::shared_ptr<flight::FlightClient>> Connect(const flight::Location& location,
                                                             const flight::FlightClientOptions& options) {
  constexpr int kAttempts = 20;
  constexpr std::chrono::milliseconds kPause(120);
  for (int attempt = 1;; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<flight::FlightClient> client,
                          flight::FlightClient::Connect(location, options));
    const std::string message = client->ListActions().status().message();
    const bool is_odd = message.find("failed to connect") != std::string::npos &&
                        message.find("No such file or directory") != std::string::npos;
    if (!is_odd || attempt == kAttempts) return client;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

arrow::Result<LinkTarget> ReadLinkTarget(const config::ClientSettings& settings) {
  constexpr std::array<std::string_view, 4> kSchemes = {"grpc", "grpc+tcp", "grpc+tls", "grpc+unix"};
  auto location = flight::Location::Parse(settings.url);
  if (!location.ok() || std::ranges::find(kSchemes, location->scheme()) == kSchemes.end()) {
    return arrow::Status::Invalid("'", settings.url,
                                  "' is no address of a server; write grpc://HOST:PORT or "
                                  "grpc+tls://HOST:PORT");
  }
  if (settings.user.empty() != settings.password_file.empty()) {
    return arrow::Status::Invalid("--user and --password-file go together");
  }
  if (!settings.token_file.empty() && !settings.user.empty()) {
    return arrow::Status::Invalid("Give either --token-file or --user, not both");
  }
  LinkTarget target;
  target.location = std::move(location).ValueUnsafe();
  target.user = settings.user;
  if (!settings.tls_roots.empty()) {
    ARROW_ASSIGN_OR_RAISE(target.tls_roots_pem, ReadFile(settings.tls_roots));
  }
  if (!settings.token_file.empty()) {
    ARROW_ASSIGN_OR_RAISE(target.token, ReadSecret(settings.token_file));
  }
  if (!settings.password_file.empty()) {
    ARROW_ASSIGN_OR_RAISE(target.password, ReadSecret(settings.password_file));
  }
  return target;
}

ServerLink::~ServerLink() {
  if (sql_ == nullptr) return;
  // Best effort: a server without sessions says no, one that is gone nothing.
  flight::FlightCallOptions options = options_;
  options.timeout = flight::TimeoutDuration{1.0};
  (void)flight_->CloseSession(options, {});
  (void)flight_->Close();
}

arrow::Result<std::unique_ptr<ServerLink>> ServerLink::Open(const LinkTarget& target) {
  flight::FlightClientOptions client_options = flight::FlightClientOptions::Defaults();
  client_options.middleware.push_back(flight::GetCookieFactory());
  client_options.tls_root_certs = target.tls_roots_pem;
  std::unique_ptr<ServerLink> link(new ServerLink());
  ARROW_ASSIGN_OR_RAISE(link->flight_, Connect(target.location, client_options));
  ARROW_RETURN_NOT_OK(link->LogIn(target));
  link->sql_ = std::make_unique<flight::sql::FlightSqlClient>(link->flight_);
  return link;
}

arrow::Status ServerLink::LogIn(const LinkTarget& target) {
  if (!target.token.empty()) options_.headers.emplace_back("authorization", "Bearer " + target.token);
  if (target.user.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto header, flight_->AuthenticateBasicToken(options_, target.user, target.password));
  if (!header.first.empty()) options_.headers.push_back(std::move(header));
  return arrow::Status::OK();
}

std::string PlainMessage(const arrow::Status& status) {
  std::string text = status.message();
  for (const char* remark : {". gRPC client debug context:", ". Client context:", ". Detail:"}) {
    text = text.substr(0, text.find(remark));
  }
  constexpr std::string_view kPrefix = "Flight returned ";
  if (text.starts_with(kPrefix)) {
    const std::size_t message = text.find("with message: ");
    if (message != std::string::npos) text = text.substr(message + std::strlen("with message: "));
  }
  return Explained(std::move(text));
}

std::string OneLine(const arrow::Status& status) {
  std::string text = PlainMessage(status);
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace hyprstream::cli
