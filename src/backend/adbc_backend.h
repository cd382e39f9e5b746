// A database reached through an ADBC driver, as the floors above see it.
//
// Thread safety: all methods, from any thread.
#pragma once

#include <memory>

#include "backend/backend_core.h"
#include "core/backend.h"

namespace hyprstream::backend {

// Its catalog is remembered for the spec's metadata_ttl.
std::shared_ptr<Backend> MakeAdbcBackend(std::shared_ptr<BackendCore> core);

}  // namespace hyprstream::backend
