// DuckDB files: their catalog, their types, their literals.
//
// The server's engine is the same release of DuckDB, so that comparisons mean the same on both sides, NaN and infinity
// among them. What differs is the way between them: some types lose something as Arrow, and those are read as something
// that does not.

#include <arrow/buffer.h>
#include <arrow/extension_type.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string_view>
#include <utility>

#include "backend/dialect.h"
#include "backend/duckdb_types.h"
#include "backend/literals.h"
#include "backend/query_dialect.h"
#include "backend/writing_dialect.h"
#include "core/table_ref.h"

namespace hyprstream::backend {
namespace {

using TypePtr = std::shared_ptr<arrow::DataType>;

// Years 1 to 9999: what every release writes and reads alike.
constexpr std::int64_t kFirstDay = -719'162;
constexpr std::int64_t kLastDay = 2'932'896;
constexpr std::int64_t kDayMicros = 86'400'000'000;

// A foreign key stays inside its schema, and has no rules.
constexpr std::string_view kKeys = R"(
SELECT kind, schema_name, table_name, constraint_name, number, own, CASE kind WHEN 'f' THEN schema_name END,
  referenced_table, other, NULL::VARCHAR, 'a', 'a' FROM (
  SELECT CASE constraint_type WHEN 'PRIMARY KEY' THEN 'p' ELSE 'f' END AS kind, schema_name, table_name,
    constraint_name, constraint_index::VARCHAR AS number, referenced_table, unnest(constraint_column_names) AS own,
    unnest(referenced_column_names) AS other, unnest(range(len(constraint_column_names))) AS place
  FROM duckdb_constraints() WHERE database_name = current_database()
    AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY'))
ORDER BY schema_name, table_name, kind DESC, number, place)";

// The columns of ColumnsQuery.
enum { kName, kType, kNullable, kDatabase, kRows, kColumnFields };

// Nested types that come as they are. A type within that would not is found by its name; a field of that name makes
// the value a text as well.
bool IsWholeNested(std::string_view name) {
  if (!name.ends_with(']') && !name.starts_with("STRUCT(") && !name.starts_with("MAP(")) return false;
  static constexpr std::array<std::string_view, 9> kLossy = {
      "TIME WITH TIME ZONE", "HUGEINT", "INTERVAL", "BIT", "BIGNUM", "UNION(", "VARIANT", "GEOMETRY", "ENUM("};
  // `TIMESTAMP WITH TIME ZONE` ends like the first of them.
  std::string plain(name);
  for (auto at = plain.find("TIMESTAMP WITH"); at != std::string::npos; at = plain.find("TIMESTAMP WITH", at)) {
    plain.erase(at, std::string_view("TIMESTAMP WITH TIME ZONE").size());
  }
  return std::ranges::none_of(kLossy, [&](auto lossy) { return plain.find(lossy) != std::string::npos; });
}

struct Placed {
  ColumnLayout column;
  std::shared_ptr<arrow::Field> field;
};

std::shared_ptr<arrow::Field> ExtensionField(const std::string& name, const TypePtr& storage, bool nullable,
                                             const char* extension) {
  return arrow::field(
      name, storage, nullable,
      arrow::key_value_metadata({{"ARROW:extension:name", extension}, {"ARROW:extension:metadata", ""}}));
}

// 39 digits are more than a decimal has.
Placed PlaceHuge(ColumnLayout column, bool nullable) {
  const std::string value = column.expression;
  column.arriving = arrow::decimal128(38, 0);
  column.expression = "TRY_CAST(" + value + " AS DECIMAL(38,0))";
  column.check = "(" + value + " IS NOT NULL AND " + column.expression + " IS NULL)";
  column.refusal = "has a number of more than 38 digits (leave its row out, or read it as a text in a view there)";
  auto field = arrow::field(column.name, column.arriving, nullable);
  return {.column = std::move(column), .field = std::move(field)};
}

Placed PlaceRead(const TextRow& row) {
  const auto text = [&](int field) { return row[static_cast<std::size_t>(field)].value_or(""); };
  const std::string type = text(kType);
  const bool nullable = text(kNullable) != "false";
  ColumnLayout column{.name = text(kName), .expression = "t." + QuoteIdentifier(text(kName)), .arriving = nullptr};
  column.declared = type;
  const auto done = [&](const TypePtr& becomes) {
    auto field = arrow::field(column.name, becomes, nullable);
    return Placed{.column = std::move(column), .field = std::move(field)};
  };
  if (const auto* direct = FindDuckdbType(type)) {
    column.arriving = direct->type;
    column.comparable = direct->comparable;
    // The column may have a collation of its own.
    if (column.comparable == Comparable::kText) column.compared = column.expression + " COLLATE \"binary\"";
    return done(direct->type);
  }
  if (const auto decimal = DuckdbDecimal(type)) {
    column.arriving = decimal;
    column.comparable = Comparable::kDecimal;
    return done(decimal);
  }
  if (type == "HUGEINT" || type == "UHUGEINT") return PlaceHuge(std::move(column), nullable);
  if (type == "UUID") {
    column.compared = column.expression;
    column.expression += "::VARCHAR";
    column.arriving = arrow::utf8();
    column.reading = Reading::kUuidText;
    column.comparable = Comparable::kUuid;
    auto field = ExtensionField(column.name, arrow::fixed_size_binary(16), nullable, "arrow.uuid");
    return {.column = std::move(column), .field = std::move(field)};
  }
  if (type == "JSON") {
    column.arriving = arrow::utf8();
    auto field = ExtensionField(column.name, arrow::utf8(), nullable, "arrow.json");
    return {.column = std::move(column), .field = std::move(field)};
  }
  if (type == "INTERVAL") {
    // Arrow counts nanoseconds, and DuckDB does not look whether they fit.
    column.arriving = arrow::month_day_nano_interval();
    column.check = "coalesce(abs(date_part('hour', " + column.expression + ")) >= 2562047, false)";
    column.refusal =
        "has an interval of more than 292 years of hours (leave its row out, or read it as a text in a view there)";
    return done(column.arriving);
  }
  if (IsWholeNested(type)) return done(arrow::null());  // as the driver says
  column.expression += "::VARCHAR";
  column.arriving = arrow::utf8();
  return done(arrow::utf8());
}

// With what a query makes of it. A number of more than 38 digits is an error there as where it is read; an interval's
// error is found beside its value only.
Placed Place(const TextRow& row) {
  auto placed = PlaceRead(row);
  auto& column = placed.column;
  if (column.declared == "INTERVAL") return placed;
  column.value = column.compared.empty() ? column.expression : column.compared;
  column.computed = column.comparable;
  if (!column.check.empty()) {
    column.value = "CAST(t." + QuoteIdentifier(column.name) + " AS DECIMAL(38,0))";
    column.computed = Comparable::kDecimal;
  } else if (column.comparable == Comparable::kNone && column.declared != "JSON" && column.arriving != nullptr &&
             column.arriving->id() == arrow::Type::STRING) {
    column.computed = Comparable::kText;  // of a value that is read as its text
  }
  return placed;
}

class DuckdbDialect final : public Dialect {
 public:
  const QueryDialect* queries() const override { return &DuckdbQueries(); }
  const WritingDialect* writing() const override { return writing_.get(); }

  // All is said for the whole instance, before its first connection.
  std::vector<std::string> SessionStatements() const override { return {}; }
  std::vector<std::pair<std::string, std::string>> StatementOptions() const override { return {}; }

  std::string SchemasQuery() const override {
    return "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() AND schema_name NOT IN "
           "('information_schema', 'pg_catalog') ORDER BY 1";
  }

  std::string TablesQuery(const std::string& schema) const override {
    const std::string there =
        "WHERE database_name = current_database() AND NOT internal AND NOT temporary AND schema_name = " +
        QuoteLiteral(schema);
    return "SELECT table_name, 'table' FROM duckdb_tables() " + there + " UNION ALL SELECT view_name, 'view' FROM " +
           "duckdb_views() " + there + " ORDER BY 1";
  }

  std::string KeysQuery() const override { return std::string(kKeys); }

  std::string ColumnsQuery(const std::string& schema, const std::string& table) const override {
    return "SELECT c.column_name, c.data_type, c.is_nullable::VARCHAR, c.database_name, t.estimated_size::VARCHAR FROM "
           "duckdb_columns() AS c LEFT JOIN duckdb_tables() AS t ON t.table_oid = c.table_oid AND t.database_name = "
           "c.database_name AND t.schema_name = c.schema_name AND t.table_name = c.table_name "
           "WHERE c.database_name = current_database() AND NOT c.internal AND c.schema_name = " +
           QuoteLiteral(schema) + " AND c.table_name = " + QuoteLiteral(table) + " ORDER BY c.column_index";
  }

  arrow::Result<TableLayout> Layout(const std::string& schema, const std::string& table,
                                    const TextRows& columns) const override {
    TableLayout layout;
    arrow::FieldVector fields;
    for (const auto& row : columns) {
      if (row.size() != kColumnFields) return arrow::Status::Invalid("The catalog answered in another shape");
      auto placed = Place(row);
      layout.columns.push_back(std::move(placed.column));
      fields.push_back(std::move(placed.field));
    }
    std::int64_t rows = -1;
    if (const auto& text = columns.at(0)[kRows]) std::from_chars(text->data(), text->data() + text->size(), rows);
    if (rows >= 0) layout.rows = rows;
    layout.schema = arrow::schema(std::move(fields));
    layout.from = QuoteIdentifier(columns.at(0)[kDatabase].value_or("")) + "." + QuoteIdentifier(schema) + "." +
                  QuoteIdentifier(table) + " AS t";
    return layout;
  }

  // DuckDB itself says what a statement is, and runs it where only one SELECT may stand.
  arrow::Status CheckPassedOn(const std::string&) const override { return arrow::Status::OK(); }
  arrow::Result<TableLayout> LayoutOfStatement(const arrow::Schema&) const override {
    return arrow::Status::NotImplemented("its columns are asked for");
  }
  std::string PassedOnQuery(const std::string& statement) const override;
  std::string PassedOnColumnsQuery(const std::string& statement) const override {
    return "SELECT column_name, column_type, 'true', '', '' FROM (DESCRIBE SELECT * FROM " + RowsOf(statement) + ")";
  }
  arrow::Result<TableLayout> LayoutOfPassedOn(const std::string& statement, const TextRows& columns) const override {
    ARROW_ASSIGN_OR_RAISE(auto layout, Layout("", "", columns));
    layout.from = RowsOf(statement) + " AS t";
    return layout;
  }
  // A sequence would else be moved on.
  std::vector<std::string> PassedOnSession() const override { return {"BEGIN TRANSACTION READ ONLY"}; }

  std::optional<std::string> Literal(Comparable comparable, const arrow::Scalar& value) const override;

 private:
  const std::unique_ptr<const WritingDialect> writing_ = MakeDuckdbWriting();

  static std::string RowsOf(const std::string& statement) { return "query(" + QuoteLiteral(statement) + ")"; }
};

// The functions do something to the instance, or run a statement that nobody has looked at.
std::string DuckdbDialect::PassedOnQuery(const std::string& statement) const {
  const std::string tree = "json_serialize_sql(" + QuoteLiteral(statement) + ")";
  return "WITH parsed AS (SELECT " + tree +
         "::JSON AS tree), refused AS (SELECT min(lower(atom->>'$')) AS name FROM json_tree(" + tree +
         ") WHERE key = 'function_name' AND lower(atom->>'$') IN ('checkpoint', 'force_checkpoint', "
         "'truncate_duckdb_logs', 'write_log', 'query', 'json_execute_serialized_sql', 'create_external_resource', "
         "'destroy_external_resource', 'register_external_resource', 'deregister_external_resource', "
         "'register_external_resource_type')) "
         "SELECT CASE WHEN tree->>'error_type' = 'parser' THEN 'Parser Error: ' || (tree->>'error_message') "
         "WHEN (tree->>'error')::BOOLEAN OR json_array_length(tree->'$.statements') <> 1 "
         "THEN 'a statement is one SELECT here (or FROM, VALUES, TABLE, DESCRIBE, SHOW, SUMMARIZE): it is there to "
         "read' "
         "WHEN json_array_length(tree->'$.statements[0].named_param_map') > 0 "
         "THEN 'the statement has parameters, and nobody gives them values; write the values' "
         "WHEN refused.name IS NOT NULL THEN 'the function ' || refused.name || ' is not to be called here' END "
         "FROM parsed, refused";
}

template <class Scalar>
auto ValueOf(const arrow::Scalar& value) {
  return static_cast<const Scalar&>(value).value;
}

std::string Cast(const std::string& text, const std::string& type) { return QuoteLiteral(text) + "::" + type; }

std::optional<std::string> IntegerLiteral(const arrow::Scalar& value) {
  switch (value.type->id()) {
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      return value.ToString();
    default:
      return std::nullopt;
  }
}

std::optional<std::string> DateLiteral(const arrow::Scalar& value) {
  const std::int32_t days = ValueOf<arrow::Date32Scalar>(value);
  if (days == std::numeric_limits<std::int32_t>::max()) return "'infinity'::DATE";
  if (days == -std::numeric_limits<std::int32_t>::max()) return "'-infinity'::DATE";
  if (days < kFirstDay || days > kLastDay) return std::nullopt;
  return Cast(DateText(days), "DATE");
}

std::optional<std::string> TimestampLiteral(const arrow::Scalar& value, bool zoned) {
  const auto& type = static_cast<const arrow::TimestampType&>(*value.type);
  if (type.unit() != arrow::TimeUnit::MICRO || type.timezone().empty() == zoned) return std::nullopt;
  const std::int64_t micros = ValueOf<arrow::TimestampScalar>(value);
  const char* name = zoned ? "TIMESTAMPTZ" : "TIMESTAMP";
  if (micros == std::numeric_limits<std::int64_t>::max()) return Cast("infinity", name);
  if (micros == -std::numeric_limits<std::int64_t>::max()) return Cast("-infinity", name);
  if (micros < kFirstDay * kDayMicros || micros >= (kLastDay + 1) * kDayMicros) return std::nullopt;
  return Cast(TimestampText(micros) + (zoned ? "+00" : ""), name);
}

std::optional<std::string> TextLiteral(const arrow::Scalar& value) {
  const std::string text = ValueOf<arrow::BaseBinaryScalar>(value)->ToString();
  return text.find('\0') == std::string::npos ? std::optional(QuoteLiteral(text)) : std::nullopt;
}

std::optional<std::string> UuidLiteral(const arrow::Scalar& given) {
  const auto* value = &given;
  if (value->type->id() == arrow::Type::EXTENSION) {
    value = static_cast<const arrow::ExtensionScalar&>(given).value.get();
  }
  if (value->type->id() != arrow::Type::FIXED_SIZE_BINARY) return std::nullopt;
  const auto& bytes = static_cast<const arrow::FixedSizeBinaryScalar&>(*value).value;
  return bytes->size() == 16 ? std::optional(Cast(UuidText(std::string_view(*bytes)), "UUID")) : std::nullopt;
}

std::optional<std::string> DuckdbDialect::Literal(Comparable comparable, const arrow::Scalar& value) const {
  const auto id = value.type->id();
  switch (comparable) {
    case Comparable::kNone:
      return std::nullopt;
    case Comparable::kBoolean:
      if (id != arrow::Type::BOOL) return std::nullopt;
      return ValueOf<arrow::BooleanScalar>(value) ? "TRUE" : "FALSE";
    case Comparable::kInteger:
      return IntegerLiteral(value);
    case Comparable::kFloat:
      if (id != arrow::Type::FLOAT) return std::nullopt;
      return Cast(FloatText(ValueOf<arrow::FloatScalar>(value)), "FLOAT");
    case Comparable::kDouble:
      if (id != arrow::Type::DOUBLE) return std::nullopt;
      return Cast(DoubleText(ValueOf<arrow::DoubleScalar>(value)), "DOUBLE");
    case Comparable::kDecimal: {
      if (id != arrow::Type::DECIMAL128) return std::nullopt;
      const auto& type = static_cast<const arrow::Decimal128Type&>(*value.type);
      return Cast(ValueOf<arrow::Decimal128Scalar>(value).ToString(type.scale()),
                  "DECIMAL(" + std::to_string(type.precision()) + "," + std::to_string(type.scale()) + ")");
    }
    case Comparable::kText:
      return id == arrow::Type::STRING ? TextLiteral(value) : std::nullopt;
    case Comparable::kDate:
      return id == arrow::Type::DATE32 ? DateLiteral(value) : std::nullopt;
    case Comparable::kTime: {
      if (id != arrow::Type::TIME64 ||
          static_cast<const arrow::Time64Type&>(*value.type).unit() != arrow::TimeUnit::MICRO) {
        return std::nullopt;
      }
      return Cast(TimeText(ValueOf<arrow::Time64Scalar>(value)), "TIME");
    }
    case Comparable::kTimestamp:
    case Comparable::kTimestampTz:
      if (id != arrow::Type::TIMESTAMP) return std::nullopt;
      return TimestampLiteral(value, comparable == Comparable::kTimestampTz);
    case Comparable::kUuid:
      return UuidLiteral(value);
  }
  return std::nullopt;
}

}  // namespace

std::unique_ptr<const Dialect> MakeDuckdbDialect() { return std::make_unique<DuckdbDialect>(); }

}  // namespace hyprstream::backend
