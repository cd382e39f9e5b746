#include "commit/event_time.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <format>
#include <limits>

#include "base/time_text.h"
#include "core/table_ref.h"

namespace hyprstream::commit {

namespace {

constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kDayMicros = 86'400'000'000;

std::int64_t AddUpToTheEnds(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? kMax : kMin;
}

std::int64_t MultiplyUpToTheEnds(std::int64_t value, std::int64_t factor) {
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(value, factor, &product)) return product;
  return value > 0 ? kMax : kMin;
}

std::int64_t Floor(std::int64_t value, std::int64_t divisor) { return value / divisor - (value % divisor < 0 ? 1 : 0); }
std::int64_t Ceil(std::int64_t value, std::int64_t divisor) { return value / divisor + (value % divisor > 0 ? 1 : 0); }

// A column's values; those from the wire need not be aligned for their type.
template <class V>
class Values {
 public:
  explicit Values(const V* first) : bytes_(reinterpret_cast<const std::byte*>(first)) {}
  V operator[](std::int64_t i) const {
    V value;
    std::memcpy(&value, bytes_ + i * static_cast<std::int64_t>(sizeof(V)), sizeof(V));
    return value;
  }

 private:
  const std::byte* bytes_;
};

// Calls `see` with the values of a column of times, of 32 or 64 bits.
template <class See>
void WithValues(const arrow::Array& array, See see) {
  if (array.length() == 0) return;
  if (array.type_id() == arrow::Type::DATE32) {
    see(Values(static_cast<const arrow::Date32Array&>(array).raw_values()));
  } else if (array.type_id() == arrow::Type::TIMESTAMP) {
    see(Values(static_cast<const arrow::TimestampArray&>(array).raw_values()));
  }
}

std::shared_ptr<arrow::Array> ColumnOf(const arrow::RecordBatch& batch, const std::string& name) {
  for (int i = 0; i < batch.num_columns(); ++i) {
    if (FoldIdentifier(batch.column_name(i)) == FoldIdentifier(name)) return batch.column(i);
  }
  return nullptr;
}

// DuckDB's infinities.
template <class V>
bool IsFinite(V value) {
  return value != std::numeric_limits<V>::max() && value > -std::numeric_limits<V>::max();
}

std::string SqlName(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DATE32) return "DATE";
  const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
  if (!timestamp.timezone().empty()) return "TIMESTAMPTZ";
  switch (timestamp.unit()) {
    case arrow::TimeUnit::SECOND:
      return "TIMESTAMP_S";
    case arrow::TimeUnit::MILLI:
      return "TIMESTAMP_MS";
    case arrow::TimeUnit::MICRO:
      return "TIMESTAMP";
    case arrow::TimeUnit::NANO:
      return "TIMESTAMP_NS";
  }
  return "TIMESTAMP";
}

// The first value of the type that is not before `time`; the least or the highest where it has none so far away.
std::string ValueSql(const arrow::DataType& type, EventTime time) {
  constexpr std::int64_t kFirst = -9'223'372'022'400'000'000;  // DuckDB's first TIMESTAMP
  constexpr std::int64_t kLastSecond = 9'223'372'036'000'000'000;
  constexpr std::int64_t kOfNanos = kMax / 1'000;
  const auto micros = std::clamp(time.time_since_epoch().count(), kFirst, kLastSecond);
  const auto name = SqlName(type);
  if (name == "DATE") return std::format("(DATE '1970-01-01' + ({}))", Ceil(micros, kDayMicros));
  if (name == "TIMESTAMPTZ") return std::format("make_timestamptz({})", micros);
  if (name == "TIMESTAMP_NS") {
    return std::format("make_timestamp_ns({})", std::clamp(micros, -kOfNanos, kOfNanos) * 1'000);
  }
  const std::int64_t unit = name == "TIMESTAMP_S" ? 1'000'000 : name == "TIMESTAMP_MS" ? 1'000 : 1;
  return std::format("make_timestamp({})::{}", Ceil(micros, unit) * unit, name);
}

}  // namespace

EventTime Minus(EventTime time, Micros span) {
  return EventTime(Micros(AddUpToTheEnds(time.time_since_epoch().count(), -span.count())));
}

EventTime Plus(EventTime time, Micros span) {
  return EventTime(Micros(AddUpToTheEnds(time.time_since_epoch().count(), span.count())));
}

std::optional<EventTime> EventTimeOf(const arrow::DataType& type, std::int64_t value) {
  const auto at = [](std::int64_t micros) { return EventTime(Micros(micros)); };
  if (type.id() == arrow::Type::DATE32) {
    if (!IsFinite(static_cast<std::int32_t>(value))) return std::nullopt;
    return at(MultiplyUpToTheEnds(value, kDayMicros));
  }
  if (!IsFinite(value)) return std::nullopt;
  switch (static_cast<const arrow::TimestampType&>(type).unit()) {
    case arrow::TimeUnit::SECOND:
      return at(MultiplyUpToTheEnds(value, 1'000'000));
    case arrow::TimeUnit::MILLI:
      return at(MultiplyUpToTheEnds(value, 1'000));
    case arrow::TimeUnit::MICRO:
      return at(value);
    case arrow::TimeUnit::NANO:
      return at(Floor(value, 1'000));
  }
  return std::nullopt;
}

std::optional<EventTime> NewestTime(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                                    const std::string& column) {
  std::optional<EventTime> newest;
  for (const auto& batch : batches) {
    const auto array = ColumnOf(*batch, column);
    if (array == nullptr) continue;
    WithValues(*array, [&]<class V>(Values<V> values) {
      constexpr V kNone = std::numeric_limits<V>::min();
      V highest = kNone;
      if (array->null_count() == 0) {  // one loop that the compiler can vectorise
        for (std::int64_t i = 0; i < array->length(); ++i) {
          highest = std::max(highest, values[i] == std::numeric_limits<V>::max() ? kNone : values[i]);
        }
      } else {
        for (std::int64_t i = 0; i < array->length(); ++i) {
          if (array->IsValid(i) && IsFinite(values[i])) highest = std::max(highest, values[i]);
        }
      }
      const auto time = IsFinite(highest) ? EventTimeOf(*array->type(), highest) : std::nullopt;
      if (time.has_value()) newest = std::max(newest.value_or(*time), *time);
    });
  }
  return newest;
}

std::optional<EventTime> FindTime(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                                  const std::string& column, EventTime from, EventTime to) {
  std::optional<EventTime> found;
  for (const auto& batch : batches) {
    const auto array = ColumnOf(*batch, column);
    if (array == nullptr) continue;
    WithValues(*array, [&](auto values) {
      for (std::int64_t i = 0; i < array->length() && !found.has_value(); ++i) {
        if (array->IsNull(i)) continue;
        const auto time = EventTimeOf(*array->type(), values[i]);
        if (time.has_value() && *time >= from && *time < to) found = time;
      }
    });
    if (found.has_value()) break;
  }
  return found;
}

std::string FiniteSql(const std::string& column, const arrow::DataType& type) {
  const auto name = SqlName(type);
  return std::format("({0} < 'infinity'::{1} AND {0} > '-infinity'::{1})", column, name);
}

std::string BeforeSql(const std::string& column, const arrow::DataType& type, EventTime time) {
  return std::format("({0} < {1} AND {0} > '-infinity'::{2})", column, ValueSql(type, time), SqlName(type));
}

std::string ToText(EventTime time) { return TimestampText(time.time_since_epoch().count(), 1'000'000); }

std::string ToText(Micros span) {
  const auto days = span.count() / kDayMicros;
  const auto rest = Micros(span.count() % kDayMicros);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(rest);
  const auto micros = (rest - seconds).count();
  std::string text = days == 0 ? "" : std::format("{} day{}", days, days == 1 ? "" : "s");
  if (rest.count() == 0 && days != 0) return text;
  if (!text.empty()) text += " ";
  text += std::format("{:%T}", seconds);
  if (micros == 0) return text;
  text += std::format(".{:06}", micros);
  while (text.back() == '0') text.pop_back();
  return text;
}

}  // namespace hyprstream::commit
