// One finished call, as logs and metrics want it. Holds no text of statements and no secret.
#pragma once

#include <cstdint>
#include <string>

namespace hyprstream::flight {

struct RpcEvent {
  std::string request_id;
  std::string method;   // DoGet, GetFlightInfo, ...
  std::string user;     // empty: anonymous, or not authenticated
  std::string session;  // empty: none was opened
  std::string status;   // OK, Invalid, KeyError, ...
  std::string error;    // the text that the client got
  double ms = 0;
  std::int64_t rows = 0;  // sent or accepted
};

}  // namespace hyprstream::flight
