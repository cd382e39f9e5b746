// SQLite's queries: what of them means there what it means here.
//
// Values have the class of their declared type, since each column of a table is checked where a query reads it (the
// layout's `value`, which fails for another class). Integers are of 64 bits, dates are the texts of their days, and
// numbers are not computed with: SQLite makes a float of an integer that overflows.

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <array>
#include <cmath>

#include "backend/dialect.h"
#include "backend/query_dialect.h"

namespace hyprstream::backend {
namespace {

constexpr std::string_view kAll = "boolean int64 double text date";
constexpr std::string_view kKeys = "boolean int64 text date";

constexpr auto kCapabilities = std::to_array<Capability>({
    {"literal", kAll, ""},
    {"=", kAll, "($1 = $2)"},
    {"<>", kAll, "($1 <> $2)"},
    {"<", kAll, "($1 < $2)"},
    {"<=", kAll, "($1 <= $2)"},
    {">", kAll, "($1 > $2)"},
    {">=", kAll, "($1 >= $2)"},
    {"is distinct from", kAll, "($1 IS NOT $2)"},
    {"is not distinct from", kAll, "($1 IS $2)"},
    {"in", kAll, ""},
    {"is null", kAll, "($1 IS NULL)"},
    {"is not null", kAll, "($1 IS NOT NULL)"},
    {"and", "boolean", ""},
    {"or", "boolean", ""},
    {"not", "boolean", "(NOT $1)"},
    {"case", kAll, ""},
    {"coalesce", kAll, ""},
    // Of four, two and two digits, which the check of a date has seen.
    {"date_part year", "date", "CAST(substr($1, 1, 4) AS INTEGER)"},
    {"date_part month", "date", "CAST(substr($1, 6, 2) AS INTEGER)"},
    {"date_part day", "date", "CAST(substr($1, 9, 2) AS INTEGER)"},
    {"group by", kKeys, ""},
    {"order by", kAll, ""},
    {"count", kAll, "count($1)$2"},
    {"count distinct", kKeys, "count(DISTINCT $1)$2"},
    // Its own sum stops at 64 bits: the sums of the upper and the lower halves do not.
    {"sum", "int64", "(sum($1 >> 32)$2 || ':' || sum($1 & 4294967295)$2)"},
    {"min", "int64 double text date", "min($1)$2"},
    {"max", "int64 double text date", "max($1)$2"},
});

// Integers that a float holds exactly, whatever reads their digits.
constexpr double kExact = 9007199254740992.0;

class Queries final : public QueryDialect {
 public:
  std::span<const Capability> capabilities() const override { return kCapabilities; }

  std::optional<std::string> Literal(const arrow::DataType& type, const arrow::Scalar& value) const override {
    if (value.type->id() == arrow::Type::BOOL) {
      return static_cast<const arrow::BooleanScalar&>(value).value ? "TRUE" : "FALSE";
    }
    if (value.type->id() == arrow::Type::DOUBLE) {
      const double number = static_cast<const arrow::DoubleScalar&>(value).value;
      if (!(std::abs(number) <= kExact) || std::trunc(number) != number) return std::nullopt;
      return std::to_string(static_cast<std::int64_t>(number)) + ".0";
    }
    return dialect_->Literal(ComparableOf(TypeWord(type)), value);
  }

  std::string Typed(const std::string& sql, const arrow::DataType&) const override { return sql; }
  std::string Ordered(const std::string& sql, std::string_view) const override { return sql; }

  bool Casts(const arrow::DataType& from, const arrow::DataType& to) const override { return from.Equals(to); }

  std::optional<Arrival> SumArrival(std::string_view) const override {
    return Arrival{.arriving = arrow::utf8(), .reading = Reading::kSumParts};
  }

  Arrival ArrivalOf(const std::shared_ptr<arrow::DataType>& type) const override {
    const auto word = TypeWord(*type);
    if (word == "boolean") return {.arriving = arrow::int64(), .reading = Reading::kBoolean};
    if (word == "date") return {.arriving = arrow::utf8(), .reading = Reading::kDateText};
    return {.arriving = type};
  }

  // The driver takes the type of a column from its first values: none of them is NULL.
  ColumnLayout Selected(const std::string& column, const Arrival& arrival) const override {
    const auto* stand_in = arrival.arriving->id() == arrow::Type::INT64    ? "0"
                           : arrival.arriving->id() == arrow::Type::DOUBLE ? "0.0"
                           : arrival.arriving->id() == arrow::Type::BINARY ? "x''"
                                                                           : "''";
    return {.name = {},
            .expression = "CASE WHEN " + column + " IS NULL THEN " + stand_in + " ELSE " + column + " END",
            .arriving = arrival.arriving,
            .reading = arrival.reading,
            .check = "CASE WHEN " + column + " IS NULL THEN 1 ELSE 0 END"};
  }

  bool types_come_with_rows() const override { return true; }

 private:
  const std::unique_ptr<const Dialect> dialect_ = MakeSqliteDialect();
};

}  // namespace

const QueryDialect& SqliteQueries() {
  static const Queries kQueries;
  return kQueries;
}

}  // namespace hyprstream::backend
