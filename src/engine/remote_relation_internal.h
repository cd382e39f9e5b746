// A bound plan, or a part of one, as a query that one backend is asked: core/remote_query.h.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <cstdint>
#include <duckdb/common/types.hpp>
#include <duckdb/planner/column_binding.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/remote_query.h"
#include "core/table_ref.h"

namespace duckdb {
class ClientContext;
class LogicalAggregate;
class LogicalComparisonJoin;
class LogicalGet;
class LogicalLimit;
class LogicalOperator;
}  // namespace duckdb

namespace hyprstream::engine {

struct RemoteColumn {
  duckdb::ColumnBinding binding;  // that it has in the plan
  duckdb::LogicalType type;
  int column = 0;  // of the query
};

// Columns of the query that no binding stands for are there as well.
struct RemoteQuery {
  RemoteRelation relation;
  std::vector<RemoteColumn> columns;
  int width = 0;  // of the relation
};

// LIMIT and OFFSET together; nothing where they are no constants, or large.
std::optional<std::int64_t> RowsOf(const duckdb::LogicalLimit& limit);

class RelationReader {
 public:
  explicit RelationReader(duckdb::ClientContext& context) : context_(context) {}

  // Nothing, and refusal() says why: what no backend is asked, or not one alone. Types of the plan are resolved.
  std::optional<RemoteQuery> Read(duckdb::LogicalOperator& plan);
  // What the first rows of `limit` are taken of, and no more of it than are needed: `below` is what the limit stays
  // above.
  std::optional<RemoteQuery> ReadTop(const duckdb::LogicalLimit& limit, duckdb::LogicalOperator& below);

  const std::string& refusal() const { return refusal_; }  // empty: it reads what is here
  const std::string& backend() const { return backend_; }
  const std::vector<TableRef>& tables() const { return tables_; }

 private:
  std::optional<RemoteQuery> Refuse(const std::string& what);
  std::optional<RemoteQuery> ReadGet(duckdb::LogicalGet& get);
  std::optional<RemoteQuery> ReadFilter(duckdb::LogicalOperator& filter);
  std::optional<RemoteQuery> ReadProjection(duckdb::LogicalOperator& projection);
  std::optional<RemoteQuery> ReadJoin(duckdb::LogicalComparisonJoin& join);
  std::optional<RemoteQuery> ReadConditional(duckdb::LogicalOperator& join);
  static RemoteQuery Joined(RemoteQuery left, RemoteQuery right);
  std::optional<RemoteQuery> ReadAggregate(duckdb::LogicalAggregate& aggregation);
  bool ReadAggregateCall(const duckdb::Expression& expression, const duckdb::ColumnBinding& binding,
                         const RemoteQuery& input, RemoteQuery& query);
  std::optional<RemoteQuery> ReadDistinct(duckdb::LogicalOperator& distinct);
  std::optional<RemoteQuery> ReadUnion(duckdb::LogicalOperator& set);

  duckdb::ClientContext& context_;
  std::string refusal_;
  std::string backend_;
  std::vector<TableRef> tables_;
};

}  // namespace hyprstream::engine
