// A materialized view over a view of sessions.
//
// Sessions grow, join and change their bounds as rows come, so no coarser states can be kept: the view keeps the
// sessions themselves, with the aggregates that it names, and is put together from them when it is read. So it is
// always right, and its SELECT may aggregate sessions in any way that a query may.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <string>

#include "core/aggregate_query.h"
#include "engine/view_analysis_internal.h"

namespace arrow {
template <class T>
class Result;
}

namespace duckdb {
class ClientContext;
class SelectNode;
}  // namespace duckdb

namespace hyprstream::engine {

struct SessionsAndSelect {
  std::string
      sessions;       // the SELECT of what it keeps: that of the view of sessions, without aggregates it does not name
  std::string shown;  // its own, over view_scan of the view
};

// `outer` reads `inner`, and its shape has been checked. NotImplemented, with what to write instead, where it means
// something else in another session or at another time.
arrow::Result<SessionsAndSelect> ComposeOverSessions(duckdb::ClientContext& context, const duckdb::SelectNode& outer,
                                                     const AggregateQuery& inner, const ViewText& text);

}  // namespace hyprstream::engine
