// Work in a time zone that may not be the session's.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <string>

#include "engine/engine.h"

namespace hyprstream::commit {

// Runs `work`, which returns a Status or Result. The connection may be a client's, and `work` may abort its
// transaction; its zone is left as it was.
template <class Work>
auto InZone(engine::Connection& connection, const std::string& time_zone, Work work) -> decltype(work()) {
  ARROW_ASSIGN_OR_RAISE(const auto zone, connection.TimeZone());
  if (zone == time_zone) return work();
  ARROW_RETURN_NOT_OK(connection.SetTimeZone(time_zone));
  auto result = work();
  const auto restored = connection.SetTimeZone(zone);
  if (result.ok()) ARROW_RETURN_NOT_OK(restored);
  return result;
}

}  // namespace hyprstream::commit
