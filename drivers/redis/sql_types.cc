#include "sql_types.h"

#include <arrow/type.h>

#include <map>

#include "failure.h"

namespace adbc_redis::sql {
namespace {

arrow::Result<arrow::TimeUnit::type> UnitOfPrecision(const std::vector<int>& arguments) {
  const int digits = arguments.empty() ? 6 : arguments[0];
  if (digits == 0) return arrow::TimeUnit::SECOND;
  if (digits == 3) return arrow::TimeUnit::MILLI;
  if (digits == 6) return arrow::TimeUnit::MICRO;
  if (digits == 9) return arrow::TimeUnit::NANO;
  return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "TIMESTAMP takes 0, 3, 6 or 9 digits, not " + std::to_string(digits));
}

const std::map<std::string, std::shared_ptr<arrow::DataType>>& PlainTypes() {
  static const std::map<std::string, std::shared_ptr<arrow::DataType>> types = {
      {"boolean", arrow::boolean()},
      {"bool", arrow::boolean()},
      {"tinyint", arrow::int8()},
      {"smallint", arrow::int16()},
      {"int2", arrow::int16()},
      {"integer", arrow::int32()},
      {"int", arrow::int32()},
      {"int4", arrow::int32()},
      {"bigint", arrow::int64()},
      {"int8", arrow::int64()},
      {"utinyint", arrow::uint8()},
      {"usmallint", arrow::uint16()},
      {"uinteger", arrow::uint32()},
      {"ubigint", arrow::uint64()},
      {"real", arrow::float32()},
      {"float4", arrow::float32()},
      {"float", arrow::float32()},
      {"double", arrow::float64()},
      {"float8", arrow::float64()},
      {"text", arrow::utf8()},
      {"varchar", arrow::utf8()},
      {"string", arrow::utf8()},
      {"blob", arrow::binary()},
      {"bytea", arrow::binary()},
      {"varbinary", arrow::binary()},
      {"date", arrow::date32()},
      {"double precision", arrow::float64()},
      {"timestamp_s", arrow::timestamp(arrow::TimeUnit::SECOND)},
      {"timestamp_ms", arrow::timestamp(arrow::TimeUnit::MILLI)},
      {"timestamp_ns", arrow::timestamp(arrow::TimeUnit::NANO)},
  };
  return types;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::DataType>> TypeOf(const std::string& name, const std::vector<int>& arguments) {
  if (name == "timestamp" || name == "datetime" || name == "timestamp without time zone") {
    ARROW_ASSIGN_OR_RAISE(const auto unit, UnitOfPrecision(arguments));
    return arrow::timestamp(unit);
  }
  if (name == "timestamptz" || name == "timestamp with time zone") {
    ARROW_ASSIGN_OR_RAISE(const auto unit, UnitOfPrecision(arguments));
    return arrow::timestamp(unit, "UTC");
  }
  if (name == "decimal" || name == "numeric") {
    const int precision = arguments.empty() ? 18 : arguments[0];
    const int scale = arguments.size() > 1 ? arguments[1] : (arguments.empty() ? 3 : 0);
    if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
      return Fail(ADBC_STATUS_INVALID_ARGUMENT, "DECIMAL(" + std::to_string(precision) + ", " + std::to_string(scale) +
                                                    ") is none: 1 to 38 digits, of them 0 to all after the point");
    }
    return arrow::decimal128(precision, scale);
  }
  const auto found = PlainTypes().find(name);
  if (found == PlainTypes().end()) {
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "Unknown type: " + name + " (docs/redis_driver.md lists the types)");
  }
  return found->second;
}

}  // namespace adbc_redis::sql
