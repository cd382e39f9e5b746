// Who asks, how the request is called in the logs, and whether anybody still waits for the answer.
//
// Passed by const reference through every floor; it must outlive the call it is passed to.
#pragma once

#include <functional>
#include <string>

namespace hyprstream {

// The authenticated user. Anonymous loopback is one identity: the empty name.
struct Identity {
  std::string user;
  bool admin = false;

  friend bool operator==(const Identity&, const Identity&) = default;
};

struct RequestContext {
  std::string request_id;
  Identity identity;
  // True once the caller has gone (dropped call, deadline, cancel). Cheap; callable from any thread while the call
  // runs. Empty: never.
  std::function<bool()> cancelled;

  bool IsCancelled() const { return cancelled && cancelled(); }
};

}  // namespace hyprstream
