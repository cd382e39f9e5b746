// What a materialized view's SELECT means: implements Engine::AnalyzeView.
//
// The parse tree is taken apart, and DuckDB binds the SELECT and the evaluation of its keys and arguments for their
// types. Nothing is evaluated or written.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/aggregate_query.h"
#include "engine/engine.h"

namespace arrow {
template <class T>
class Result;
}

namespace duckdb {
class ClientContext;
class Connection;
}  // namespace duckdb

namespace hyprstream::engine {

struct ViewText {
  TableRef view;
  std::string_view select;
  std::string time_zone = "UTC";
  std::string database;                           // the catalog name of the one local database
  std::optional<TableRef> source = std::nullopt;  // what FROM means; else as the session looks names up
  ViewSurroundings surroundings = {};
};

// Runs inside the connection's open transaction (or one of its own when none is open). Never throws. Errors as
// Engine::AnalyzeView: Invalid or NotImplemented with the reason and the nearest thing that can be maintained; KeyError
// for an unknown table.
arrow::Result<AggregateQuery> AnalyzeViewSelect(duckdb::Connection& connection, const ViewText& text);

}  // namespace hyprstream::engine
