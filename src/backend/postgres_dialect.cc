// PostgreSQL: its catalog, its types, its literals.

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
#include "backend/literals.h"
#include "backend/query_dialect.h"
#include "backend/writing_dialect.h"
#include "core/table_ref.h"

namespace hyprstream::backend {
namespace {

using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr int kDecimalDigitsMax = 38;
// PostgreSQL's own ranges.
constexpr std::int64_t kFirstDay = -2'440'588;
constexpr std::int64_t kLastDay = 2'145'042'905;
constexpr std::int64_t kFirstMicros = kFirstDay * 86'400'000'000;

constexpr std::string_view kSession =
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; "
    "SET standard_conforming_strings = on; SET bytea_output = 'hex'; SET client_connection_check_interval = '10s'; "
    "SET default_transaction_read_only = on";

constexpr std::string_view kSchemas =
    "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' "
    "AND pg_catalog.has_schema_privilege(oid, 'USAGE') ORDER BY 1";

constexpr std::string_view kTables =
    "SELECT c.relname::text, CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END::text "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = ";

// Of the keys that a table's partitions were given by theirs those that refer to a partition are left out.
constexpr std::string_view kKeys = R"(
SELECT k.contype::text, n.nspname::text, c.relname::text, k.conname::text, k.oid::text, a.attname::text,
  rn.nspname::text, rc.relname::text, ra.attname::text, i.relname::text, k.confupdtype::text, k.confdeltype::text
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey))
  WITH ORDINALITY AS u(own, other, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own
LEFT JOIN pg_catalog.pg_class rc ON rc.oid = k.confrelid
LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace
LEFT JOIN pg_catalog.pg_attribute ra ON ra.attrelid = k.confrelid AND ra.attnum = u.other
LEFT JOIN pg_catalog.pg_class i ON i.oid = k.conindid AND k.contype = 'f'
WHERE k.contype IN ('p', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint w WHERE w.oid = k.conparentid AND w.conrelid = k.conrelid)
ORDER BY n.nspname, c.relname, k.contype DESC, k.conname, k.oid, u.place)";

// The columns of one table: domains followed to the type below, a NOT NULL that nobody has checked left out.
constexpr std::string_view kColumns = R"(
WITH RECURSIVE found AS (
  SELECT c.oid, c.relkind, c.reltuples FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = $schema AND c.relname = $table),
columns AS (
  SELECT a.attnum, a.attname, a.atttypid AS type, a.atttypmod AS modifier, a.attcollation,
    a.attnotnull AND f.relkind IN ('r', 'p') AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n'
      AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated) AS filled
  FROM found f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT c.attnum, c.attname, t.typbasetype, CASE WHEN c.modifier = -1 THEN t.typtypmod ELSE c.modifier END,
    c.attcollation, c.filled
  FROM columns c JOIN pg_catalog.pg_type t ON t.oid = c.type WHERE t.typtype = 'd')
SELECT c.attname::text, CASE WHEN n.nspname = 'pg_catalog' THEN t.typname ELSE '' END::text,
  CASE WHEN e.oid IS NOT NULL AND t.typcategory = 'A' AND t.typlen = -1 AND en.nspname = 'pg_catalog'
    THEN e.typname ELSE '' END::text,
  (t.typcategory = 'A' AND t.typlen = -1)::text, c.modifier::text, c.filled::text,
  COALESCE(l.collisdeterministic, true)::text, f.reltuples::int8::text,
  pg_catalog.format_type(t.oid, c.modifier),
  CASE WHEN pg_catalog.getdatabaseencoding() <> 'UTF8' THEN '' WHEN c.attcollation IN (100, 950) THEN 'plain'
    ELSE 'other' END::text,
  (EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = f.oid AND k.contype = 'p'
    AND c.attnum = ANY (k.conkey)) AND (f.relkind = 'p' OR NOT EXISTS (
      SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = f.oid)))::text
FROM found f LEFT JOIN columns c ON true LEFT JOIN pg_catalog.pg_type t ON t.oid = c.type
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
LEFT JOIN pg_catalog.pg_namespace en ON en.oid = e.typnamespace
LEFT JOIN pg_catalog.pg_collation l ON l.oid = c.attcollation
WHERE t.typtype IS DISTINCT FROM 'd' ORDER BY c.attnum)";

// The columns of that query.
enum {
  kName,
  kType,
  kElement,
  kIsArray,
  kModifier,
  kFilled,
  kDeterministic,
  kRows,
  kDeclared,
  kTexts,
  kInKey,
  kColumnFields
};

// A type whose values the driver gives as they are.
struct DirectType {
  std::string_view name;
  TypePtr type;
  Reading reading;
  Comparable comparable;
  std::string_view extension;  // of Arrow, over its storage
};

const std::vector<DirectType>& DirectTypes() {
  static const std::vector<DirectType> kTypes = {
      {"bool", arrow::boolean(), Reading::kAsIs, Comparable::kBoolean, ""},
      {"int2", arrow::int16(), Reading::kAsIs, Comparable::kInteger, ""},
      {"int4", arrow::int32(), Reading::kAsIs, Comparable::kInteger, ""},
      {"int8", arrow::int64(), Reading::kAsIs, Comparable::kInteger, ""},
      {"float4", arrow::float32(), Reading::kAsIs, Comparable::kFloat, ""},
      {"float8", arrow::float64(), Reading::kAsIs, Comparable::kDouble, ""},
      {"text", arrow::utf8(), Reading::kAsIs, Comparable::kText, ""},
      {"varchar", arrow::utf8(), Reading::kAsIs, Comparable::kText, ""},
      {"bpchar", arrow::utf8(), Reading::kAsIs, Comparable::kNone, ""},
      {"bytea", arrow::binary(), Reading::kAsIs, Comparable::kNone, ""},
      {"date", arrow::date32(), Reading::kDate, Comparable::kDate, ""},
      {"time", arrow::time64(arrow::TimeUnit::MICRO), Reading::kAsIs, Comparable::kTime, ""},
      {"timestamp", arrow::timestamp(arrow::TimeUnit::MICRO), Reading::kTimestamp, Comparable::kTimestamp, ""},
      {"timestamptz", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), Reading::kTimestamp, Comparable::kTimestampTz,
       ""},
      {"interval", arrow::month_day_nano_interval(), Reading::kAsIs, Comparable::kNone, ""},
      {"uuid", arrow::fixed_size_binary(16), Reading::kAsIs, Comparable::kUuid, "arrow.uuid"},
      {"json", arrow::utf8(), Reading::kAsIs, Comparable::kNone, "arrow.json"},
      {"jsonb", arrow::utf8(), Reading::kAsIs, Comparable::kNone, "arrow.json"},
  };
  return kTypes;
}

const DirectType* FindDirect(std::string_view name) {
  const auto found = std::ranges::find(DirectTypes(), name, &DirectType::name);
  return found == DirectTypes().end() ? nullptr : &*found;
}

// Elements of lists. The others are read as the texts of their values.
bool IsListElement(std::string_view name) {
  static constexpr std::array<std::string_view, 11> kElements = {
      "bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "date", "timestamp", "timestamptz"};
  return std::ranges::find(kElements, name) != kElements.end();
}

// NUMERIC(p, s) by its modifier; null where it does not fit into a decimal of 38 digits.
TypePtr DecimalOf(std::int64_t modifier) {
  if (modifier < 4) return nullptr;
  auto precision = static_cast<std::int32_t>(((modifier - 4) >> 16) & 0xFFFF);
  auto scale = static_cast<std::int32_t>((((modifier - 4) & 0x7FF) ^ 1024) - 1024);
  if (scale < 0) {  // 1,200 for NUMERIC(2, -2)
    precision -= scale;
    scale = 0;
  }
  precision = std::max(precision, scale);  // 0.0012 for NUMERIC(2, 4)
  return precision > kDecimalDigitsMax ? nullptr : arrow::decimal128(precision, scale);
}

std::shared_ptr<arrow::Field> FieldOf(const std::string& name, const TypePtr& type, bool nullable,
                                      std::string_view extension) {
  if (extension.empty()) return arrow::field(name, type, nullable);
  return arrow::field(
      name, type, nullable,
      arrow::key_value_metadata({{"ARROW:extension:name", std::string(extension)}, {"ARROW:extension:metadata", ""}}));
}

TypePtr ListOf(const TypePtr& item) { return arrow::list(arrow::field("item", item)); }

struct Placed {
  ColumnLayout column;
  std::shared_ptr<arrow::Field> field;
};

// Through the text that the database makes of it.
Placed AsText(ColumnLayout column, const std::string& cast, const TypePtr& type, bool nullable) {
  column.expression += cast;
  column.arriving = type;
  column.reading = Reading::kAsIs;
  auto field = FieldOf(column.name, type, nullable, "");
  return {.column = std::move(column), .field = std::move(field)};
}

Placed PlaceArray(ColumnLayout column, std::string_view element, bool nullable) {
  column.check = "COALESCE(pg_catalog.array_ndims(" + column.expression + "), 1) > 1";
  column.refusal =
      "has an array of several dimensions, which cannot be read as a list (read it as text or JSON with backend_query)";
  const auto* direct = IsListElement(element) ? FindDirect(element) : nullptr;
  if (direct == nullptr) return AsText(std::move(column), "::text[]", ListOf(arrow::utf8()), nullable);
  column.arriving = ListOf(direct->type);
  column.reading = direct->reading;
  auto field = FieldOf(column.name, column.arriving, nullable, "");
  return {.column = std::move(column), .field = std::move(field)};
}

Placed PlaceRead(const TextRow& row) {
  const auto text = [&](int field) { return row[static_cast<std::size_t>(field)].value_or(""); };
  const bool nullable = text(kFilled) != "true";
  ColumnLayout column{.name = text(kName), .expression = QuoteIdentifier(text(kName)), .arriving = nullptr};
  column.declared = text(kDeclared);
  if (text(kIsArray) == "true") return PlaceArray(std::move(column), text(kElement), nullable);
  const std::string type = text(kType);
  std::int64_t modifier = -1;
  const std::string modifier_text = text(kModifier);
  std::from_chars(modifier_text.data(), modifier_text.data() + modifier_text.size(), modifier);
  if (const auto decimal = type == "numeric" ? DecimalOf(modifier) : nullptr) {
    column.arriving = arrow::utf8();
    column.reading = Reading::kDecimalText;
    column.comparable = Comparable::kDecimal;
    auto field = FieldOf(column.name, decimal, nullable, "");
    return {.column = std::move(column), .field = std::move(field)};
  }
  if (type == "oid") {
    column.expression += "::int8";
    column.arriving = arrow::int64();
    return {.column = column, .field = FieldOf(column.name, column.arriving, nullable, "")};
  }
  if (type == "money") return AsText(std::move(column), "::numeric::text", arrow::utf8(), nullable);
  const auto* direct = FindDirect(type);
  if (direct == nullptr) return AsText(std::move(column), "::text", arrow::utf8(), nullable);
  column.arriving = direct->type;
  column.reading = direct->reading;
  const bool compares = direct->comparable != Comparable::kText || text(kDeterministic) == "true";
  column.comparable = compares ? direct->comparable : Comparable::kNone;
  auto field = FieldOf(column.name, direct->type, nullable, direct->extension);
  return {.column = std::move(column), .field = std::move(field)};
}

// With what a query makes of it. Texts of other encodings are in another order there; a collation that is not the
// database's own is put aside, since two of them could not be compared. A NaN is no decimal, here as where it is read.
Placed Place(const TextRow& row) {
  auto placed = PlaceRead(row);
  auto& column = placed.column;
  if (!column.check.empty()) return placed;
  column.value = column.expression;
  column.computed = column.comparable;
  if (column.comparable == Comparable::kDecimal) {
    column.value = "CASE WHEN " + column.expression + " = 'NaN' THEN (" + column.expression +
                   "::text || ' has no digits')::numeric ELSE " + column.expression + " END";
  } else if (column.comparable == Comparable::kText) {
    const auto texts = row[kTexts].value_or("");
    if (texts.empty()) column.computed = Comparable::kNone;
    if (texts == "other") column.value += " COLLATE \"C\"";
  }
  return placed;
}

// What a statement's column is, by the driver's metadata; its statement cannot be changed, so that what would need a
// cast is refused.
arrow::Result<Placed> PlaceResult(const arrow::Field& given) {
  const auto word = [&](const std::string& key) {
    return given.metadata() == nullptr ? std::string() : given.metadata()->Get(key).ValueOr("");
  };
  const std::string type = word("POSTGRESQL:type");
  ColumnLayout column{.name = given.name(), .expression = {}, .arriving = nullptr};
  if (type == "numeric") {
    std::int64_t modifier = -1;
    const std::string text = word("POSTGRESQL:typmod");
    std::from_chars(text.data(), text.data() + text.size(), modifier);
    const auto decimal = DecimalOf(modifier);
    column.arriving = arrow::utf8();
    column.reading = decimal == nullptr ? Reading::kAsIs : Reading::kDecimalText;
    return Placed{column, FieldOf(column.name, decimal == nullptr ? arrow::utf8() : decimal, true, "")};
  }
  const bool is_text = type == "name" || type == "char" || type == "enum" || given.type()->id() == arrow::Type::STRING;
  const auto* direct = FindDirect(type);
  if (direct == nullptr && is_text) direct = FindDirect("text");
  if (direct == nullptr) {
    const std::string cast = type == "oid"           ? "int8"
                             : type == "money"       ? "numeric"
                             : type.starts_with('_') ? "json with to_json()"
                                                     : "text";
    return arrow::Status::Invalid(
        "Column ", given.name(), " has the type ", type.empty() ? given.type()->ToString() : type,
        ", whose values would be changed on their way: cast it to ", cast, " in the statement");
  }
  column.arriving = direct->type;
  column.reading = direct->reading;
  return Placed{column, FieldOf(column.name, direct->type, true, direct->extension)};
}

class PostgresDialect final : public Dialect {
 public:
  const QueryDialect* queries() const override { return &PostgresQueries(); }
  const WritingDialect* writing() const override { return writing_.get(); }

  std::vector<std::string> SessionStatements() const override { return {std::string(kSession)}; }

  std::vector<std::pair<std::string, std::string>> StatementOptions() const override {
    // Batches of a megabyte: the first rows of a slow query are not held back for the rest.
    return {{"adbc.postgresql.batch_size_hint_bytes", "1048576"}};
  }

  // By COPY it asks three times: what columns there are, and to copy them. This way once; all rows lie in memory.
  std::vector<std::pair<std::string, std::string>> LookUpOptions() const override {
    return {{"adbc.postgresql.use_copy", "false"}};
  }

  std::string SchemasQuery() const override { return std::string(kSchemas); }

  std::string TablesQuery(const std::string& schema) const override {
    return std::string(kTables) + QuoteLiteral(schema) + " ORDER BY 1";
  }

  std::string ColumnsQuery(const std::string& schema, const std::string& table) const override {
    std::string query(kColumns);
    // The schema's name may itself have what is replaced next: the table's goes first, at the place behind.
    const auto table_at = query.find("$table");
    query.replace(table_at, 6, QuoteLiteral(table));
    query.replace(query.find("$schema"), 7, QuoteLiteral(schema));
    return query;
  }

  std::string KeysQuery() const override { return std::string(kKeys); }

  arrow::Result<TableLayout> Layout(const std::string& schema, const std::string& table,
                                    const TextRows& columns) const override {
    TableLayout layout;
    arrow::FieldVector fields;
    for (const auto& row : columns) {
      if (row.size() != kColumnFields) return arrow::Status::Invalid("The catalog answered in another shape");
      if (!row[kName]) continue;
      auto placed = Place(row);
      if (row[kInKey] == "true") layout.key.push_back(static_cast<int>(layout.columns.size()));
      layout.columns.push_back(std::move(placed.column));
      fields.push_back(std::move(placed.field));
    }
    std::int64_t rows = -1;
    if (const auto& text = columns.at(0)[kRows]) std::from_chars(text->data(), text->data() + text->size(), rows);
    if (rows >= 0) layout.rows = rows;
    layout.schema = arrow::schema(std::move(fields));
    layout.from = QuoteIdentifier(schema) + "." + QuoteIdentifier(table);
    return layout;
  }

  // Its transaction only reads, and that cannot be changed any more once it has begun.
  arrow::Status CheckPassedOn(const std::string&) const override { return arrow::Status::OK(); }

  arrow::Result<TableLayout> LayoutOfStatement(const arrow::Schema& schema) const override {
    TableLayout layout;
    arrow::FieldVector fields;
    for (const auto& field : schema.fields()) {
      ARROW_ASSIGN_OR_RAISE(auto placed, PlaceResult(*field));
      layout.columns.push_back(std::move(placed.column));
      fields.push_back(std::move(placed.field));
    }
    layout.schema = arrow::schema(std::move(fields));
    return layout;
  }

  std::optional<std::string> Literal(Comparable comparable, const arrow::Scalar& value) const override;

 private:
  const std::unique_ptr<const WritingDialect> writing_ = MakePostgresWriting();
};

std::string Cast(const std::string& text, const char* type) { return QuoteLiteral(text) + "::" + type; }

template <class Scalar>
auto ValueOf(const arrow::Scalar& value) {
  return static_cast<const Scalar&>(value).value;
}

std::optional<std::string> IntegerText(const arrow::Scalar& value) {
  switch (value.type->id()) {
    case arrow::Type::INT16:
      return std::to_string(ValueOf<arrow::Int16Scalar>(value));
    case arrow::Type::INT32:
      return std::to_string(ValueOf<arrow::Int32Scalar>(value));
    case arrow::Type::INT64:
      return std::to_string(ValueOf<arrow::Int64Scalar>(value));
    default:
      return std::nullopt;
  }
}

std::optional<std::string> DateLiteral(const arrow::Scalar& value) {
  const std::int32_t days = ValueOf<arrow::Date32Scalar>(value);
  if (days == std::numeric_limits<std::int32_t>::max()) return "'infinity'::date";
  if (days == -std::numeric_limits<std::int32_t>::max()) return "'-infinity'::date";
  if (days < kFirstDay || days > kLastDay) return std::nullopt;
  return Cast(DateText(days), "date");
}

std::optional<std::string> TimestampLiteral(const arrow::Scalar& value, bool zoned) {
  const auto& type = static_cast<const arrow::TimestampType&>(*value.type);
  if (type.unit() != arrow::TimeUnit::MICRO || type.timezone().empty() == zoned) return std::nullopt;
  const std::int64_t micros = ValueOf<arrow::TimestampScalar>(value);
  const char* name = zoned ? "timestamptz" : "timestamp";
  if (micros == std::numeric_limits<std::int64_t>::max()) return Cast("infinity", name);
  if (micros == -std::numeric_limits<std::int64_t>::max()) return Cast("-infinity", name);
  if (micros < kFirstMicros) return std::nullopt;
  std::string text = TimestampText(micros);
  if (zoned) text.insert(text.ends_with(" BC") ? text.size() - 3 : text.size(), "+00");
  return Cast(text, name);
}

std::optional<std::string> TextLiteral(const arrow::Scalar& value) {
  const auto& buffer = ValueOf<arrow::BaseBinaryScalar>(value);
  const std::string text = buffer->ToString();
  if (text.find('\0') != std::string::npos) return std::nullopt;
  return Cast(text, "text");
}

std::optional<std::string> UuidLiteral(const arrow::Scalar& given) {
  const auto* value = &given;
  if (value->type->id() == arrow::Type::EXTENSION)
    value = static_cast<const arrow::ExtensionScalar&>(given).value.get();
  if (value->type->id() != arrow::Type::FIXED_SIZE_BINARY) return std::nullopt;
  const auto& bytes = static_cast<const arrow::FixedSizeBinaryScalar&>(*value).value;
  if (bytes->size() != 16) return std::nullopt;
  return Cast(UuidText(std::string_view(*bytes)), "uuid");
}

std::optional<std::string> PostgresDialect::Literal(Comparable comparable, const arrow::Scalar& value) const {
  const auto id = value.type->id();
  switch (comparable) {
    case Comparable::kNone:
      return std::nullopt;
    case Comparable::kBoolean:
      if (id != arrow::Type::BOOL) return std::nullopt;
      return ValueOf<arrow::BooleanScalar>(value) ? "TRUE" : "FALSE";
    case Comparable::kInteger: {
      const auto text = IntegerText(value);
      return text ? std::optional(Cast(*text, "int8")) : std::nullopt;
    }
    case Comparable::kFloat:
      if (id != arrow::Type::FLOAT) return std::nullopt;
      return Cast(FloatText(ValueOf<arrow::FloatScalar>(value)), "float4");
    case Comparable::kDouble:
      if (id != arrow::Type::DOUBLE) return std::nullopt;
      return Cast(DoubleText(ValueOf<arrow::DoubleScalar>(value)), "float8");
    case Comparable::kDecimal: {
      if (id != arrow::Type::DECIMAL128) return std::nullopt;
      const auto scale = static_cast<const arrow::Decimal128Type&>(*value.type).scale();
      return Cast(ValueOf<arrow::Decimal128Scalar>(value).ToString(scale), "numeric");
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
      return Cast(TimeText(ValueOf<arrow::Time64Scalar>(value)), "time");
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

std::unique_ptr<const Dialect> MakePostgresDialect() { return std::make_unique<PostgresDialect>(); }

}  // namespace hyprstream::backend
