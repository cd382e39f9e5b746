#include "backend/duckdb_types.h"

#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace hyprstream::backend {
namespace {

const std::vector<DuckdbType>& Types() {
  using arrow::TimeUnit;
  static const std::vector<DuckdbType> kTypes = {
      {"BOOLEAN", arrow::boolean(), Comparable::kBoolean},
      {"TINYINT", arrow::int8(), Comparable::kInteger},
      {"SMALLINT", arrow::int16(), Comparable::kInteger},
      {"INTEGER", arrow::int32(), Comparable::kInteger},
      {"BIGINT", arrow::int64(), Comparable::kInteger},
      {"UTINYINT", arrow::uint8(), Comparable::kInteger},
      {"USMALLINT", arrow::uint16(), Comparable::kInteger},
      {"UINTEGER", arrow::uint32(), Comparable::kInteger},
      {"UBIGINT", arrow::uint64(), Comparable::kInteger},
      {"FLOAT", arrow::float32(), Comparable::kFloat},
      {"DOUBLE", arrow::float64(), Comparable::kDouble},
      {"VARCHAR", arrow::utf8(), Comparable::kText},
      {"BLOB", arrow::binary(), Comparable::kNone},
      {"DATE", arrow::date32(), Comparable::kDate},
      {"TIME", arrow::time64(TimeUnit::MICRO), Comparable::kTime},
      {"TIME_NS", arrow::time64(TimeUnit::NANO), Comparable::kNone},
      {"TIMESTAMP", arrow::timestamp(TimeUnit::MICRO), Comparable::kTimestamp},
      {"TIMESTAMP_S", arrow::timestamp(TimeUnit::SECOND), Comparable::kNone},
      {"TIMESTAMP_MS", arrow::timestamp(TimeUnit::MILLI), Comparable::kNone},
      {"TIMESTAMP_NS", arrow::timestamp(TimeUnit::NANO), Comparable::kNone},
      {"TIMESTAMP WITH TIME ZONE", arrow::timestamp(TimeUnit::MICRO, "UTC"), Comparable::kTimestampTz},
  };
  return kTypes;
}

}  // namespace

const DuckdbType* FindDuckdbType(std::string_view name) {
  const auto found = std::ranges::find(Types(), name, &DuckdbType::name);
  return found == Types().end() ? nullptr : &*found;
}

std::shared_ptr<arrow::DataType> DuckdbDecimal(std::string_view name) {
  constexpr std::string_view kDecimal = "DECIMAL(";
  if (!name.starts_with(kDecimal)) return nullptr;
  name.remove_prefix(kDecimal.size());
  int precision = 0;
  int scale = 0;
  const auto* end = name.data() + name.size();
  const auto [comma, error] = std::from_chars(name.data(), end, precision);
  if (error != std::errc() || comma == end || *comma != ',') return nullptr;
  const auto [close, wrong] = std::from_chars(comma + 1, end, scale);
  return wrong == std::errc() && close + 1 == end ? arrow::decimal128(precision, scale) : nullptr;
}

}  // namespace hyprstream::backend
