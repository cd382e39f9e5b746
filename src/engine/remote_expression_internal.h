// Bound expressions as those of a query that a backend is asked: core/remote_query.h.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/types.hpp>
#include <duckdb/planner/column_binding.hpp>
#include <duckdb/planner/expression.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/remote_query.h"

namespace duckdb {
class ClientContext;
}

namespace hyprstream::engine {

// Null: values of it are handed on and nothing else.
std::shared_ptr<arrow::DataType> RemoteType(const duckdb::LogicalType& type);

// Which of the input's columns it is; nothing: none that a backend has.
using ColumnAt = std::function<std::optional<int>(const duckdb::ColumnBinding&)>;

// Nothing, and `refusal` says why, for what has no place there.
class ExpressionReader {
 public:
  ExpressionReader(duckdb::ClientContext& context, ColumnAt column_at, std::string& refusal)
      : context_(context), column_at_(std::move(column_at)), refusal_(refusal) {}

  std::optional<RemoteExpression> Read(const duckdb::Expression& expression);
  // `left <type> right`
  std::optional<RemoteExpression> ReadComparison(duckdb::ExpressionType type, const duckdb::Expression& left,
                                                 const duckdb::Expression& right);
  // AND taken apart.
  bool ReadConditions(const duckdb::Expression& condition, std::vector<RemoteExpression>& conditions);

 private:
  std::optional<RemoteExpression> Refuse(const std::string& what);
  std::optional<RemoteExpression> ReadConstant(const duckdb::Expression& expression);
  std::optional<RemoteExpression> ReadFunction(const duckdb::Expression& expression);
  std::optional<RemoteExpression> ReadOperator(const duckdb::Expression& expression);
  std::optional<RemoteExpression> ReadCase(const duckdb::Expression& expression);
  // Of a call that has `children` for arguments.
  template <class Children>
  std::optional<RemoteExpression> Call(std::string function, const duckdb::LogicalType& type, const Children& children);

  duckdb::ClientContext& context_;
  const ColumnAt column_at_;
  std::string& refusal_;
};

}  // namespace hyprstream::engine
