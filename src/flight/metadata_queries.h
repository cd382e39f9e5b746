// The metadata commands of Flight SQL as SQL over DuckDB's catalog functions.
//
// Every text from a client is a bound parameter, never part of the SQL. Patterns are LIKE patterns (`%`, `_`, escape
// `\`). Internal schemas and databases are left out; the temporary catalog shows only while it holds tables.
//
// Thread safety: pure functions.
#pragma once

#include <arrow/flight/sql/server.h>

#include <memory>
#include <string>
#include <vector>

namespace hyprstream::flight {

struct MetadataQuery {
  std::string sql;
  std::vector<std::string> parameters;
  std::shared_ptr<arrow::Schema> schema;  // of the specification; the columns come in this order
};

MetadataQuery CatalogsQuery();
MetadataQuery SchemasQuery(const arrow::flight::sql::GetDbSchemas& command);
// The specification orders by catalog, schema, name and type, java.sql by type and then by the others.
enum class TableOrder { kNameFirst, kTypeFirst };
MetadataQuery TablesQuery(const arrow::flight::sql::GetTables& command, TableOrder order);
// Catalog, schema, table and name of every column that is NOT NULL.
MetadataQuery RequiredColumnsQuery();
MetadataQuery TableTypesQuery();
// Keys come without an order.
MetadataQuery PrimaryKeysQuery(const arrow::flight::sql::TableRef& table);
// Foreign keys whose parent and child are these tables; null: any.
MetadataQuery ForeignKeysQuery(const arrow::flight::sql::TableRef* parent, const arrow::flight::sql::TableRef* child,
                               std::shared_ptr<arrow::Schema> schema);

}  // namespace hyprstream::flight
