// A scan as one SELECT in a database's dialect.
//
// Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/dialect.h"
#include "backend/table_layout.h"
#include "core/table_source.h"

namespace hyprstream::backend {

// Do these conditions mean at the database just what they mean here?
bool AllPushed(const Dialect& dialect, const TableLayout& layout, const std::vector<ColumnFilter>& filters);

// The table with all of these conditions, as it stands behind FROM; nullopt: not all of them can be said.
std::optional<std::string> TableWithConditions(const Dialect& dialect, const TableLayout& layout,
                                               const std::vector<ColumnFilter>& filters);

// The projected columns and what is refused of them, as ValueReading takes them; of a projection of none, the number of
// rows, or one column of them where the database does not count. With the conditions that can be said, and with
// rows_max where that is all of them.
std::string SelectStatement(const Dialect& dialect, const TableLayout& layout, const ScanRequest& request);

}  // namespace hyprstream::backend
