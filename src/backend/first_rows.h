// The first rows of one table in the order of one column, where a database answers no other query than that: its
// columns have names and conditions, and no expressions (Dialect::gives_first_rows).
//
// Pure function.
#pragma once

#include "backend/dialect.h"
#include "backend/remote_statement.h"

namespace hyprstream::backend {

// The query as a table whose `from` has conditions, order and limit. NotImplemented, naming it, for whatever the
// database does not certainly answer with the same rows.
arrow::Result<TableLayout> LayoutOfFirstRows(const Dialect& dialect, const RemoteRelation& query,
                                             const LayoutOf& layout_of);

}  // namespace hyprstream::backend
