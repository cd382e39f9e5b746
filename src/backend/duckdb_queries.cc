// DuckDB's queries: what of them means there what it means here.
//
// It is the same engine, so that nearly everything does, down to NaN, infinite times and the order of nulls. What is
// left out depends on a session's settings (zones of TIMESTAMPTZ, intervals), on the order of rows (sums of floats),
// fails for some values only (arithmetic that overflows, narrowing casts), or is not told apart here (HUGEINT is a
// decimal).

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <array>

#include "backend/dialect.h"
#include "backend/query_dialect.h"

namespace hyprstream::backend {
namespace {

constexpr std::string_view kAll =
    "boolean int8 int16 int32 int64 uint8 uint16 uint32 uint64 float double decimal text date time timestamp "
    "timestamptz uuid";
// Not floats: which of 0.0 and -0.0 is kept is chance.
constexpr std::string_view kKeys =
    "boolean int8 int16 int32 int64 uint8 uint16 uint32 uint64 decimal text date time timestamp timestamptz uuid";
// Of a column of a file that has nothing but -infinity DuckDB says that its max is the least finite time: it takes the
// statistics that it has stored for the answer. Of arg_max() it has none.
constexpr std::string_view kInfinite = "date timestamp timestamptz";
constexpr std::string_view kFinite =
    "boolean int8 int16 int32 int64 uint8 uint16 uint32 uint64 float double decimal text time uuid";
constexpr std::string_view kSummed = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 decimal";
constexpr std::string_view kTimes = "date timestamp";

constexpr auto kCapabilities = std::to_array<Capability>({
    {"literal", kAll, ""},
    {"=", kAll, "($1 = $2)"},
    {"<>", kAll, "($1 <> $2)"},
    {"<", kAll, "($1 < $2)"},
    {"<=", kAll, "($1 <= $2)"},
    {">", kAll, "($1 > $2)"},
    {">=", kAll, "($1 >= $2)"},
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
    {"~~", "text", "($1 LIKE $2)"},
    {"!~~", "text", "($1 NOT LIKE $2)"},
    {"prefix", "text", "prefix($1, $2)"},
    {"suffix", "text", "suffix($1, $2)"},
    {"starts_with", "text", "starts_with($1, $2)"},
    {"ends_with", "text", "ends_with($1, $2)"},
    {"contains", "text", "contains($1, $2)"},
    {"length", "text", "length($1)"},
    {"strlen", "text", "strlen($1)"},
    {"lower", "text", "lower($1)"},
    {"upper", "text", "upper($1)"},
    {"trim", "text", "trim($1)"},
    {"date_trunc second", "timestamp", "date_trunc('second', $1)"},
    {"date_trunc minute", "timestamp", "date_trunc('minute', $1)"},
    {"date_trunc hour", "timestamp", "date_trunc('hour', $1)"},
    {"date_trunc day", "timestamp", "date_trunc('day', $1)"},
    {"date_trunc week", "timestamp", "date_trunc('week', $1)"},
    {"date_trunc month", "timestamp", "date_trunc('month', $1)"},
    {"date_trunc quarter", "timestamp", "date_trunc('quarter', $1)"},
    {"date_trunc year", "timestamp", "date_trunc('year', $1)"},
    {"date_part year", kTimes, "date_part('year', $1)"},
    {"date_part month", kTimes, "date_part('month', $1)"},
    {"date_part day", kTimes, "date_part('day', $1)"},
    {"date_part hour", "timestamp", "date_part('hour', $1)"},
    {"date_part minute", "timestamp", "date_part('minute', $1)"},
    {"second", "timestamp", "second($1)"},
    {"quarter", kTimes, "quarter($1)"},
    {"dayofweek", kTimes, "dayofweek($1)"},
    {"group by", kKeys, ""},
    {"order by", kAll, ""},
    {"count", kAll, "count($1)$2"},
    {"count distinct", kKeys, "count(DISTINCT $1)$2"},
    {"sum", kSummed, "sum($1)$2"},
    {"min", kFinite, "min($1)$2"},
    {"min", kInfinite, "arg_min($1, $1)$2"},
    {"max", kFinite, "max($1)$2"},
    {"max", kInfinite, "arg_max($1, $1)$2"},
    {"bool_and", "boolean", "bool_and($1)$2"},
    {"bool_or", "boolean", "bool_or($1)$2"},
});

struct Integer {
  std::string_view word;
  std::string_view name;
  int digits;  // of the greatest; more than any narrower one has
  bool has_sign;
};

constexpr auto kIntegers = std::to_array<Integer>({{"int8", "TINYINT", 3, true},
                                                   {"int16", "SMALLINT", 5, true},
                                                   {"int32", "INTEGER", 10, true},
                                                   {"int64", "BIGINT", 19, true},
                                                   {"uint8", "UTINYINT", 3, false},
                                                   {"uint16", "USMALLINT", 5, false},
                                                   {"uint32", "UINTEGER", 10, false},
                                                   {"uint64", "UBIGINT", 20, false}});

const Integer* IntegerOf(std::string_view word) {
  for (const auto& integer : kIntegers) {
    if (integer.word == word) return &integer;
  }
  return nullptr;
}

std::string TypeName(const arrow::DataType& type) {
  const auto word = TypeWord(type);
  if (const auto* integer = IntegerOf(word)) return std::string(integer->name);
  if (word == "decimal") {
    const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
    return "DECIMAL(" + std::to_string(decimal.precision()) + "," + std::to_string(decimal.scale()) + ")";
  }
  return word == "text" ? "VARCHAR" : std::string(word);
}

class Queries final : public QueryDialect {
 public:
  std::span<const Capability> capabilities() const override { return kCapabilities; }

  std::optional<std::string> Literal(const arrow::DataType& type, const arrow::Scalar& value) const override {
    auto text = dialect_->Literal(ComparableOf(TypeWord(type)), value);
    if (text && IntegerOf(TypeWord(type)) != nullptr) return Typed(*text, type);
    return text;
  }

  std::string Typed(const std::string& sql, const arrow::DataType& type) const override {
    return "(" + sql + ")::" + TypeName(type);
  }

  // Columns of texts are collated by their bytes, and so is what is made of them.
  std::string Ordered(const std::string& sql, std::string_view) const override { return sql; }

  bool Casts(const arrow::DataType& from, const arrow::DataType& to) const override {
    const auto one = TypeWord(from);
    const auto other = TypeWord(to);
    if (one.empty() || other.empty()) return false;
    if (from.Equals(to)) return true;
    const auto* integer = IntegerOf(one);
    if (other == "decimal") {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(to);
      const int before = decimal.precision() - decimal.scale();
      if (integer != nullptr) return before >= integer->digits;
      if (one != "decimal") return false;
      const auto& narrow = static_cast<const arrow::Decimal128Type&>(from);
      return decimal.scale() >= narrow.scale() && before >= narrow.precision() - narrow.scale();
    }
    if (const auto* wide = IntegerOf(other)) {
      if (integer == nullptr) return one == "boolean";
      if (integer->has_sign == wide->has_sign) return integer->digits <= wide->digits;
      return wide->has_sign && integer->digits < wide->digits;
    }
    if (other == "double") return integer != nullptr || one == "float";
    return other == "text" && (integer != nullptr || one == "boolean" || one == "date" || one == "uuid");
  }

  Arrival ArrivalOf(const std::shared_ptr<arrow::DataType>& type) const override {
    if (TypeWord(*type) == "uuid") return {.arriving = arrow::utf8(), .reading = Reading::kUuidText};
    return {.arriving = type};
  }

  ColumnLayout Selected(const std::string& column, const Arrival& arrival) const override {
    return {.name = {},
            .expression = arrival.reading == Reading::kUuidText ? column + "::VARCHAR" : column,
            .arriving = arrival.arriving,
            .reading = arrival.reading};
  }

 private:
  const std::unique_ptr<const Dialect> dialect_ = MakeDuckdbDialect();
};

}  // namespace

const QueryDialect& DuckdbQueries() {
  static const Queries kQueries;
  return kQueries;
}

}  // namespace hyprstream::backend
