#include "backend/duckdb_writing.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <limits>
#include <optional>
#include <string_view>

#include "backend/duckdb_types.h"

namespace hyprstream::backend {
namespace {

constexpr std::int64_t kMicrosADay = 86'400'000'000;

// The columns of TargetQuery.
enum { kKind, kDatabase, kName, kType, kNullable, kDefaulted, kComputed, kFields };

// What an append takes of a column's values; an infinite time is what it is here.
void SetType(WrittenColumn& column, std::string_view type) {
  if (type == "HUGEINT") {
    column.type = arrow::decimal128(38, 0);
  } else if (type == "UUID") {
    column.type = arrow::fixed_size_binary(16);
    column.encoding = Encoding::kUuidText;
    column.cast_in_append = true;
  } else if (type == "INTERVAL") {
    column.type = arrow::month_day_nano_interval();
    column.bounds.multiple_of = 1'000;
  } else if (type == "JSON" || type.starts_with("ENUM(")) {
    column.type = arrow::utf8();
    column.cast_there = true;
  } else if (type.ends_with("[]")) {
    const auto* element = FindDuckdbType(type.substr(0, type.size() - 2));
    if (element != nullptr) column.type = arrow::list(element->type);
  } else if (const auto* direct = FindDuckdbType(type)) {
    column.type = direct->type;
  } else {
    column.type = DuckdbDecimal(type);
  }
  if (column.type == nullptr) return;
  column.bounds.takes_nul = column.type->id() == arrow::Type::STRING && !column.cast_there;
  if (column.type->id() == arrow::Type::TIME64) {
    column.bounds.least = 0;
    column.bounds.greatest = type == "TIME" ? kMicrosADay : kMicrosADay * 1'000;
  } else if (column.type->id() == arrow::Type::TIMESTAMP || column.type->id() == arrow::Type::DATE32) {
    // One below is no time there.
    column.bounds.least = column.type->id() == arrow::Type::DATE32 ? -std::numeric_limits<std::int32_t>::max()
                                                                   : -std::numeric_limits<std::int64_t>::max();
  }
}

WrittenColumn ColumnOf(const TextRow& row) {
  const auto text = [&](int field) { return row[static_cast<std::size_t>(field)].value_or(""); };
  WrittenColumn column{.name = text(kName),
                       .declared = text(kType),
                       .cast_to = text(kType),
                       .nullable = text(kNullable) != "false",
                       .has_default = text(kDefaulted) == "true",
                       .computed = text(kComputed) == "true"};
  SetType(column, column.declared);
  return column;
}

std::string TimestampName(const arrow::TimestampType& type) {
  if (!type.timezone().empty()) return "TIMESTAMP WITH TIME ZONE";
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      return "TIMESTAMP_S";
    case arrow::TimeUnit::MILLI:
      return "TIMESTAMP_MS";
    case arrow::TimeUnit::NANO:
      return "TIMESTAMP_NS";
    case arrow::TimeUnit::MICRO:
      break;
  }
  return "TIMESTAMP";
}

std::optional<std::string> TypeNameOf(const arrow::Field& field) {
  const auto& type = *field.type();
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "BOOLEAN";
    case arrow::Type::INT8:
      return "TINYINT";
    case arrow::Type::INT16:
      return "SMALLINT";
    case arrow::Type::INT32:
      return "INTEGER";
    case arrow::Type::INT64:
      return "BIGINT";
    case arrow::Type::UINT8:
      return "UTINYINT";
    case arrow::Type::UINT16:
      return "USMALLINT";
    case arrow::Type::UINT32:
      return "UINTEGER";
    case arrow::Type::UINT64:
      return "UBIGINT";
    case arrow::Type::FLOAT:
      return "FLOAT";
    case arrow::Type::DOUBLE:
      return "DOUBLE";
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      if (decimal.scale() < 0) return std::nullopt;
      return "DECIMAL(" + std::to_string(decimal.precision()) + "," + std::to_string(decimal.scale()) + ")";
    }
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return IsExtension(field, "arrow.json") ? "JSON" : "VARCHAR";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return "BLOB";
    case arrow::Type::FIXED_SIZE_BINARY:
      return IsExtension(field, "arrow.uuid") ? "UUID" : "BLOB";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "DATE";
    case arrow::Type::TIME32:
      return "TIME";
    case arrow::Type::TIME64:
      return static_cast<const arrow::Time64Type&>(type).unit() == arrow::TimeUnit::NANO ? "TIME_NS" : "TIME";
    case arrow::Type::TIMESTAMP:
      return TimestampName(static_cast<const arrow::TimestampType&>(type));
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
      return "INTERVAL";
    case arrow::Type::DICTIONARY: {
      const auto& values = static_cast<const arrow::DictionaryType&>(type).value_type();
      return TypeNameOf(*arrow::field(field.name(), values));
    }
    case arrow::Type::LIST: {
      const auto element = TypeNameOf(*static_cast<const arrow::ListType&>(type).value_field());
      return element && FindDuckdbType(*element) != nullptr ? std::optional(*element + "[]") : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string DuckdbWriting::TargetQuery(const TableRef& table) const {
  return "SELECT CASE WHEN t.table_name IS NULL THEN 'view' WHEN (SELECT readonly FROM duckdb_databases() WHERE "
         "database_name = current_database()) THEN 'read-only' ELSE 'table' END, c.database_name, c.column_name, "
         "c.data_type, c.is_nullable::VARCHAR, (c.column_default IS NOT NULL)::VARCHAR, "
         "coalesce(g.is_generated = 'ALWAYS', false)::VARCHAR FROM duckdb_columns() AS c LEFT JOIN duckdb_tables() AS "
         "t "
         "ON t.table_oid = c.table_oid AND t.database_name = c.database_name AND t.schema_name = c.schema_name AND "
         "t.table_name = c.table_name LEFT JOIN information_schema.columns AS g ON g.table_catalog = c.database_name "
         "AND g.table_schema = c.schema_name AND g.table_name = c.table_name AND g.column_name = c.column_name "
         "WHERE c.database_name = current_database() AND NOT c.internal AND c.schema_name = " +
         QuoteLiteral(table.schema) + " AND c.table_name = " + QuoteLiteral(table.name) + " ORDER BY c.column_index";
}

arrow::Result<WriteTarget> DuckdbWriting::Target(const TableRef& table, const TextRows& columns) const {
  WriteTarget target{.table = table, .name = {}, .columns = {}};
  for (const auto& row : columns) {
    if (row.size() != kFields) return arrow::Status::Invalid("The catalog answered in another shape");
    if (row[kKind] == "read-only") {
      return arrow::Status::NotImplemented(table.schema, ".", table.name,
                                           " is in a file that is open read-only (by access_mode, or its permissions)");
    }
    if (row[kKind] != "table") {
      return arrow::Status::NotImplemented(table.schema, ".", table.name, " is no table but a view; it is only read");
    }
    target.name = QuoteIdentifier(row[kDatabase].value_or("")) + "." + QuoteIdentifier(table.schema) + "." +
                  QuoteIdentifier(table.name);
    if (FoldIdentifier(row[kName].value_or("")) == "rowid") target.row_names_refused = "it has a column rowid";
    target.columns.push_back(ColumnOf(row));
  }
  return target;
}

arrow::Result<std::string> DuckdbWriting::TypeName(const arrow::Field& column) const {
  if (auto name = TypeNameOf(column)) return *std::move(name);
  return arrow::Status::NotImplemented("Column ", column.name(), " is ", column.type()->ToString(),
                                       ", for which no type of DuckDB is made from here; cast it, to text or JSON say");
}

DuckdbWriting::Options DuckdbWriting::IngestOptions(const TableRef& table) const {
  return {{"adbc.ingest.target_table", table.name},
          {"adbc.ingest.target_db_schema", table.schema},
          {"adbc.ingest.mode", "adbc.ingest.mode.append"}};
}

std::string DuckdbWriting::CreateStage(const std::string& stage, const std::string& columns) const {
  return "CREATE TEMPORARY TABLE " + QuoteIdentifier(stage) + " (" + columns + ")";
}

std::string DuckdbWriting::StageName(const std::string& stage) const { return "temp." + QuoteIdentifier(stage); }

std::string DuckdbWriting::StageType(const WrittenColumn& column) const {
  return column.cast_there ? "VARCHAR" : column.cast_to;
}

// Assigned to the column, a text becomes a value of its type.
std::string DuckdbWriting::FromStage(const WrittenColumn& column) const { return "s." + QuoteIdentifier(column.name); }

std::string DuckdbWriting::MisfitQuery(const std::string& stage, const WrittenColumn& column) const {
  if (!column.cast_there) return {};
  const std::string value = "s." + QuoteIdentifier(column.name);
  return "SELECT s." + std::string(kStagedNumber) + "::VARCHAR, " + value + " FROM " + StageName(stage) +
         " AS s WHERE " + value + " IS NOT NULL AND TRY_CAST(" + value + " AS " + column.cast_to +
         ") IS NULL ORDER BY s." + kStagedNumber + " LIMIT 1";
}

std::string DuckdbWriting::RowCondition() const { return std::string("t.rowid = s.") + kStagedRow + "::BIGINT"; }

// The place of a row, which is its own within one snapshot.
std::string DuckdbWriting::RowName() const { return "t.rowid::VARCHAR"; }

std::unique_ptr<const WritingDialect> MakeDuckdbWriting() { return std::make_unique<DuckdbWriting>(); }

}  // namespace hyprstream::backend
