// Redis and Valkey, by the driver of drivers/redis: what it certainly answers, and its literals.
//
// It looks rows up by the primary key (equality, IN) and by the time column (comparisons); everything else is read and
// done here. docs/redis_driver.md says what it takes.

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <limits>
#include <utility>

#include "backend/dialect.h"
#include "backend/literals.h"
#include "core/table_ref.h"

namespace hyprstream::backend {
namespace {

// Years 1 to 9999, which are written with ten letters.
constexpr std::int64_t kFirstDay = -719'162;
constexpr std::int64_t kLastDay = 2'932'896;
constexpr std::int64_t kDayMicros = 86'400'000'000;

// The column that the driver's description of a table names in a role; -1: none.
int ColumnIn(const arrow::Schema& schema, const char* role) {
  if (schema.metadata() == nullptr) return -1;
  const auto name = schema.metadata()->Get(role);
  return name.ok() ? schema.GetFieldIndex(*name) : -1;
}

Comparable KeyOf(const arrow::DataType& type) {
  if (arrow::is_integer(type.id())) return Comparable::kInteger;
  return type.id() == arrow::Type::STRING ? Comparable::kText : Comparable::kNone;
}

Comparable TimeOf(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DATE32) return Comparable::kDate;
  if (type.id() != arrow::Type::TIMESTAMP) return Comparable::kNone;
  const bool zoned = !static_cast<const arrow::TimestampType&>(type).timezone().empty();
  return zoned ? Comparable::kTimestampTz : Comparable::kTimestamp;
}

std::optional<std::string> DayLiteral(std::int64_t days) {
  if (days < kFirstDay || days > kLastDay) return std::nullopt;
  return QuoteLiteral(DateText(days));
}

// In microseconds, which is as fine as a literal is; what has more, or is infinite, has none.
std::optional<std::string> TimeLiteral(const arrow::TimestampScalar& value) {
  constexpr std::int64_t kLast = (kLastDay + 1) * kDayMicros;
  std::int64_t micros = value.value;
  switch (static_cast<const arrow::TimestampType&>(*value.type).unit()) {
    case arrow::TimeUnit::SECOND:
      if (micros < -kLast / 1'000'000 || micros > kLast / 1'000'000) return std::nullopt;
      micros *= 1'000'000;
      break;
    case arrow::TimeUnit::MILLI:
      if (micros < -kLast / 1'000 || micros > kLast / 1'000) return std::nullopt;
      micros *= 1'000;
      break;
    case arrow::TimeUnit::MICRO:
      break;
    case arrow::TimeUnit::NANO:
      if (micros % 1'000 != 0) return std::nullopt;
      micros /= 1'000;
      break;
  }
  if (micros < kFirstDay * kDayMicros || micros >= kLast) return std::nullopt;
  return QuoteLiteral(TimestampText(micros));
}

class RedisDialect final : public Dialect {
 public:
  bool writes_by_key() const override { return true; }

  std::vector<std::string> SessionStatements() const override { return {}; }
  std::vector<std::pair<std::string, std::string>> StatementOptions() const override { return {}; }
  // A look at the description of a table, which needs not be there.
  std::string CheckQuery() const override { return "SELECT * FROM hyprstream_check"; }

  bool has_catalog() const override { return false; }
  bool driver_tells_keys() const override { return true; }
  bool takes_expressions() const override { return false; }
  bool gives_first_rows() const override { return true; }
  std::string SchemasQuery() const override { return {}; }
  std::string TablesQuery(const std::string&) const override { return {}; }
  std::string ColumnsQuery(const std::string&, const std::string&) const override { return {}; }
  arrow::Result<TableLayout> Layout(const std::string&, const std::string& table, const TextRows&) const override {
    return arrow::Status::NotImplemented("Table ", table, " is described by its driver");
  }

  arrow::Result<TableLayout> LayoutAsDescribed(const std::string& table, const arrow::Schema& schema) const override {
    const int key = ColumnIn(schema, "adbc.redis.primary_key");
    const int time = ColumnIn(schema, "adbc.redis.time");
    TableLayout layout;
    arrow::FieldVector fields;
    for (int i = 0; i < schema.num_fields(); ++i) {
      const auto& field = schema.field(i);
      ColumnLayout column{
          .name = field->name(), .expression = QuoteIdentifier(field->name()), .arriving = field->type()};
      if (i == time) {
        column.comparable = TimeOf(*field->type());
        column.conditions = Conditions::kRange;
      } else if (i == key) {
        column.comparable = KeyOf(*field->type());
        column.conditions = Conditions::kKey;
      }
      layout.columns.push_back(std::move(column));
      // Whoever has the server may take fields out of a row, but a row without its key is none.
      fields.push_back(arrow::field(field->name(), field->type(), i != key));
    }
    layout.schema = arrow::schema(std::move(fields));
    layout.from = QuoteIdentifier(table);
    return layout;
  }

  // The driver takes one statement, and of those that change something it says that they give no rows.
  arrow::Status CheckPassedOn(const std::string&) const override { return arrow::Status::OK(); }

  arrow::Result<TableLayout> LayoutOfStatement(const arrow::Schema& schema) const override {
    TableLayout layout;
    arrow::FieldVector fields;
    for (const auto& field : schema.fields()) {
      layout.columns.push_back({.name = field->name(), .expression = {}, .arriving = field->type()});
      fields.push_back(arrow::field(field->name(), field->type()));
    }
    layout.schema = arrow::schema(std::move(fields));
    return layout;
  }

  std::optional<std::string> Literal(Comparable comparable, const arrow::Scalar& value) const override {
    const auto id = value.type->id();
    switch (comparable) {
      case Comparable::kInteger:
        return arrow::is_integer(id) ? std::optional(value.ToString()) : std::nullopt;
      case Comparable::kText: {
        if (id != arrow::Type::STRING) return std::nullopt;
        const std::string text = static_cast<const arrow::StringScalar&>(value).value->ToString();
        return text.find('\0') == std::string::npos ? std::optional(QuoteLiteral(text)) : std::nullopt;
      }
      case Comparable::kDate:
        return id == arrow::Type::DATE32 ? DayLiteral(static_cast<const arrow::Date32Scalar&>(value).value)
                                         : std::nullopt;
      case Comparable::kTimestamp:
      case Comparable::kTimestampTz:
        return id == arrow::Type::TIMESTAMP ? TimeLiteral(static_cast<const arrow::TimestampScalar&>(value))
                                            : std::nullopt;
      default:
        return std::nullopt;
    }
  }
};

}  // namespace

std::unique_ptr<const Dialect> MakeRedisDialect() { return std::make_unique<RedisDialect>(); }

}  // namespace hyprstream::backend
