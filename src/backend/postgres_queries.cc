// PostgreSQL's queries: what of them means there what it means here.
//
// Texts are columns of a deterministic collation in a database of UTF-8 (the layout sees to it), so that equal is equal
// byte by byte; where order matters COLLATE "C" is put. NaN is equal to itself and the greatest there as here, and
// infinite times are likewise.

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <array>

#include "backend/dialect.h"
#include "backend/query_dialect.h"

namespace hyprstream::backend {
namespace {

constexpr std::string_view kAll =
    "boolean int16 int32 int64 float double decimal text date time timestamp timestamptz uuid";
constexpr std::string_view kOrdered =
    "boolean int16 int32 int64 float double decimal text date time timestamp timestamptz";
// Not floats: which of 0.0 and -0.0 is kept is chance.
constexpr std::string_view kKeys = "boolean int16 int32 int64 decimal text date time timestamp timestamptz uuid";
constexpr std::string_view kExtremes = "int16 int32 int64 float double decimal text date time timestamp timestamptz";
constexpr std::string_view kTimes = "date timestamp";

constexpr auto kCapabilities = std::to_array<Capability>({
    {"literal", kAll, ""},
    {"=", kAll, "($1 = $2)"},
    {"<>", kAll, "($1 <> $2)"},
    {"<", kOrdered, "($1 < $2)"},
    {"<=", kOrdered, "($1 <= $2)"},
    {">", kOrdered, "($1 > $2)"},
    {">=", kOrdered, "($1 >= $2)"},
    {"is distinct from", kAll, "($1 IS DISTINCT FROM $2)"},
    {"is not distinct from", kAll, "($1 IS NOT DISTINCT FROM $2)"},
    {"in", kAll, ""},
    {"is null", kAll, "($1 IS NULL)"},
    {"is not null", kAll, "($1 IS NOT NULL)"},
    {"and", "boolean", ""},
    {"or", "boolean", ""},
    {"not", "boolean", "(NOT $1)"},
    {"case", kAll, ""},
    {"coalesce", kAll, ""},
    {"~~", "text", "($1 LIKE $2 ESCAPE '')"},
    {"!~~", "text", "($1 NOT LIKE $2 ESCAPE '')"},
    {"prefix", "text", "starts_with($1, $2)"},
    {"starts_with", "text", "starts_with($1, $2)"},
    {"contains", "text", "(strpos($1, $2) > 0)"},
    {"length", "text", "length($1)::int8"},
    {"strlen", "text", "octet_length($1)::int8"},
    {"date_trunc second", "timestamp", "date_trunc('second', $1)"},
    {"date_trunc minute", "timestamp", "date_trunc('minute', $1)"},
    {"date_trunc hour", "timestamp", "date_trunc('hour', $1)"},
    {"date_trunc day", "timestamp", "date_trunc('day', $1)"},
    // A year before the first is counted from 0 here; of an infinite time there is none.
    {"date_part year", kTimes,
     "(CASE WHEN isfinite($1) THEN extract(year from $1) + (CASE WHEN extract(year from $1) < 0 THEN 1 ELSE 0 END) "
     "END)::int8"},
    {"date_part month", kTimes, "(CASE WHEN isfinite($1) THEN extract(month from $1) END)::int8"},
    {"date_part day", kTimes, "(CASE WHEN isfinite($1) THEN extract(day from $1) END)::int8"},
    {"date_part hour", "timestamp", "(CASE WHEN isfinite($1) THEN extract(hour from $1) END)::int8"},
    {"date_part minute", "timestamp", "(CASE WHEN isfinite($1) THEN extract(minute from $1) END)::int8"},
    {"group by", kKeys, ""},
    {"order by", kOrdered, ""},
    {"count", kAll, "count($1)$2"},
    {"count distinct", kKeys, "count(DISTINCT $1)$2"},
    {"sum", "int16 int32 int64 decimal", "sum($1)$2"},
    {"min", kExtremes, "min($1)$2"},
    {"max", kExtremes, "max($1)$2"},
});

int DigitsOf(std::string_view word) { return word == "int16" ? 5 : word == "int32" ? 10 : word == "int64" ? 19 : 0; }

class Queries final : public QueryDialect {
 public:
  std::span<const Capability> capabilities() const override { return kCapabilities; }

  std::optional<std::string> Literal(const arrow::DataType& type, const arrow::Scalar& value) const override {
    const auto word = TypeWord(type);
    const auto text = dialect_->Literal(ComparableOf(word), value);
    if (!text) return std::nullopt;
    return word == "int16" || word == "int32" ? Typed(*text, type) : *text;
  }

  std::string Typed(const std::string& sql, const arrow::DataType& of) const override {
    const auto word = TypeWord(of);
    const auto type = word == "int16"     ? "int2"
                      : word == "int32"   ? "int4"
                      : word == "int64"   ? "int8"
                      : word == "float"   ? "float4"
                      : word == "double"  ? "float8"
                      : word == "decimal" ? "numeric"
                                          : word;
    return "(" + sql + ")::" + std::string(type);
  }

  std::string Ordered(const std::string& sql, std::string_view word) const override {
    return word == "text" ? "(" + sql + " COLLATE \"C\")" : sql;
  }

  bool Casts(const arrow::DataType& from, const arrow::DataType& to) const override {
    const auto one = TypeWord(from);
    const auto other = TypeWord(to);
    if (one.empty() || other.empty()) return false;
    if (from.Equals(to)) return true;
    const int digits = DigitsOf(one);
    if (other == "decimal") {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(to);
      const int before = decimal.precision() - decimal.scale();
      if (digits > 0) return before >= digits;
      if (one != "decimal") return false;
      const auto& narrow = static_cast<const arrow::Decimal128Type&>(from);
      return decimal.scale() >= narrow.scale() && before >= narrow.precision() - narrow.scale();
    }
    if (digits > 0 && DigitsOf(other) > 0) return digits <= DigitsOf(other);
    if (other == "double") return digits > 0 || one == "float";
    return other == "text" && digits > 0;
  }

  Arrival ArrivalOf(const std::shared_ptr<arrow::DataType>& type) const override {
    const auto word = TypeWord(*type);
    if (word == "decimal") return {.arriving = arrow::utf8(), .reading = Reading::kDecimalText};
    if (word == "date") return {.arriving = type, .reading = Reading::kDate};
    if (word == "timestamp" || word == "timestamptz") return {.arriving = type, .reading = Reading::kTimestamp};
    return {.arriving = type};
  }

  ColumnLayout Selected(const std::string& column, const Arrival& arrival) const override {
    return {.name = {}, .expression = column, .arriving = arrival.arriving, .reading = arrival.reading};
  }

 private:
  const std::unique_ptr<const Dialect> dialect_ = MakePostgresDialect();
};

}  // namespace

const QueryDialect& PostgresQueries() {
  static const Queries kQueries;
  return kQueries;
}

}  // namespace hyprstream::backend
