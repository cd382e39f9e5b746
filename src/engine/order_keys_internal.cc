#include "engine/order_keys_internal.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/common/type_visitor.hpp>
#include <duckdb/common/types/bit.hpp>
#include <duckdb/common/types/datetime.hpp>
#include <duckdb/common/types/interval.hpp>
#include <duckdb/common/vector/flat_vector.hpp>
#include <duckdb/common/vector/string_vector.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <duckdb/function/create_sort_key.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>
#include <string>
#include <string_view>

#include "engine/declared_schema_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;

const duckdb::OrderModifiers kAscending(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST);

// Integers whose bytes compare as they do.
class KeyWriter {
 public:
  void Unsigned(std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes_.push_back(static_cast<char>(value >> shift));
  }
  void Signed(std::int64_t value) { Unsigned(std::bit_cast<std::uint64_t>(value) ^ kSign); }
  const std::string& bytes() const { return bytes_; }

 private:
  friend class KeyReader;
  static constexpr std::uint64_t kSign = 1ULL << 63;
  std::string bytes_;
};

class KeyReader {
 public:
  explicit KeyReader(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t Unsigned() {
    if (bytes_.size() < 8) throw duckdb::InvalidInputException("a state's key of a value is cut short");
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes_[static_cast<std::size_t>(i)]);
    bytes_.remove_prefix(8);
    return value;
  }
  std::int64_t Signed() { return std::bit_cast<std::int64_t>(Unsigned() ^ KeyWriter::kSign); }

 private:
  std::string_view bytes_;
};

void WriteNormalized(duckdb::interval_t value, KeyWriter& key) {
  std::int64_t months = 0;
  std::int64_t days = 0;
  std::int64_t micros = 0;
  value.Normalize(months, days, micros);
  key.Signed(months);
  key.Signed(days);
  key.Signed(micros);
}

// As many of them as an interval can have; `rest` is what is beyond.
std::int32_t Fitting(std::int64_t units, std::int64_t& rest) {
  const auto fitting = std::clamp<std::int64_t>(units, INT32_MIN, INT32_MAX);
  rest = units - fitting;
  return static_cast<std::int32_t>(fitting);
}

// Months beyond those of an interval become days, and these time, as in DuckDB's normalized intervals.
duckdb::interval_t ReadNormalized(KeyReader& key) {
  duckdb::interval_t value{};
  std::int64_t rest = 0;
  value.months = Fitting(key.Signed(), rest);
  value.days = Fitting(key.Signed() + rest * duckdb::Interval::DAYS_PER_MONTH, rest);
  value.micros = key.Signed() + rest * duckdb::Interval::MICROS_PER_DAY;
  return value;
}

template <class V, class Write>
void WriteKeys(duckdb::Vector& values, duckdb::idx_t count, duckdb::Vector& result, Write write) {
  duckdb::UnifiedVectorFormat format;
  values.ToUnifiedFormat(format);
  const auto* data = format.GetData<V>();
  auto* keys = duckdb::FlatVector::GetDataMutable<duckdb::string_t>(result);
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto at = format.sel->get_index(row);
    if (format.validity.RowIsValid(at)) {
      keys[row] = duckdb::StringVector::AddStringOrBlob(result, write(data[at]));
    } else {
      duckdb::FlatVector::SetNull(result, row, true);
    }
  }
}

// Calls read(key, row) for each that is not NULL.
template <class Read>
void ReadKeys(duckdb::Vector& from, duckdb::idx_t count, duckdb::Vector& to, Read read) {
  duckdb::UnifiedVectorFormat format;
  from.ToUnifiedFormat(format);
  const auto* keys = format.GetData<duckdb::string_t>();
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto at = format.sel->get_index(row);
    if (format.validity.RowIsValid(at)) {
      read(keys[at], row);
    } else {
      duckdb::FlatVector::SetNull(to, row, true);
    }
  }
  duckdb::FlatVector::SetSize(to, count);  // some expressions look at no more rows than that
}

std::string_view ViewOf(const duckdb::string_t& key) { return {key.GetData(), key.GetSize()}; }

std::string OrderKeyOf(duckdb::interval_t value) {
  KeyWriter key;
  WriteNormalized(value, key);
  return key.bytes();
}

void OrderKeys(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  auto& values = arguments.data[0];
  if (values.GetType().id() == LogicalTypeId::INTERVAL) {
    return WriteKeys<duckdb::interval_t>(values, arguments.size(), result, OrderKeyOf);
  }
  duckdb::CreateSortKeyHelpers::CreateSortKeyWithValidity(values, result, kAscending, arguments.size());
}

std::string ValueKeyOf(duckdb::interval_t value) {
  KeyWriter key;
  WriteNormalized(value, key);
  key.Signed(value.months);
  key.Signed(value.days);
  key.Signed(value.micros);
  return key.bytes();
}

std::string ValueKeyOf(duckdb::dtime_tz_t value) {
  KeyWriter key;
  key.Unsigned(value.sort_key());
  return key.bytes();
}

void ValueKeys(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  auto& values = arguments.data[0];
  const auto count = arguments.size();
  switch (values.GetType().id()) {
    case LogicalTypeId::INTERVAL:
      return WriteKeys<duckdb::interval_t>(values, count, result, [](auto value) { return ValueKeyOf(value); });
    case LogicalTypeId::TIME_TZ:
      return WriteKeys<duckdb::dtime_tz_t>(values, count, result, [](auto value) { return ValueKeyOf(value); });
    case LogicalTypeId::BIT:  // its digits, which compare as bits do
      return WriteKeys<duckdb::string_t>(values, count, result,
                                         [](auto value) { return duckdb::Bit::ToString(value); });
    default:
      throw duckdb::InvalidInputException(std::string(kValueKey) + " takes no " + values.GetType().ToString());
  }
}

void Present(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  duckdb::UnifiedVectorFormat format;
  arguments.data[0].ToUnifiedFormat(format);
  auto* values = duckdb::FlatVector::GetDataMutable<bool>(result);
  for (duckdb::idx_t row = 0; row < arguments.size(); ++row) {
    values[row] = true;
    if (!format.validity.RowIsValid(format.sel->get_index(row))) duckdb::FlatVector::SetNull(result, row, true);
  }
}

duckdb::interval_t IntervalOf(std::string_view bytes) {
  KeyReader key(bytes);
  for (int i = 0; i < 3; ++i) key.Signed();
  duckdb::interval_t value{};
  value.months = static_cast<std::int32_t>(key.Signed());
  value.days = static_cast<std::int32_t>(key.Signed());
  value.micros = key.Signed();
  return value;
}

// The inverse of dtime_tz_t::sort_key(), which leaves the offset as it is.
duckdb::dtime_tz_t TimeOf(std::string_view bytes) {
  const auto key = KeyReader(bytes).Unsigned();
  const auto offset = (key & duckdb::dtime_tz_t::OFFSET_MASK) * duckdb::dtime_tz_t::OFFSET_MICROS;
  return duckdb::dtime_tz_t(key - duckdb::dtime_tz_t::encode_micros(offset));
}

// Of a type and everything inside it.
template <class Test>
bool Every(const LogicalType& type, Test test) {
  return !duckdb::TypeVisitor::Contains(type, [&](const LogicalType& part) { return !test(part); });
}

}  // namespace

void RegisterOrderKeys(duckdb::Connection& connection) {
  auto& catalog = duckdb::Catalog::GetSystemCatalog(*connection.context);
  const auto add = [&](const char* name, const LogicalType& result, duckdb::scalar_function_t function) {
    duckdb::ScalarFunction scalar(duckdb::Identifier(name), duckdb::vector<LogicalType>{LogicalType::ANY}, result,
                                  std::move(function));
    scalar.SetFallible();
    scalar.SetStability(duckdb::FunctionStability::CONSISTENT);
    scalar.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    duckdb::CreateScalarFunctionInfo info(scalar);
    catalog.CreateFunction(*connection.context, info);
  };
  add(kOrderKey, LogicalType::BLOB, OrderKeys);
  add(kValueKey, LogicalType::BLOB, ValueKeys);
  add(kPresent, LogicalType::BOOLEAN, Present);
}

// Not an INTERVAL inside another type: 30 days and 1 month are equal there, too, and sort keys are not.
bool HasOrderKey(const LogicalType& type) {
  if (type.id() == LogicalTypeId::INTERVAL) return true;
  return Every(type, [](const LogicalType& part) {
    switch (part.id()) {
      case LogicalTypeId::UHUGEINT:
      case LogicalTypeId::UUID:
      case LogicalTypeId::BIT:
      case LogicalTypeId::BIGNUM:
      case LogicalTypeId::ENUM:
      case LogicalTypeId::TIME_NS:
      case LogicalTypeId::TIME_TZ:
        return true;
      default:
        return IsPlain(part) || IsNested(part);
    }
  });
}

// Not TIMETZ, whose order is that of the moments, nor BIT, of which DuckDB's min and max have another order than its
// sort.
bool IsOrderedByOrderKey(const LogicalType& type) {
  return HasOrderKey(type) && !duckdb::TypeVisitor::Contains(type, LogicalTypeId::TIME_TZ) &&
         !duckdb::TypeVisitor::Contains(type, LogicalTypeId::BIT);
}

bool HasValueKey(const LogicalType& type) {
  return type.id() == LogicalTypeId::INTERVAL || type.id() == LogicalTypeId::TIME_TZ || type.id() == LogicalTypeId::BIT;
}

void FromOrderKeys(duckdb::Vector& from, duckdb::idx_t count, duckdb::Vector& to) {
  if (to.GetType().id() == LogicalTypeId::INTERVAL) {
    auto* values = duckdb::FlatVector::GetDataMutable<duckdb::interval_t>(to);
    return ReadKeys(from, count, to, [&](const auto& key, auto row) {
      KeyReader reader(ViewOf(key));
      values[row] = ReadNormalized(reader);
    });
  }
  ReadKeys(from, count, to,
           [&](const auto& key, auto row) { duckdb::CreateSortKeyHelpers::DecodeSortKey(key, to, row, kAscending); });
}

void FromValueKeys(duckdb::Vector& from, duckdb::idx_t count, duckdb::Vector& to) {
  switch (to.GetType().id()) {
    case LogicalTypeId::INTERVAL: {
      auto* values = duckdb::FlatVector::GetDataMutable<duckdb::interval_t>(to);
      return ReadKeys(from, count, to, [&](const auto& key, auto row) { values[row] = IntervalOf(ViewOf(key)); });
    }
    case LogicalTypeId::TIME_TZ: {
      auto* values = duckdb::FlatVector::GetDataMutable<duckdb::dtime_tz_t>(to);
      return ReadKeys(from, count, to, [&](const auto& key, auto row) { values[row] = TimeOf(ViewOf(key)); });
    }
    default: {
      auto* values = duckdb::FlatVector::GetDataMutable<duckdb::string_t>(to);
      return ReadKeys(from, count, to, [&](const auto& key, auto row) {
        values[row] = duckdb::StringVector::AddStringOrBlob(to, duckdb::Bit::ToBit(key));
      });
    }
  }
}

}  // namespace hyprstream::engine
