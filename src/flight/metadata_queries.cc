#include "flight/metadata_queries.h"

#include <arrow/type.h>

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include "core/table_ref.h"

namespace hyprstream::flight {

namespace sql = arrow::flight::sql;

namespace {

// Everything with rows that a client may see: (catalog, schema, name, type).
constexpr std::string_view kRelations = R"(
  SELECT database_name::VARCHAR AS c, schema_name::VARCHAR AS s, table_name::VARCHAR AS t,
         CASE WHEN map_contains(tags, 'backend_view') THEN 'VIEW' ELSE 'TABLE' END AS kind
  FROM duckdb_tables() WHERE NOT internal AND schema_name <> '__hyprstream'
  UNION ALL
  SELECT database_name::VARCHAR, schema_name::VARCHAR, view_name::VARCHAR,
         CASE WHEN database_name = current_database() AND EXISTS (
           FROM __hyprstream.views m WHERE m.schema_name = v.schema_name AND m.table_name = v.view_name)
         THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END
  FROM duckdb_views() v WHERE NOT internal AND schema_name <> '__hyprstream')";

constexpr std::string_view kSchemas = R"(
  SELECT database_name::VARCHAR AS c, schema_name::VARCHAR AS s
  FROM duckdb_schemas()
  WHERE schema_name NOT IN ('__hyprstream', 'information_schema', 'pg_catalog')
    AND (NOT database_name IN ('system', 'temp')
         OR (database_name = 'temp' AND EXISTS (SELECT 1 FROM duckdb_tables() WHERE temporary))))";

bool EqualFolded(std::string_view text, std::string_view upper) {
  return std::ranges::equal(text, upper, [](unsigned char a, char b) { return std::toupper(a) == b; });
}

// Conditions joined by AND, with their parameters numbered.
class Conditions {
 public:
  void Equal(std::string_view column, const std::string& value) { Add(column, " = ", value, ""); }
  // Clients pass plain names as patterns: a backslash that escapes nothing is itself.
  void Like(std::string_view column, const std::string& pattern) {
    std::string strict;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      strict += pattern[i];
      if (pattern[i] != '\\') continue;
      const bool escapes = i + 1 < pattern.size() && std::string_view("%_\\").contains(pattern[i + 1]);
      strict += escapes ? pattern[++i] : '\\';
    }
    Add(column, " LIKE ", strict, " ESCAPE '\\'");
  }
  // Catalogs, schemas and tables are compared as DuckDB compares identifiers.
  void Named(std::string_view column, const std::string& value) {
    parameters.push_back(value);
    text += Joint() + FoldedSql(column) + " = " + FoldedSql(Place());
  }
  // `known`: all values that the column can have; the others are not asked for, however many there are.
  void OneOf(std::string_view column, const std::vector<std::string>& values,
             std::initializer_list<std::string_view> known) {
    std::string list;
    for (const auto name : known) {
      if (std::ranges::none_of(values, [&](const auto& value) { return EqualFolded(value, name); })) continue;
      list += (list.empty() ? "'" : ", '") + std::string(name) + "'";
    }
    text += Joint() + (list.empty() ? "false" : std::string(column) + " IN (" + list + ")");
  }

  std::string text;
  std::vector<std::string> parameters;

 private:
  void Add(std::string_view column, std::string_view op, const std::string& value, std::string_view after) {
    parameters.push_back(value);
    text += Joint() + std::string(column) + std::string(op) + Place() + std::string(after);
  }
  std::string Joint() const { return text.empty() ? " WHERE " : " AND "; }
  std::string Place() const { return "$" + std::to_string(parameters.size()) + "::VARCHAR"; }
};

void Match(Conditions& where, const std::string& prefix, const sql::TableRef* table) {
  if (table == nullptr) return;
  if (table->catalog.has_value() && !table->catalog->empty()) where.Named(prefix + "catalog", *table->catalog);
  if (table->db_schema.has_value() && !table->db_schema->empty()) where.Named(prefix + "schema", *table->db_schema);
  where.Named(prefix + "table", table->table);
}

}  // namespace

MetadataQuery CatalogsQuery() {
  return {.sql = "SELECT DISTINCT c FROM (" + std::string(kSchemas) + ") ORDER BY c",
          .parameters = {},
          .schema = sql::SqlSchema::GetCatalogsSchema()};
}

MetadataQuery SchemasQuery(const sql::GetDbSchemas& command) {
  Conditions where;
  if (command.catalog.has_value()) where.Equal("c", *command.catalog);
  if (command.db_schema_filter_pattern.has_value()) where.Like("s", *command.db_schema_filter_pattern);
  return {.sql = "SELECT c, s FROM (" + std::string(kSchemas) + ")" + where.text + " ORDER BY c, s",
          .parameters = std::move(where.parameters),
          .schema = sql::SqlSchema::GetDbSchemasSchema()};
}

MetadataQuery TablesQuery(const sql::GetTables& command, TableOrder order) {
  Conditions where;
  if (command.catalog.has_value()) where.Equal("c", *command.catalog);
  if (command.db_schema_filter_pattern.has_value()) where.Like("s", *command.db_schema_filter_pattern);
  if (command.table_name_filter_pattern.has_value()) where.Like("t", *command.table_name_filter_pattern);
  if (!command.table_types.empty()) where.OneOf("kind", command.table_types, {"MATERIALIZED VIEW", "TABLE", "VIEW"});
  const std::string by = order == TableOrder::kTypeFirst ? "kind, c, s, t" : "c, s, t, kind";
  return {.sql = "SELECT c, s, t, kind FROM (" + std::string(kRelations) + ")" + where.text + " ORDER BY " + by,
          .parameters = std::move(where.parameters),
          .schema = sql::SqlSchema::GetTablesSchema()};
}

MetadataQuery RequiredColumnsQuery() {
  return {.sql = R"(SELECT database_name::VARCHAR, schema_name::VARCHAR, table_name::VARCHAR, column_name::VARCHAR
  FROM duckdb_columns() WHERE NOT is_nullable AND NOT internal)",
          .parameters = {},
          .schema =
              arrow::schema({arrow::field("catalog_name", arrow::utf8()), arrow::field("db_schema_name", arrow::utf8()),
                             arrow::field("table_name", arrow::utf8()), arrow::field("column_name", arrow::utf8())})};
}

MetadataQuery TableTypesQuery() {
  return {.sql = "SELECT * FROM (VALUES ('MATERIALIZED VIEW'), ('TABLE'), ('VIEW')) AS types(kind)",
          .parameters = {},
          .schema = sql::SqlSchema::GetTableTypesSchema()};
}

MetadataQuery PrimaryKeysQuery(const sql::TableRef& table) {
  Conditions where;
  Match(where, "pk_", &table);
  return {.sql = R"(SELECT * FROM (
  SELECT database_name::VARCHAR AS pk_catalog, schema_name::VARCHAR AS pk_schema, table_name::VARCHAR AS pk_table,
         unnest(constraint_column_names)::VARCHAR AS column_name,
         unnest(range(1, len(constraint_column_names) + 1))::INTEGER AS key_sequence,
         constraint_name::VARCHAR AS key_name
  FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY' AND schema_name <> '__hyprstream'))" +
                 where.text,
          .parameters = std::move(where.parameters),
          .schema = sql::SqlSchema::GetPrimaryKeysSchema()};
}

MetadataQuery ForeignKeysQuery(const sql::TableRef* parent, const sql::TableRef* child,
                               std::shared_ptr<arrow::Schema> schema) {
  Conditions where;
  Match(where, "pk_", parent);
  Match(where, "fk_", child);
  const auto folded_all = [](const std::string& names) {
    return "list_transform(" + names + ", lambda name: " + FoldedSql("name") + ")";
  };
  // DuckDB's foreign keys stay inside one schema and name their parents in any case; 3 is NO ACTION, the only rule it
  // has. Where the same columns are a primary key and UNIQUE, the primary key is meant.
  return {.sql = R"(SELECT * FROM (
  SELECT f.database_name::VARCHAR AS pk_catalog, f.schema_name::VARCHAR AS pk_schema,
         coalesce(p.table_name, f.referenced_table)::VARCHAR AS pk_table,
         unnest(coalesce(p.columns, f.referenced_column_names))::VARCHAR AS pk_column,
         f.database_name::VARCHAR AS fk_catalog, f.schema_name::VARCHAR AS fk_schema, f.table_name::VARCHAR AS fk_table,
         unnest(f.constraint_column_names)::VARCHAR AS fk_column,
         unnest(range(1, len(f.constraint_column_names) + 1))::INTEGER AS key_sequence,
         f.constraint_name::VARCHAR AS fk_name, p.name::VARCHAR AS pk_name,
         3::UTINYINT AS update_rule, 3::UTINYINT AS delete_rule
  FROM duckdb_constraints() f LEFT JOIN (
    SELECT database_name, schema_name, table_name, constraint_column_names AS columns,
           min_by(constraint_name, constraint_type) AS name
    FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE')
    GROUP BY database_name, schema_name, table_name, constraint_column_names) p
    ON p.database_name = f.database_name AND p.schema_name = f.schema_name AND )" +
                 FoldedSql("p.table_name") + " = " + FoldedSql("f.referenced_table") + " AND " +
                 folded_all("p.columns") + " = " + folded_all("f.referenced_column_names") +
                 " WHERE f.constraint_type = 'FOREIGN KEY' AND f.schema_name <> '__hyprstream')" + where.text,
          .parameters = std::move(where.parameters),
          .schema = std::move(schema)};
}

}  // namespace hyprstream::flight
