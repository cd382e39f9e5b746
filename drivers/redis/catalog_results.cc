#include "catalog_results.h"

#include <arrow-adbc/adbc.h>
#include <arrow/array.h>
#include <arrow/config.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "failure.h"

namespace adbc_redis {
namespace {

using nlohmann::json;

std::shared_ptr<arrow::Schema> ObjectsSchema() {
  using arrow::field;
  const auto usage =
      arrow::struct_({field("fk_catalog", arrow::utf8()), field("fk_db_schema", arrow::utf8()),
                      field("fk_table", arrow::utf8(), false), field("fk_column_name", arrow::utf8(), false)});
  const auto constraint =
      arrow::struct_({field("constraint_name", arrow::utf8()), field("constraint_type", arrow::utf8(), false),
                      field("constraint_column_names", arrow::list(arrow::utf8()), false),
                      field("constraint_column_usage", arrow::list(usage))});
  const auto column = arrow::struct_(
      {field("column_name", arrow::utf8(), false), field("ordinal_position", arrow::int32()),
       field("remarks", arrow::utf8()), field("xdbc_data_type", arrow::int16()), field("xdbc_type_name", arrow::utf8()),
       field("xdbc_column_size", arrow::int32()), field("xdbc_decimal_digits", arrow::int16()),
       field("xdbc_num_prec_radix", arrow::int16()), field("xdbc_nullable", arrow::int16()),
       field("xdbc_column_def", arrow::utf8()), field("xdbc_sql_data_type", arrow::int16()),
       field("xdbc_datetime_sub", arrow::int16()), field("xdbc_char_octet_length", arrow::int32()),
       field("xdbc_is_nullable", arrow::utf8()), field("xdbc_scope_catalog", arrow::utf8()),
       field("xdbc_scope_schema", arrow::utf8()), field("xdbc_scope_table", arrow::utf8()),
       field("xdbc_is_autoincrement", arrow::boolean()), field("xdbc_is_generatedcolumn", arrow::boolean())});
  const auto table = arrow::struct_(
      {field("table_name", arrow::utf8(), false), field("table_type", arrow::utf8(), false),
       field("table_columns", arrow::list(column)), field("table_constraints", arrow::list(constraint))});
  const auto db_schema =
      arrow::struct_({field("db_schema_name", arrow::utf8()), field("db_schema_tables", arrow::list(table))});
  return arrow::schema({field("catalog_name", arrow::utf8()), field("catalog_db_schemas", arrow::list(db_schema))});
}

// Text of the struct rows in JSON becomes a batch: the nesting is easier read there than in builders.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> BatchOf(const std::shared_ptr<arrow::Schema>& schema,
                                                           const json& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto array,
                        arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), rows.dump()));
  ARROW_ASSIGN_OR_RAISE(const auto batch, arrow::RecordBatch::FromStructArray(array));
  return arrow::RecordBatch::Make(schema, batch->num_rows(), batch->columns());
}

bool Passes(const std::optional<std::string>& pattern, std::string_view name) {
  return !pattern || MatchesPattern(*pattern, name);
}

json ColumnsOf(const Table& table, const ObjectsFilter& filter) {
  json columns = json::array();
  for (int i = 0; i < table.schema->num_fields(); ++i) {
    const arrow::Field& field = *table.schema->field(i);
    if (!Passes(filter.column, field.name())) continue;
    columns.push_back({{"column_name", field.name()},
                       {"ordinal_position", i + 1},
                       {"xdbc_type_name", field.type()->ToString()},
                       {"xdbc_nullable", field.nullable() ? 1 : 0},
                       {"xdbc_is_nullable", field.nullable() ? "YES" : "NO"}});
  }
  return columns;
}

json ConstraintsOf(const Table& table) {
  if (!table.has_key()) return json::array();
  return json::array({{{"constraint_type", "PRIMARY KEY"},
                       {"constraint_column_names", json::array({table.present_field()})},
                       {"constraint_column_usage", json::array()}}});
}

arrow::Result<json> TablesOf(const Tables& tables, const ObjectsFilter& filter) {
  json rows = json::array();
  if (filter.types && std::ranges::find(*filter.types, "table") == filter.types->end()) return rows;
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> names, tables.List());
  for (const std::string& name : names) {
    if (!Passes(filter.table, name)) continue;
    ARROW_ASSIGN_OR_RAISE(const auto table, tables.Find(name));
    if (table == nullptr) continue;  // being made, or dropped since
    json row = {
        {"table_name", name}, {"table_type", "table"}, {"table_columns", nullptr}, {"table_constraints", nullptr}};
    if (filter.depth == ADBC_OBJECT_DEPTH_ALL) {
      row["table_columns"] = ColumnsOf(*table, filter);
      row["table_constraints"] = ConstraintsOf(*table);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  // Back to the last % with one byte more under it, as long as there are bytes.
  size_t p = 0;
  size_t t = 0;
  size_t percent = std::string_view::npos;
  size_t under = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      percent = p++;
      under = t;
    } else if (p < pattern.size() && (pattern[p] == '_' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (percent != std::string_view::npos) {
      p = percent + 1;
      t = ++under;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> ObjectsBatch(const Tables& tables, const ObjectsFilter& filter) {
  json catalogs = json::array();
  if (Passes(filter.catalog, "")) {
    json schemas = nullptr;
    if (filter.depth != ADBC_OBJECT_DEPTH_CATALOGS) {
      schemas = json::array();
      if (Passes(filter.db_schema, "")) {
        json rows = nullptr;
        if (filter.depth != ADBC_OBJECT_DEPTH_DB_SCHEMAS) {
          ARROW_ASSIGN_OR_RAISE(rows, TablesOf(tables, filter));
        }
        schemas.push_back({{"db_schema_name", ""}, {"db_schema_tables", std::move(rows)}});
      }
    }
    catalogs.push_back({{"catalog_name", ""}, {"catalog_db_schemas", std::move(schemas)}});
  }
  return BatchOf(ObjectsSchema(), catalogs);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> TableTypesBatch() {
  return BatchOf(arrow::schema({arrow::field("table_type", arrow::utf8(), false)}),
                 json::array({{{"table_type", "table"}}}));
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> InfoBatch(std::span<const uint32_t> codes, const std::string& vendor,
                                                             const std::string& version) {
  const std::vector<std::pair<uint32_t, json>> known = {
      {ADBC_INFO_VENDOR_NAME, json::array({0, vendor})},
      {ADBC_INFO_VENDOR_VERSION, json::array({0, version})},
      {ADBC_INFO_VENDOR_SQL, json::array({1, true})},
      {ADBC_INFO_VENDOR_SUBSTRAIT, json::array({1, false})},
      {ADBC_INFO_DRIVER_NAME, json::array({0, "Hyprstream ADBC driver for Redis"})},
      {ADBC_INFO_DRIVER_VERSION, json::array({0, HYPRSTREAM_VERSION})},
      {ADBC_INFO_DRIVER_ARROW_VERSION, json::array({0, ARROW_VERSION_STRING})},
      {ADBC_INFO_DRIVER_ADBC_VERSION, json::array({2, ADBC_VERSION_1_1_0})},
  };
  using arrow::field;
  const auto pairs = std::make_shared<arrow::MapType>(arrow::int32(), arrow::list(arrow::int32()));
  const auto value =
      arrow::dense_union({field("string_value", arrow::utf8()), field("bool_value", arrow::boolean()),
                          field("int64_value", arrow::int64()), field("int32_bitmask", arrow::int32()),
                          field("string_list", arrow::list(arrow::utf8())), field("int32_to_int32_list_map", pairs)});
  json rows = json::array();
  for (const auto& [code, given] : known) {
    if (!codes.empty() && std::ranges::find(codes, code) == codes.end()) continue;
    rows.push_back(json::array({code, given}));
  }
  return BatchOf(arrow::schema({field("info_name", arrow::uint32(), false), field("info_value", value)}), rows);
}

}  // namespace adbc_redis
