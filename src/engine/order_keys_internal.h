// Bytes that stand for values of types that the aggregation engine does not compare itself.
//
// An order key groups as DuckDB does. A value key gives back the very value and compares as DuckDB's min and max do: in
// it are types whose order keys cannot do both. Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/types.hpp>

namespace duckdb {
class Connection;
class Vector;
}  // namespace duckdb

namespace hyprstream::engine {

// hyprstream_order_key(any) -> BLOB: equal bytes for equal values; NULL for NULL. Intervals are equal as DuckDB has it:
// a month is 30 days. hyprstream_value_key(interval, timetz or bit) -> BLOB: in the order of `<`; equal intervals, such
// as 30 days and 1 month, in the order of their months and days. hyprstream_present(any) -> BOOLEAN: true, or NULL for
// NULL.
inline constexpr const char* kOrderKey = "hyprstream_order_key";
inline constexpr const char* kValueKey = "hyprstream_value_key";
inline constexpr const char* kPresent = "hyprstream_present";
void RegisterOrderKeys(duckdb::Connection& connection);

// For types that are not plain: has it an order key? May values be ordered by it, where it has no value key?
bool HasOrderKey(const duckdb::LogicalType& type);
bool IsOrderedByOrderKey(const duckdb::LogicalType& type);
bool HasValueKey(const duckdb::LogicalType& type);

// Fills `to`, of the type that the keys were made of. Of equal intervals an order key gives one with the days below 30
// and the time below a day.
void FromOrderKeys(duckdb::Vector& from, duckdb::idx_t count, duckdb::Vector& to);
void FromValueKeys(duckdb::Vector& from, duckdb::idx_t count, duckdb::Vector& to);

}  // namespace hyprstream::engine
