// A transaction that changes tables of Redis and Valkey; see core/backend_writer.h for the contract.
//
// The driver (drivers/redis) holds what it is to change and commits it by MULTI and EXEC. So a transaction does not see
// its own changes: a table that it has changed is refused where it is read. What it has read is watched, and a commit
// fails where somebody else has changed that. Rows are told apart by their primary key, and only so.
#pragma once

#include <memory>

#include "backend/backend_core.h"
#include "backend/layout_cache.h"
#include "core/backend_writer.h"

namespace hyprstream::backend {

// As BeginTransaction() (backend_transaction.h).
arrow::Result<std::unique_ptr<BackendWriter>> BeginRedisTransaction(std::shared_ptr<BackendCore> core,
                                                                    std::shared_ptr<LayoutCache> cache,
                                                                    BackendCore::Cancelled cancelled);

}  // namespace hyprstream::backend
