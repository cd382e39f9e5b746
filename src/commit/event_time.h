// Event times and spans of time as the commit path compares them: microseconds, UTC.
//
// All functions are pure. Times without a zone are taken as UTC; nanoseconds count up to the microsecond they have
// reached; infinite times are none.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace arrow {
class Array;
class DataType;
class RecordBatch;
}  // namespace arrow

namespace hyprstream::commit {

using Micros = std::chrono::microseconds;
using EventTime = std::chrono::sys_time<Micros>;

// At the ends of what can be said they stay there.
EventTime Minus(EventTime time, Micros span);
EventTime Plus(EventTime time, Micros span);

// A value of a DATE or TIMESTAMP column of this type; nullopt when it is infinite.
std::optional<EventTime> EventTimeOf(const arrow::DataType& type, std::int64_t value);

// The highest of a column's values; nullopt when there is none.
std::optional<EventTime> NewestTime(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                                    const std::string& column);
// The first value that is not before `from` and before `to`; nullopt when there is none.
std::optional<EventTime> FindTime(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                                  const std::string& column, EventTime from, EventTime to);

// Conditions of SQL on a DATE or TIMESTAMP column: that its value is finite; that it is so and before `time`. They
// compare values of the column's own type: others may have no place for what it holds.
std::string FiniteSql(const std::string& column, const arrow::DataType& type);
std::string BeforeSql(const std::string& column, const arrow::DataType& type, EventTime time);

// `2026-03-02 10:00:00`, as DuckDB shows a TIMESTAMP.
std::string ToText(EventTime time);
// `7 days`, `00:10:00`, `1 day 02:00:00`, as DuckDB shows an INTERVAL.
std::string ToText(Micros span);

}  // namespace hyprstream::commit
