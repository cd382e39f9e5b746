// Which window keys are of one size, so that the aggregation engine can find the windows of whole runs of rows by
// comparing times instead of having DuckDB evaluate each.
#pragma once

#include <optional>

#include "core/aggregate_query.h"

namespace duckdb {
class ClientContext;
class Expression;
}  // namespace duckdb

namespace hyprstream::engine {

// Of a bound window key: time_bucket of TIMESTAMP by an interval without months, and of TIMESTAMPTZ by one without
// months and days, with whatever constant origin, offset or zone; date_trunc of TIMESTAMP to weeks and below. The times
// are its second argument's. nullopt for all others. Throws DuckDB's exceptions; runs in the zone that the view
// freezes.
std::optional<FixedWindow> FixedWindowOf(duckdb::ClientContext& context, const duckdb::Expression& key);

// Is it a time_bucket with an offset of months (or one that is no constant)? Its windows begin where that many months
// earlier others do, so that they are of unlike lengths, some empty.
bool IsMovedByMonths(duckdb::ClientContext& context, const duckdb::Expression& key);

}  // namespace hyprstream::engine
