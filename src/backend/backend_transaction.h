// A transaction that changes a backend's tables; see core/backend_writer.h for the contract.
//
// Rows go into their table by one bulk ingest, or through a stage (writing_dialect.h). Whatever is known to be wrong
// with them is found before they are sent, and names its column, row and value.
#pragma once

#include <functional>
#include <memory>

#include "backend/backend_core.h"
#include "backend/layout_cache.h"
#include "core/backend_writer.h"

namespace hyprstream::backend {

// The cache forgets the tables that the transaction made, changed or dropped, whether or not it commits.
arrow::Result<std::unique_ptr<BackendWriter>> BeginTransaction(std::shared_ptr<BackendCore> core,
                                                               std::shared_ptr<LayoutCache> cache,
                                                               BackendCore::Cancelled cancelled);

}  // namespace hyprstream::backend
