// Snowflake: its catalog and its types. Of conditions only what certainly means the same: numbers, dates, booleans.
//
// Its driver describes a statement otherwise than it then gives the rows (a TIMESTAMP_NTZ with a zone), so that the
// catalog says the types, and a statement of a client is run to be described.

#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <charconv>
#include <string_view>
#include <utility>

#include "backend/dialect.h"
#include "backend/literals.h"
#include "backend/passed_on.h"
#include "backend/snowflake_values.h"
#include "core/table_ref.h"

namespace hyprstream::backend {
namespace {

// Years 1 to 9999.
constexpr std::int64_t kFirstDay = -719'162;
constexpr std::int64_t kLastDay = 2'932'896;

// The columns of ColumnsQuery.
enum { kName, kType, kNullable, kPrecision, kScale, kTable, kColumnFields };

int Number(const std::optional<std::string>& text) {
  int number = -1;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

// What the driver gives for it, with `use_high_precision`; null: it depends on the session.
std::shared_ptr<arrow::DataType> TypeOf(const TextRow& row) {
  const std::string type = row[kType].value_or("");
  if (type == "NUMBER") {
    const int precision = Number(row[kPrecision]);
    const int scale = Number(row[kScale]);
    const bool known = precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision;
    return known ? arrow::decimal128(precision, scale) : nullptr;
  }
  if (type == "FLOAT") return arrow::float64();
  if (type == "BOOLEAN") return arrow::boolean();
  if (type == "DATE") return arrow::date32();
  if (type == "TIME") return arrow::time64(arrow::TimeUnit::NANO);
  if (type == "TIMESTAMP_NTZ") return arrow::timestamp(arrow::TimeUnit::NANO);
  if (type == "BINARY") return arrow::binary();
  if (type == "TEXT") return arrow::utf8();
  return nullptr;
}

Comparable ComparedAs(const std::string& type) {
  if (type == "NUMBER") return Comparable::kDecimal;
  if (type == "DATE") return Comparable::kDate;
  return type == "BOOLEAN" ? Comparable::kBoolean : Comparable::kNone;
}

class SnowflakeDialect final : public Dialect {
 public:
  std::vector<std::string> SessionStatements() const override { return {}; }
  std::vector<std::pair<std::string, std::string>> StatementOptions() const override { return {}; }
  bool describes_statements() const override { return false; }
  bool takes_expressions() const override { return false; }  // its count(*) is a decimal
  bool writes_by_values() const override { return true; }
  // The driver's option begins one twice, and begins another after each.
  bool begins_by_statement() const override { return true; }

  std::string SchemasQuery() const override {
    return "SELECT schema_name FROM information_schema.schemata WHERE schema_name <> 'INFORMATION_SCHEMA' ORDER BY 1";
  }

  std::string TablesQuery(const std::string& schema) const override {
    const auto there = " WHERE table_schema = " + SnowflakeLiteral(schema);
    return "SELECT table_name, CASE WHEN table_type LIKE '%VIEW%' THEN 'view' ELSE 'table' END FROM "
           "information_schema.tables" +
           there + " UNION SELECT table_name, 'view' FROM information_schema.views" + there + " ORDER BY 1";
  }

  std::string ColumnsQuery(const std::string& schema, const std::string& table) const override {
    return "SELECT column_name, data_type, is_nullable, CAST(numeric_precision AS VARCHAR), CAST(numeric_scale AS "
           "VARCHAR), table_name FROM information_schema.columns WHERE table_schema = " +
           SnowflakeLiteral(schema) + " AND table_name IN (" + SnowflakeLiteral(table) + ", " +
           SnowflakeLiteral(SnowflakeName(table)) + ") ORDER BY ordinal_position";
  }

  arrow::Result<TableLayout> Layout(const std::string& schema, const std::string& table,
                                    const TextRows& columns) const override {
    TableLayout layout;
    arrow::FieldVector fields;
    std::string spelled;  // as the table is, or as its name is taken without quotes
    for (const auto& row : columns) {
      if (row.size() != kColumnFields) return arrow::Status::Invalid("The catalog answered in another shape");
      if (spelled != table) spelled = row[kTable].value_or("");
    }
    for (const auto& row : columns) {
      if (row[kTable] != spelled) continue;
      ColumnLayout column{.name = row[kName].value_or(""),
                          .expression = QuoteIdentifier(row[kName].value_or("")),
                          .arriving = TypeOf(row)};
      column.declared = row[kType].value_or("");
      column.comparable = ComparedAs(column.declared);
      fields.push_back(arrow::field(column.name, column.arriving == nullptr ? arrow::null() : column.arriving,
                                    row[kNullable].value_or("") != "NO"));
      layout.columns.push_back(std::move(column));
    }
    layout.schema = arrow::schema(std::move(fields));
    layout.from = QuoteIdentifier(schema) + "." + QuoteIdentifier(spelled);
    return layout;
  }

  arrow::Status CheckPassedOn(const std::string& statement) const override { return CheckReadsOnce(statement); }
  arrow::Result<TableLayout> LayoutOfStatement(const arrow::Schema& schema) const override {
    return generic_->LayoutOfStatement(schema);
  }

  std::optional<std::string> Literal(Comparable comparable, const arrow::Scalar& value) const override {
    const auto id = value.type->id();
    switch (comparable) {
      case Comparable::kBoolean:
        if (id != arrow::Type::BOOL) return std::nullopt;
        return static_cast<const arrow::BooleanScalar&>(value).value ? "TRUE" : "FALSE";
      case Comparable::kDecimal: {
        if (id != arrow::Type::DECIMAL128) return std::nullopt;
        const auto& type = static_cast<const arrow::Decimal128Type&>(*value.type);
        if (type.scale() < 0) return std::nullopt;
        return PlainDecimal(static_cast<const arrow::Decimal128Scalar&>(value).value, type.scale());
      }
      case Comparable::kDate: {
        if (id != arrow::Type::DATE32) return std::nullopt;
        const auto days = static_cast<const arrow::Date32Scalar&>(value).value;
        if (days < kFirstDay || days > kLastDay) return std::nullopt;
        return "CAST(" + QuoteLiteral(DateText(days)) + " AS DATE)";
      }
      default:
        return std::nullopt;
    }
  }

 private:
  const std::unique_ptr<const Dialect> generic_ = MakeGenericDialect();
};

}  // namespace

std::unique_ptr<const Dialect> MakeSnowflakeDialect() { return std::make_unique<SnowflakeDialect>(); }

}  // namespace hyprstream::backend
