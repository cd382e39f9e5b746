// Expressions over a time that have one value in each window: what coarser windows, dates and parts of dates may be
// computed of when only the windows' starts are left.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/aggregate_query.h"

namespace duckdb {
class BoundFunctionExpression;
class ClientContext;
class Expression;
class Value;
}  // namespace duckdb

namespace hyprstream::engine {

// Which argument of the call is a time that the start of its window may take the place of: time_bucket and date_trunc
// to whole windows, date parts and casts to DATE that do not change within one. nullopt for all other calls, and for
// those that depend on a time zone other than UTC.
std::optional<std::size_t> CoarseTimeArgument(duckdb::ClientContext& context, const FixedWindow& windows,
                                              const std::string& time_zone,
                                              const duckdb::BoundFunctionExpression& call);

// A constant TIMESTAMP or TIMESTAMPTZ, in microseconds; nullopt for all else.
std::optional<std::int64_t> ConstantTime(duckdb::ClientContext& context, const duckdb::Expression& expression);

// Do the windows of time_bucket by a constant width, at its own origin, each hold whole ones of `windows`? `has_zone`:
// of TIMESTAMPTZ.
bool BucketsHoldWhole(const duckdb::Value& width, bool has_zone, const FixedWindow& windows);

}  // namespace hyprstream::engine
