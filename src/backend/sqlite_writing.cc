// SQLite: what its columns take, and how its tables are changed.
//
// SQLite stores whatever it is given, or what its column's affinity makes of that. Columns get values of the class that
// their declared type stands for when it is read (sqlite_dialect.cc), so that what was written is what is read.

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/key_value_metadata.h>

#include <optional>
#include <string_view>

#include "backend/writing_dialect.h"

namespace hyprstream::backend {
namespace {

constexpr std::int64_t kFirstDay = -719'162;  // 0001-01-01
constexpr std::int64_t kLastDay = 2'932'896;  // 9999-12-31
constexpr std::int64_t kMicrosADay = 86'400'000'000;

enum { kKind, kWithoutRowid, kName, kType, kNotNull, kDefault, kHidden, kKey, kKeys, kFields };

bool Has(const std::string& type, std::string_view part) { return type.find(part) != std::string::npos; }

// By the same rules as columns are read.
void SetType(WrittenColumn& column, const std::string& type) {
  if (Has(type, "bool")) {
    column.type = arrow::boolean();
    column.encoding = Encoding::kInteger;
  } else if (type == "date") {
    column.type = arrow::date32();
    column.encoding = Encoding::kDateText;
    column.bounds.least = kFirstDay;
    column.bounds.greatest = kLastDay;
  } else if (Has(type, "timestamp") || Has(type, "datetime")) {
    column.type = arrow::timestamp(arrow::TimeUnit::MICRO);
    column.encoding = Encoding::kTimestampText;
    column.bounds.least = kFirstDay * kMicrosADay;
    column.bounds.greatest = (kLastDay + 1) * kMicrosADay - 1;
  } else if (Has(type, "int")) {
    column.type = arrow::int64();
  } else if (Has(type, "char") || Has(type, "clob") || Has(type, "text")) {
    column.type = arrow::utf8();
  } else if (Has(type, "blob")) {
    column.type = arrow::binary();
  } else if (Has(type, "real") || Has(type, "floa") || Has(type, "doub") || Has(type, "dec") || Has(type, "num")) {
    column.type = arrow::float64();
    column.bounds.takes_nan = false;  // it would be NULL
  } else {
    column.type = arrow::utf8();
    column.bounds.takes_number_texts = type.empty();
  }
}

WrittenColumn ColumnOf(const TextRow& row) {
  const auto text = [&](int field) { return row[static_cast<std::size_t>(field)].value_or(""); };
  const std::string type = text(kType);
  WrittenColumn column{.name = text(kName),
                       .declared = type.empty() ? "a column of no type" : type,
                       .cast_to = type,
                       .nullable = text(kNotNull) == "0",
                       .has_default = text(kDefault) == "yes",
                       .computed = text(kHidden) == "2" || text(kHidden) == "3"};
  SetType(column, type);
  if (type == "integer" && text(kKey) == "1" && text(kKeys) == "1" && text(kWithoutRowid) == "0") {
    column.has_default = true;  // the row's number
    column.nullable = false;    // which a NULL would become
  }
  return column;
}

std::optional<std::string> TypeNameOf(const arrow::Field& field) {
  const auto& type = *field.type();
  if (arrow::is_integer(type.id())) return "INTEGER";
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "BOOLEAN";
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return "REAL";
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return "TEXT";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return "BLOB";
    case arrow::Type::FIXED_SIZE_BINARY:
      return IsExtension(field, "arrow.uuid") ? "TEXT" : "BLOB";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "DATE";
    case arrow::Type::TIMESTAMP:
      // The zone would be lost.
      if (!static_cast<const arrow::TimestampType&>(type).timezone().empty()) return std::nullopt;
      return "TIMESTAMP";
    case arrow::Type::DICTIONARY: {
      const auto& values = static_cast<const arrow::DictionaryType&>(type).value_type();
      return TypeNameOf(*arrow::field(field.name(), values));
    }
    default:
      return std::nullopt;
  }
}

class SqliteWriting final : public WritingDialect {
 public:
  // The transaction that the driver begins takes the lock of writers when it first writes, and is refused at once if it
  // has read before while another has written: each writer waits for the others here instead, for the busy timeout.
  std::vector<std::string> BeginStatements() const override {
    return {"PRAGMA query_only = off", "COMMIT", "BEGIN IMMEDIATE"};
  }
  std::vector<std::string> EndStatements() const override { return {"PRAGMA query_only = on"}; }

  std::string TargetQuery(const TableRef& table) const override {
    const std::string name = QuoteLiteral(table.name);
    return "SELECT l.type, CAST(l.wr AS TEXT), c.name, lower(coalesce(c.type, '')), CAST(c.\"notnull\" AS TEXT), "
           "CASE WHEN c.dflt_value IS NULL THEN 'no' ELSE 'yes' END, CAST(c.hidden AS TEXT), CAST(c.pk AS TEXT), "
           "CAST((SELECT count(*) FROM "
           "pragma_table_xinfo(" +
           name + ", 'main') WHERE pk > 0) AS TEXT) FROM pragma_table_list AS l, pragma_table_xinfo(" + name +
           ", 'main') AS c WHERE l.schema = 'main' AND lower(l.name) = lower(" + name + ") AND c.hidden <> 1 AND " +
           QuoteLiteral(table.schema) + " = 'main' ORDER BY c.cid";
  }

  arrow::Result<WriteTarget> Target(const TableRef& table, const TextRows& columns) const override {
    WriteTarget target{
        .table = table, .name = QuoteIdentifier(table.schema) + "." + QuoteIdentifier(table.name), .columns = {}};
    for (const auto& row : columns) {
      if (row.size() != kFields) return arrow::Status::Invalid("The catalog answered in another shape");
      const std::string kind = row[kKind].value_or("");
      if (kind != "table") {
        return arrow::Status::NotImplemented(table.name, " is no table but a ", kind, "; it is only read");
      }
      if (row[kWithoutRowid] != "0") target.row_names_refused = "it is a table WITHOUT ROWID";
      if (FoldIdentifier(row[kName].value_or("")) == "_rowid_") target.row_names_refused = "it has a column _rowid_";
      target.columns.push_back(ColumnOf(row));
    }
    return target;
  }

  arrow::Result<std::string> TypeName(const arrow::Field& column) const override {
    if (auto name = TypeNameOf(column)) return *std::move(name);
    return arrow::Status::NotImplemented("Column ", column.name(), " is ", column.type()->ToString(),
                                         ", which SQLite cannot hold as it is; cast it, to DOUBLE or text say");
  }

  std::vector<std::pair<std::string, std::string>> IngestOptions(const TableRef& table) const override {
    return {{"adbc.ingest.target_table", table.name}, {"adbc.ingest.mode", "adbc.ingest.mode.append"}};
  }
  std::string CreateStage(const std::string& stage, const std::string& columns) const override {
    return "CREATE TEMPORARY TABLE " + QuoteIdentifier(stage) + " (" + columns + ")";
  }
  std::string StageName(const std::string& stage) const override { return "temp." + QuoteIdentifier(stage); }
  // None: the stage keeps values as they are given.
  std::string StageType(const WrittenColumn&) const override { return {}; }
  std::string FromStage(const WrittenColumn& column) const override { return "s." + QuoteIdentifier(column.name); }
  std::string MisfitQuery(const std::string&, const WrittenColumn&) const override { return {}; }
  std::string RowCondition() const override { return std::string("t._rowid_ = CAST(s.") + kStagedRow + " AS INTEGER)"; }

 private:
  std::string RowName() const override { return "CAST(t._rowid_ AS TEXT)"; }
};

}  // namespace

std::unique_ptr<const WritingDialect> MakeSqliteWriting() { return std::make_unique<SqliteWriting>(); }

}  // namespace hyprstream::backend
