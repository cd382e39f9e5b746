// Parts of a plan that one backend answers as a whole: joins, aggregates, the first rows in an order.
//
// Before DuckDB optimizes a plan, each part that reads tables of one backend alone is turned into a query that the
// backend is asked for (core/remote_query.h). Where it is certain to mean the same there, a scan of its answer takes
// the part's place; where it is not, smaller parts are tried, down to scans of single tables. An ORDER BY or LIMIT
// stays above what is sent, which then has no more rows than are needed: the order of rows is always DuckDB's own.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/unique_ptr.hpp>
#include <string>
#include <vector>

namespace duckdb {
class ClientContext;
class LogicalOperator;
class Optimizer;
struct DBConfig;
}  // namespace duckdb

namespace hyprstream::engine {

inline constexpr const char* kUsePushdown = "use_pushdown";

// A client may SET it. Before the database is opened.
void AddUsePushdown(duckdb::DBConfig& config);
// Is it on?
bool UsesPushdown(duckdb::ClientContext& context);

// For EXPLAIN.
struct PushdownFacts {
  std::vector<std::string> pushed;  // which tables were joined, aggregated, ... at which backend
  std::vector<std::string> kept;    // why a part was not

  void Add(PushdownFacts more);
};

PushdownFacts PushDown(duckdb::Optimizer& optimizer, duckdb::unique_ptr<duckdb::LogicalOperator>& plan);

}  // namespace hyprstream::engine
