// The rows of a table, or of a statement, of a backend.
//
// Thread safety: as core::TableSource says. A reader is used by one thread at a time; what it reads of a statement that
// is destroyed before its end is cancelled there.
#pragma once

#include <memory>
#include <string>

#include "backend/backend_core.h"
#include "backend/layout_cache.h"
#include "core/table_source.h"

namespace hyprstream::backend {

std::shared_ptr<TableSource> ScanOfTable(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache,
                                         std::string schema, std::string table,
                                         std::shared_ptr<const TableLayout> layout);

std::shared_ptr<TableSource> ScanOfStatement(std::shared_ptr<BackendCore> core, std::string statement,
                                             TableLayout layout);

}  // namespace hyprstream::backend
