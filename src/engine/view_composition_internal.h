// A materialized view over a materialized view, as a SELECT over the table behind both.
//
// The coarser view is not fed by the finer one's groups but by the same rows, through the finer one's expressions:
// combine(mean) of a view whose mean is avg(amount) is avg(amount) again, over the coarser keys. So its numbers are the
// true ones, it outlives the finer view's retention, and neither waits for the other.
#pragma once

#include <optional>
#include <string>

#include "core/table_ref.h"
#include "engine/view_analysis_internal.h"

namespace arrow {
template <class T>
class Result;
}

namespace duckdb {
class ClientContext;
}  // namespace duckdb

namespace hyprstream::engine {

struct ComposedSelect {
  std::string select;  // over `base`
  TableRef base;
  TableRef source;         // the view that FROM names
  std::string shown = {};  // what AggregateQuery::shown_sql will be
};

// What a SELECT from a materialized view means; nothing when its FROM names something else. The view's columns may be
// used as keys and in conditions, its aggregates within combine(), and in sums of sums and counts, minima of minima and
// maxima of maxima; of a view of sessions in any way. NotImplemented for all else, with what to write instead. Throws
// DuckDB's exceptions.
arrow::Result<std::optional<ComposedSelect>> ComposeOverView(duckdb::ClientContext& context, const ViewText& text);

}  // namespace hyprstream::engine
