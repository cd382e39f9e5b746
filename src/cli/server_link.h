// The connection of a command to its server: address, credentials, session, in Flight's terms.
//
// Thread safety: as Flight's client, all methods from any thread.
#pragma once

#include <arrow/flight/client.h>
#include <arrow/flight/sql/client.h>

#include <memory>
#include <string>

#include "config/command_line.h"

namespace hyprstream::cli {

// Where the server is and who asks, out of a command's flags.
struct LinkTarget {
  arrow::flight::Location location;
  std::string tls_roots_pem;  // empty: the system's
  std::string token;          // empty: none
  std::string user;           // empty: nobody logs in
  std::string password;
};

// Reads the files that the flags name. Invalid for a bad URL or contradicting credentials, IOError for a file that
// cannot be read: the flags are wrong, whatever the server may say.
arrow::Result<LinkTarget> ReadLinkTarget(const config::ClientSettings& settings);

class ServerLink {
 public:
  // IOError when nobody answers there; the server's error when it does not let the user in.
  static arrow::Result<std::unique_ptr<ServerLink>> Open(const LinkTarget& target);
  ~ServerLink();
  ServerLink(const ServerLink&) = delete;
  ServerLink& operator=(const ServerLink&) = delete;

  arrow::flight::FlightClient& flight() { return *flight_; }
  arrow::flight::sql::FlightSqlClient& sql() { return *sql_; }
  const arrow::flight::FlightCallOptions& options() const { return options_; }  // with the credentials

 private:
  ServerLink() = default;
  arrow::Status LogIn(const LinkTarget& target);

  std::shared_ptr<arrow::flight::FlightClient> flight_;
  std::unique_ptr<arrow::flight::sql::FlightSqlClient> sql_;
  arrow::flight::FlightCallOptions options_;
};

// What a person needs of a Flight error: the text without gRPC's own remarks.
std::string PlainMessage(const arrow::Status& status);
// The same as one line.
std::string OneLine(const arrow::Status& status);

}  // namespace hyprstream::cli
