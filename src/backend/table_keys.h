// The keys of a database's tables, as its catalog or its driver says them, taken apart.
//
// Pure functions. Invalid: they are said in another shape.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/dialect.h"
#include "core/backend.h"

namespace arrow {
class RecordBatch;
}

namespace hyprstream::backend {

struct NamedSchema;

// Of the rows of Dialect::KeysQuery(), one for each column of a key, in its order: `p` (primary) or `f` (foreign),
// schema, table, the key's name, what tells it from other keys of its table, column; of foreign ones also the schema,
// table and column that it refers to, the name of the key there, and what an update and a delete of it do (`a` nothing,
// `r` is refused, `c` cascades, `n` sets NULL, `d` sets the default).
arrow::Result<std::vector<BackendKey>> KeysOf(const TextRows& rows);

// Of GetObjects with all that it says. Schemas get the names that they have in SQL here; those that have none are left
// out.
arrow::Result<std::vector<BackendKey>> KeysIn(const std::vector<std::shared_ptr<arrow::RecordBatch>>& catalogs,
                                              const std::map<std::string, NamedSchema>& schemas);

}  // namespace hyprstream::backend
