// A window of windows: time_bucket(INTERVAL '1 hour', time_bucket(INTERVAL '5 minutes', ts)) is
// time_bucket(INTERVAL '1 hour', ts).
#pragma once

#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/parser/parsed_expression.hpp>

#include "core/aggregate_query.h"

namespace duckdb {
class ClientContext;
}

namespace hyprstream::engine {

// Where `expression` puts `window`, the windows of `inner`, into windows that each hold whole ones of them, it is put
// over the time that those are of; any other expression stays as it is. Throws DuckDB's exceptions.
void UnnestWindow(duckdb::ClientContext& context, const AggregateQuery& inner, const duckdb::ParsedExpression& window,
                  duckdb::unique_ptr<duckdb::ParsedExpression>& expression);

}  // namespace hyprstream::engine
