// Changes of Snowflake's tables: rows go as the values of INSERT, UPDATE, MERGE and DELETE.
//
// Snowflake commits what a transaction has done when a table is made or dropped, temporary ones too, so that there is
// no stage as other databases have one. A CREATE TABLE comes before everything else in its transaction, whose end
// without a commit drops the table again; a DROP TABLE is all that its transaction does. Primary keys are not checked
// there: rows are named by their keys and a hash of all that they hold, and a statement that changes another number of
// rows than were named is an error, with which the transaction ends.
#pragma once

#include <memory>

#include "backend/backend_core.h"
#include "backend/layout_cache.h"
#include "core/backend_writer.h"

namespace hyprstream::backend {

arrow::Result<std::unique_ptr<BackendWriter>> BeginSnowflakeTransaction(std::shared_ptr<BackendCore> core,
                                                                        std::shared_ptr<LayoutCache> cache,
                                                                        BackendCore::Cancelled cancelled);

}  // namespace hyprstream::backend
