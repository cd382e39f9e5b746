// SQLite: its catalog, its declared types, its literals.
//
// A column of SQLite holds values of any class, and its driver takes the type of a column from the first rows. So every
// value is selected with its class beside it, never NULL, in the class that its declared type stands for; another class
// is refused instead of changed.

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "backend/dialect.h"
#include "backend/literals.h"
#include "backend/passed_on.h"
#include "backend/query_dialect.h"
#include "backend/writing_dialect.h"
#include "core/table_ref.h"

namespace hyprstream::backend {
namespace {

constexpr std::int64_t kLastDay = 2'932'896;  // 9999-12-31: what is later has another number of letters
constexpr std::int64_t kFirstDay = -719'528;  // 0000-01-01

// A foreign key may spell what it refers to in another case, and leave out the columns of a primary key. No column is
// NULL in all rows: the driver would make numbers of it.
constexpr std::string_view kKeys = R"(
WITH tables AS (SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'),
refers AS (
  SELECT t.name AS own_table, f.id, f.seq, f."from" AS own, f."to" AS wanted, f.on_update, f.on_delete,
    coalesce((SELECT o.name FROM tables o WHERE lower(o.name) = lower(f."table")), f."table") AS other_table
  FROM tables t, pragma_foreign_key_list(t.name) f),
keys(kind, own_schema, own_table, name, number, own, other_schema, other_table, other, other_name, on_update, on_delete,
  place) AS (
SELECT 'p', 'main', t.name, '', '0', i.name, '', '', '', '', 'a', 'a', i.pk
FROM tables t, pragma_table_info(t.name) i WHERE i.pk > 0
UNION ALL
SELECT 'f', 'main', r.own_table, '', CAST(r.id AS TEXT), r.own, 'main', r.other_table,
  coalesce((SELECT i.name FROM pragma_table_info(r.other_table) i
    WHERE CASE WHEN r.wanted IS NULL THEN i.pk = r.seq + 1 ELSE lower(i.name) = lower(r.wanted) END), r.wanted, ''),
  '', CASE upper(r.on_update) WHEN 'CASCADE' THEN 'c' WHEN 'RESTRICT' THEN 'r' WHEN 'SET NULL' THEN 'n'
    WHEN 'SET DEFAULT' THEN 'd' ELSE 'a' END,
  CASE upper(r.on_delete) WHEN 'CASCADE' THEN 'c' WHEN 'RESTRICT' THEN 'r' WHEN 'SET NULL' THEN 'n'
    WHEN 'SET DEFAULT' THEN 'd' ELSE 'a' END, r.seq
FROM refers r)
SELECT kind, own_schema, own_table, name, number, own, other_schema, other_table, other, other_name, on_update, on_delete
FROM keys ORDER BY own_table, kind DESC, number, place)";

// What a declared type stands for.
struct Declared {
  std::shared_ptr<arrow::DataType> type;
  std::shared_ptr<arrow::DataType> arriving;
  Reading reading;
  Comparable comparable;
  const char* value;     // of the column `$`, where it is not NULL
  const char* classes;   // that are allowed
  const char* stand_in;  // where it is NULL
};

bool Has(const std::string& type, std::string_view part) { return type.find(part) != std::string::npos; }

// SQLite's own rules of affinity, after the names that mean a boolean or a time to everybody else.
Declared DeclaredOf(const std::string& type) {
  if (Has(type, "bool")) {
    return {arrow::boolean(), arrow::int64(), Reading::kBoolean, Comparable::kNone, "$", "'integer'", "0"};
  }
  if (type == "date") {
    return {arrow::date32(), arrow::utf8(), Reading::kDateText, Comparable::kDate, "$", "'text'", "''"};
  }
  if (Has(type, "timestamp") || Has(type, "datetime")) {
    return {arrow::timestamp(arrow::TimeUnit::MICRO),
            arrow::utf8(),
            Reading::kTimeText,
            Comparable::kNone,
            "$",
            "'text'",
            "''"};
  }
  if (Has(type, "int")) {
    return {arrow::int64(), arrow::int64(), Reading::kAsIs, Comparable::kInteger, "$", "'integer'", "0"};
  }
  if (Has(type, "char") || Has(type, "clob") || Has(type, "text")) {
    return {arrow::utf8(), arrow::utf8(), Reading::kAsIs, Comparable::kText, "$", "'text'", "''"};
  }
  if (Has(type, "blob")) {
    return {arrow::binary(), arrow::binary(), Reading::kAsIs, Comparable::kNone, "$", "'blob'", "x''"};
  }
  if (Has(type, "real") || Has(type, "floa") || Has(type, "doub") || Has(type, "dec") || Has(type, "num")) {
    // An integer beyond 2^53 would lose digits.
    return {arrow::float64(),
            arrow::float64(),
            Reading::kAsIs,
            Comparable::kNone,
            "CAST($ AS REAL)",
            "'real', CASE WHEN $ BETWEEN -9007199254740992 AND 9007199254740992 THEN 'integer' END",
            "0.0"};
  }
  // Nothing that says what it holds: its text, of numbers with all their digits.
  return {arrow::utf8(),
          arrow::utf8(),
          Reading::kAsIs,
          Comparable::kNone,
          "CASE typeof($) WHEN 'real' THEN printf('%!.17g', $) ELSE CAST($ AS TEXT) END",
          "'text', 'integer', 'real'",
          "''"};
}

std::string With(std::string_view pattern, const std::string& column) {
  std::string text;
  for (const char c : pattern) text += c == '$' ? column : std::string(1, c);
  return text;
}

// What a query makes of values of a declared type, each of which is looked at: of a boolean that it is 0 or 1, of a
// date that it is one, as they are where they are read.
Comparable ComputedOf(const Declared& declared) {
  if (declared.reading == Reading::kBoolean) return Comparable::kBoolean;
  if (declared.type->id() == arrow::Type::DOUBLE) return Comparable::kDouble;
  return declared.comparable;
}

std::string ValueOf(const Declared& declared, const std::string& name, const std::string& type) {
  std::string further;
  if (declared.reading == Reading::kBoolean) further = " AND $ IN (0, 1)";
  if (declared.reading == Reading::kDateText) further = " AND length($) = 10 AND date($) IS $ COLLATE BINARY";
  // What is no path of JSON is an error, and its text is told.
  const auto told =
      QuoteLiteral("column " + name + " has a value of another class than its declared type " + type + ": ");
  const auto column = "t." + QuoteIdentifier(name);
  const auto fits = std::string("typeof($) IN (") + declared.classes + ")" + further;
  return With("CASE WHEN $ IS NULL THEN NULL WHEN " + fits + " THEN " + declared.value + " ELSE json_extract('{}', ",
              column) +
         told + " || typeof(" + column + ")) END";
}

class SqliteDialect final : public Dialect {
 public:
  const QueryDialect* queries() const override { return &SqliteQueries(); }
  const WritingDialect* writing() const override { return writing_.get(); }

  std::vector<std::string> SessionStatements() const override {
    // The last one reads the file's header: SQLite opens what is no database without an error.
    return {"PRAGMA busy_timeout = 5000", "PRAGMA query_only = on", "PRAGMA schema_version"};
  }

  std::vector<std::pair<std::string, std::string>> StatementOptions() const override { return {}; }
  bool describes_statements() const override { return false; }

  std::string SchemasQuery() const override { return "SELECT 'main' AS name"; }

  std::string TablesQuery(const std::string& schema) const override {
    return "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE "
           "'\\' "
           "AND " +
           QuoteLiteral(schema) + " = 'main' ORDER BY 1";
  }

  std::string KeysQuery() const override { return std::string(kKeys); }

  std::string ColumnsQuery(const std::string& schema, const std::string& table) const override {
    return "SELECT name, lower(coalesce(type, '')), CAST(\"notnull\" AS TEXT), (SELECT encoding FROM pragma_encoding) "
           "FROM "
           "pragma_table_xinfo(" +
           QuoteLiteral(table) + ", 'main') WHERE hidden <> 1 AND " + QuoteLiteral(schema) + " = 'main' ORDER BY cid";
  }

  arrow::Result<TableLayout> Layout(const std::string& schema, const std::string& table,
                                    const TextRows& columns) const override {
    TableLayout layout;
    arrow::FieldVector fields;
    for (const auto& row : columns) {
      if (row.size() != 4) return arrow::Status::Invalid("The catalog answered in another shape");
      const std::string name = row[0].value_or("");
      const std::string type = row[1].value_or("");
      const auto declared = DeclaredOf(type);
      // Qualified: a name in quotes that is no column's would be a text.
      const std::string column = "t." + QuoteIdentifier(name);
      layout.columns.push_back(
          {.name = name,
           .expression = With(std::string("CASE WHEN typeof($) IN (") + declared.classes + ") THEN " + declared.value +
                                  " ELSE " + declared.stand_in + " END",
                              column),
           .arriving = declared.arriving,
           .reading = declared.reading,
           .comparable = declared.comparable,
           .compared = declared.comparable == Comparable::kText ? column + " COLLATE BINARY" : column,
           .check = With(
               std::string("CASE WHEN $ IS NULL THEN 1 WHEN typeof($) IN (") + declared.classes + ") THEN 0 ELSE 2 END",
               column),
           .refusal = "has a value of another class than its declared type " + type +
                      " (read it with a CAST through backend_query)",
           .declared = type,
           .value = ValueOf(declared, name, type),
           // Texts are in the order of their bytes, whichever these are.
           .computed = row[3].value_or("") == "UTF-8" ? ComputedOf(declared) : Comparable::kNone});
      fields.push_back(arrow::field(name, declared.type, row[2].value_or("0") == "0"));
    }
    layout.schema = arrow::schema(std::move(fields));
    layout.from = QuoteIdentifier(schema) + "." + QuoteIdentifier(table) + " AS t";
    layout.types_come_with_rows = true;
    return layout;
  }

  // Other statements write files (VACUUM INTO), open them (ATTACH) or take back that this connection only reads
  // (PRAGMA).
  arrow::Status CheckPassedOn(const std::string& statement) const override {
    const std::string word = FirstWord(statement);
    if (word == "select" || word == "with" || word == "values" || word == "explain") return arrow::Status::OK();
    return arrow::Status::Invalid("a statement begins with SELECT, WITH, VALUES or EXPLAIN here: it is there to read");
  }

  arrow::Result<TableLayout> LayoutOfStatement(const arrow::Schema& schema) const override {
    TableLayout layout;
    for (const auto& field : schema.fields()) {
      layout.columns.push_back({.name = field->name(), .expression = {}, .arriving = field->type()});
    }
    layout.schema = std::make_shared<arrow::Schema>(schema);
    layout.types_come_with_rows = true;
    return layout;
  }

  std::optional<std::string> Literal(Comparable comparable, const arrow::Scalar& value) const override {
    switch (comparable) {
      case Comparable::kInteger:
        if (value.type->id() != arrow::Type::INT64) return std::nullopt;
        return std::to_string(static_cast<const arrow::Int64Scalar&>(value).value);
      case Comparable::kText: {
        if (value.type->id() != arrow::Type::STRING) return std::nullopt;
        const std::string text = static_cast<const arrow::StringScalar&>(value).value->ToString();
        return text.find('\0') == std::string::npos ? std::optional(QuoteLiteral(text)) : std::nullopt;
      }
      case Comparable::kDate: {
        if (value.type->id() != arrow::Type::DATE32) return std::nullopt;
        const auto days = static_cast<const arrow::Date32Scalar&>(value).value;
        if (days < kFirstDay + 366 || days > kLastDay) return std::nullopt;
        return QuoteLiteral(DateText(days));
      }
      default:
        return std::nullopt;
    }
  }

 private:
  const std::unique_ptr<const WritingDialect> writing_ = MakeSqliteWriting();
};

}  // namespace

std::unique_ptr<const Dialect> MakeSqliteDialect() { return std::make_unique<SqliteDialect>(); }

}  // namespace hyprstream::backend
