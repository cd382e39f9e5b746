// How long a driver may wait until its database lets it in.
#pragma once

#include <chrono>

#include "backend/backend_spec.h"

namespace hyprstream::backend {

// The backend's connect_timeout, or what the driver is told itself, where that is longer: by PostgreSQL's URI, for each
// of its hosts, or by Redis' option.
std::chrono::milliseconds ConnectTimeoutOf(const BackendSpec& spec);

}  // namespace hyprstream::backend
