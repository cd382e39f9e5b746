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

class ServerLink {
 public:
  // Invalid for a bad URL or contradicting credentials, IOError when files cannot be read or nobody answers there.
  static arrow::Result<std::unique_ptr<ServerLink>> Open(const config::ClientSettings& settings);
  ~ServerLink();
  ServerLink(const ServerLink&) = delete;
  ServerLink& operator=(const ServerLink&) = delete;

  arrow::flight::FlightClient& flight() { return *flight_; }
  arrow::flight::sql::FlightSqlClient& sql() { return *sql_; }
  const arrow::flight::FlightCallOptions& options() const { return options_; }  // with the credentials

 private:
  ServerLink() = default;
  arrow::Status LogIn(const config::ClientSettings& settings);

  std::shared_ptr<arrow::flight::FlightClient> flight_;
  std::unique_ptr<arrow::flight::sql::FlightSqlClient> sql_;
  arrow::flight::FlightCallOptions options_;
};

// What a person needs of a Flight error: the text without gRPC's own remarks.
std::string PlainMessage(const arrow::Status& status);
// The same as one line.
std::string OneLine(const arrow::Status& status);

}  // namespace hyprstream::cli
