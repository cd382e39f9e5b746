// A query as one statement in a database's dialect.
//
// Pure functions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backend/query_dialect.h"
#include "backend/table_layout.h"
#include "core/remote_query.h"

namespace arrow {
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::backend {

// The layout of a table that the query reads; null: it is none of this database's.
using LayoutOf = std::function<const TableLayout*(const TableSource&)>;

// The query's columns as those of a table whose `from` is the query. NotImplemented, naming it, for what is not in the
// dialect.
arrow::Result<TableLayout> LayoutOfQuery(const QueryDialect& dialect, const RemoteRelation& query,
                                         const LayoutOf& layout_of);

}  // namespace hyprstream::backend
