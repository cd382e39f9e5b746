// The rows of a table, or of a statement, of a backend.
//
// Thread safety: as core::TableSource says. A reader is used by one thread at a time; what it reads of a statement that
// is destroyed before its end is cancelled there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend_core.h"
#include "backend/layout_cache.h"
#include "core/table_ref.h"
#include "core/table_source.h"

namespace hyprstream::backend {

// Rows of a table where a statement runs elsewhere than on a connection of its own: in a transaction.
using StartStatement = std::function<arrow::Result<std::unique_ptr<StatementRows>>(const std::string& sql)>;
std::shared_ptr<TableSource> ScanInTransaction(std::shared_ptr<BackendCore> core, StartStatement start, TableRef table,
                                               std::shared_ptr<const TableLayout> layout);

std::shared_ptr<TableSource> ScanOfTable(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache,
                                         std::string schema, std::string table,
                                         std::shared_ptr<const TableLayout> layout);

// The layout of a table that ScanOfTable() gave for the same database; null: it is something else.
const TableLayout* LayoutOfScan(const BackendCore& core, const TableSource& source);

// The rows of a query over `tables`, each of which was given by ScanOfTable(), as a table of this layout.
std::shared_ptr<TableSource> ScanOfQuery(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache,
                                         std::vector<std::shared_ptr<const TableSource>> tables, TableLayout layout);

std::shared_ptr<TableSource> ScanOfStatement(std::shared_ptr<BackendCore> core, std::string statement,
                                             TableLayout layout);

}  // namespace hyprstream::backend
