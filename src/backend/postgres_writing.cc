// PostgreSQL: what its columns take, and how its tables are changed.
//
// Binary COPY takes what has its column's own form. Everything else (jsonb, enums, inet, numbers without a scale) goes
// through the stage as text, and PostgreSQL's input functions make the values.

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "backend/writing_dialect.h"

namespace hyprstream::backend {
namespace {

constexpr std::int64_t kFirstDay = -2'440'588;
constexpr std::int64_t kLastDay = 2'145'042'905;
constexpr std::int64_t kFirstMicros = kFirstDay * 86'400'000'000;
constexpr std::int64_t kMicrosADay = 86'400'000'000;

// The columns of one table: domains followed to the type below, with the defaults and NOT NULL of all on the way.
constexpr std::string_view kColumns = R"(
WITH RECURSIVE found AS (
  SELECT c.oid, c.relkind FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = $schema AND c.relname = $table),
columns AS (
  SELECT a.attnum, a.attname, a.atttypid AS type, a.atttypmod AS modifier, a.attnotnull AS filled,
    a.atthasdef OR a.attidentity <> '' AS defaulted, a.attgenerated <> '' OR a.attidentity = 'a' AS computed,
    a.atttypid AS own_type, a.atttypmod AS own_modifier
  FROM found f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT c.attnum, c.attname, t.typbasetype, CASE WHEN c.modifier = -1 THEN t.typtypmod ELSE c.modifier END,
    c.filled OR t.typnotnull, c.defaulted OR t.typdefault IS NOT NULL, c.computed, c.own_type, c.own_modifier
  FROM columns c JOIN pg_catalog.pg_type t ON t.oid = c.type WHERE t.typtype = 'd')
SELECT f.relkind::text, c.attname::text, CASE WHEN n.nspname = 'pg_catalog' THEN t.typname ELSE '' END::text,
  CASE WHEN t.typcategory = 'A' AND t.typlen = -1 AND en.nspname = 'pg_catalog' THEN e.typname ELSE '' END::text,
  (t.typcategory = 'A' AND t.typlen = -1)::text, c.modifier::text, c.filled::text, c.defaulted::text,
  c.computed::text, pg_catalog.format_type(c.own_type, c.own_modifier), pg_catalog.format_type(c.own_type, -1),
  EXISTS (SELECT 1 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
    WHERE pn.nspname = 'pg_catalog' AND p.proname = 'pg_input_is_valid')::text
FROM found f LEFT JOIN columns c ON true LEFT JOIN pg_catalog.pg_type t ON t.oid = c.type
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
LEFT JOIN pg_catalog.pg_namespace en ON en.oid = e.typnamespace
WHERE t.typtype IS DISTINCT FROM 'd' ORDER BY c.attnum)";

// Of PostgreSQL 16 and later; and what stands for it before.
constexpr const char* kCheck = "pg_catalog.pg_input_is_valid";
constexpr const char* kCheckOfOurs = "pg_temp.hyprstream_is_valid";
constexpr const char* kCheckDefinition = R"((value text, type text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE 'SELECT CAST($1 AS ' || type || ')' USING value;
  RETURN true;
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END $$)";

enum {
  kKind,
  kName,
  kType,
  kElement,
  kIsArray,
  kModifier,
  kFilled,
  kDefaulted,
  kComputed,
  kDeclared,
  kCast,
  kChecks,
  kFields
};

std::shared_ptr<arrow::DataType> PlainTypeOf(std::string_view name) {
  if (name == "bool") return arrow::boolean();
  if (name == "int2") return arrow::int16();
  if (name == "int4") return arrow::int32();
  if (name == "int8") return arrow::int64();
  if (name == "float4") return arrow::float32();
  if (name == "float8") return arrow::float64();
  if (name == "text" || name == "varchar" || name == "bpchar" || name == "name") return arrow::utf8();
  if (name == "bytea") return arrow::binary();
  if (name == "date") return arrow::date32();
  if (name == "time") return arrow::time64(arrow::TimeUnit::MICRO);
  if (name == "timestamp") return arrow::timestamp(arrow::TimeUnit::MICRO);
  if (name == "timestamptz") return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  if (name == "interval") return arrow::month_day_nano_interval();
  if (name == "uuid") return arrow::fixed_size_binary(16);
  return nullptr;
}

// Arrays of these go as lists.
bool IsListElement(std::string_view name) {
  return name == "bool" || name == "int2" || name == "int4" || name == "int8" || name == "float4" || name == "float8" ||
         name == "text";
}

// 10^(6 - p) microseconds of a time of p digits.
std::int64_t MicrosOf(std::int64_t digits) {
  std::int64_t micros = 1;
  for (; digits >= 0 && digits < 6; ++digits) micros *= 10;
  return micros;
}

ValueBounds BoundsOf(std::string_view type, std::int64_t modifier) {
  ValueBounds bounds;
  if ((type == "varchar" || type == "bpchar") && modifier >= 4) bounds.characters_max = modifier - 4;
  if (type == "name") bounds.bytes_max = 63;
  if (type == "date") {
    bounds.least = kFirstDay;
    bounds.greatest = kLastDay;
  }
  if (type == "timestamp" || type == "timestamptz") {
    bounds.least = kFirstMicros;
    bounds.greatest -= 1;  // infinity
    bounds.multiple_of = MicrosOf(modifier);
  }
  if (type == "time") {
    bounds.least = 0;
    bounds.greatest = kMicrosADay;
    bounds.multiple_of = MicrosOf(modifier);
  }
  if (type == "interval") bounds.multiple_of = 1'000;
  return bounds;
}

// NUMERIC(p, s) that a decimal of 38 digits holds. Null: another, whose digits are said as text.
std::shared_ptr<arrow::DataType> DecimalOf(std::int64_t modifier) {
  if (modifier < 4) return nullptr;
  const auto precision = static_cast<std::int32_t>(((modifier - 4) >> 16) & 0xFFFF);
  const auto scale = static_cast<std::int32_t>((((modifier - 4) & 0x7FF) ^ 1024) - 1024);
  if (scale < 0 || std::max(precision, scale) > 38) return nullptr;
  return arrow::decimal128(std::max(precision, scale), scale);
}

// Types whose input functions round what they are given, or cut it off.
bool RoundsItsInput(std::string_view type) { return type == "money" || type == "timetz" || type == "char"; }

WrittenColumn ColumnOf(const TextRow& row) {
  const auto text = [&](int field) { return row[static_cast<std::size_t>(field)].value_or(""); };
  const std::string type = text(kType);
  const std::string modifier_text = text(kModifier);
  std::int64_t modifier = -1;
  std::from_chars(modifier_text.data(), modifier_text.data() + modifier_text.size(), modifier);
  WrittenColumn column{.name = text(kName),
                       .declared = text(kDeclared),
                       .type = PlainTypeOf(type),
                       .bounds = BoundsOf(type, modifier),
                       .cast_to = text(kCast),
                       .nullable = text(kFilled) != "true",
                       .has_default = text(kDefaulted) == "true",
                       .computed = text(kComputed) == "true"};
  if (text(kIsArray) == "true") {
    const auto element = text(kElement);
    if (modifier == -1 && IsListElement(element)) column.type = arrow::list(PlainTypeOf(element));
    return column;
  }
  if (type == "interval" && modifier != -1) column.type = nullptr;
  if (type == "numeric") column.type = DecimalOf(modifier);
  if (column.type != nullptr || RoundsItsInput(type)) return column;
  column.type = arrow::utf8();
  column.cast_there = true;
  column.check = text(kChecks) == "true" ? kCheck : kCheckOfOurs;
  column.rounds = type == "numeric" && modifier >= 4;
  return column;
}

std::optional<std::string> TypeNameOf(const arrow::Field& field) {
  const auto& type = *field.type();
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "boolean";
    case arrow::Type::INT8:
    case arrow::Type::UINT8:
    case arrow::Type::INT16:
      return "smallint";
    case arrow::Type::UINT16:
    case arrow::Type::INT32:
      return "integer";
    case arrow::Type::UINT32:
    case arrow::Type::INT64:
      return "bigint";
    case arrow::Type::UINT64:
      return "numeric(20,0)";
    case arrow::Type::FLOAT:
      return "real";
    case arrow::Type::DOUBLE:
      return "double precision";
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      if (decimal.scale() < 0) return std::nullopt;
      return "numeric(" + std::to_string(decimal.precision()) + "," + std::to_string(decimal.scale()) + ")";
    }
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return IsExtension(field, "arrow.json") ? "json" : "text";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return "bytea";
    case arrow::Type::FIXED_SIZE_BINARY:
      return IsExtension(field, "arrow.uuid") ? "uuid" : "bytea";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "date";
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return "time";
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).timezone().empty() ? "timestamp" : "timestamptz";
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
      return "interval";
    case arrow::Type::DICTIONARY: {
      const auto& values = static_cast<const arrow::DictionaryType&>(type).value_type();
      return TypeNameOf(*arrow::field(field.name(), values));
    }
    case arrow::Type::LIST: {
      const auto element = TypeNameOf(*static_cast<const arrow::ListType&>(type).value_field());
      const bool simple = element && (*element == "boolean" || *element == "smallint" || *element == "integer" ||
                                      *element == "bigint" || *element == "real" || *element == "double precision" ||
                                      *element == "text");
      return simple ? std::optional(*element + "[]") : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

class PostgresWriting final : public WritingDialect {
 public:
  std::vector<std::string> BeginStatements() const override {
    return {"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE"};
  }
  std::vector<std::string> EndStatements() const override { return {}; }
  std::string StatusOption() const override { return "adbc.postgresql.transaction_status"; }

  std::string TargetQuery(const TableRef& table) const override {
    std::string query(kColumns);
    // The schema's name may itself have what is replaced next: the table's goes first, at the place behind.
    query.replace(query.find("$table"), 6, QuoteLiteral(table.name));
    query.replace(query.find("$schema"), 7, QuoteLiteral(table.schema));
    return query;
  }

  arrow::Result<WriteTarget> Target(const TableRef& table, const TextRows& columns) const override {
    WriteTarget target{
        .table = table, .name = QuoteIdentifier(table.schema) + "." + QuoteIdentifier(table.name), .columns = {}};
    for (const auto& row : columns) {
      if (row.size() != kFields) return arrow::Status::Invalid("The catalog answered in another shape");
      const std::string kind = row[kKind].value_or("");
      if (kind != "r" && kind != "p") {
        return arrow::Status::NotImplemented(table.schema, ".", table.name, " is no table but a ",
                                             kind == "f" ? "foreign table" : "view", "; it is only read");
      }
      if (row[kName]) target.columns.push_back(ColumnOf(row));
    }
    return target;
  }

  arrow::Result<std::string> TypeName(const arrow::Field& column) const override {
    if (auto name = TypeNameOf(column)) return *std::move(name);
    return arrow::Status::NotImplemented("Column ", column.name(), " is ", column.type()->ToString(),
                                         ", for which there is no type of PostgreSQL; cast it, to text or JSON say");
  }

  std::vector<std::pair<std::string, std::string>> IngestOptions(const TableRef& table) const override {
    return {{"adbc.ingest.target_table", table.name},
            {"adbc.ingest.target_db_schema", table.schema},
            {"adbc.ingest.mode", "adbc.ingest.mode.append"}};
  }
  std::string CreateStage(const std::string& stage, const std::string& columns) const override {
    return "CREATE TEMPORARY TABLE " + QuoteIdentifier(stage) + " (" + columns + ") ON COMMIT DROP";
  }
  std::string StageName(const std::string& stage) const override { return "pg_temp." + QuoteIdentifier(stage); }
  std::string StageType(const WrittenColumn& column) const override {
    return column.cast_there ? "text" : column.cast_to;
  }
  std::string FromStage(const WrittenColumn& column) const override {
    const std::string value = "s." + QuoteIdentifier(column.name);
    return column.cast_there ? value + "::" + column.cast_to : value;
  }
  std::vector<std::string> CheckStatements(const std::vector<WrittenColumn>& columns) const override {
    const auto needs = [](const WrittenColumn& column) { return column.cast_there && column.check == kCheckOfOurs; };
    if (std::ranges::none_of(columns, needs)) return {};
    return {std::string("CREATE OR REPLACE FUNCTION ") + kCheckOfOurs + kCheckDefinition};
  }
  std::string MisfitQuery(const std::string& stage, const WrittenColumn& column) const override {
    if (!column.cast_there) return {};
    const std::string value = "s." + QuoteIdentifier(column.name);
    const auto is_no = [&](const std::string& type) {
      return "NOT " + column.check + "(" + value + ", " + QuoteLiteral(type) + ")";
    };
    std::string condition = is_no(column.cast_to);
    if (column.rounds) {
      const std::string number = value + "::" + column.cast_to;
      condition = "CASE WHEN " + condition + " THEN true ELSE " + is_no(column.declared) + " OR " + number + " <> (" +
                  number + ")::" + column.declared + " END";
    }
    return "SELECT s." + std::string(kStagedNumber) + "::text, " + value + " FROM " + StageName(stage) +
           " AS s WHERE " + value + " IS NOT NULL AND " + condition + " ORDER BY s." + kStagedNumber + " LIMIT 1";
  }
  std::string RowCondition() const override {
    return std::string("t.ctid = pg_catalog.split_part(s.") + kStagedRow +
           ", ' ', 2)::tid AND t.tableoid = pg_catalog.split_part(s." + kStagedRow + ", ' ', 1)::oid";
  }

 private:
  // The place of a row's version, which is its own within one snapshot.
  std::string RowName() const override { return "(tableoid::int8::text || ' ' || ctid::text)"; }
};

}  // namespace

std::unique_ptr<const WritingDialect> MakePostgresWriting() { return std::make_unique<PostgresWriting>(); }

}  // namespace hyprstream::backend
