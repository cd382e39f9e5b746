// A part of a bound plan that is nothing but projections and conditions over one scan.
//
// Refers to the plan, which must stay as it is. Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/planner/expression.hpp>
#include <optional>
#include <vector>

#include "core/table_ref.h"

namespace duckdb {
class LogicalGet;
class LogicalOperator;
class LogicalProjection;
}  // namespace duckdb

namespace hyprstream::engine {

// Without the PREPARE around it, if there is one.
const duckdb::LogicalOperator& QueryOf(const duckdb::LogicalOperator& plan);

class ScanChain {
 public:
  // nullopt: there is anything else in it.
  static std::optional<ScanChain> Read(const duckdb::LogicalOperator& plan);

  // The materialized view that is scanned, if it is one.
  std::optional<TableRef> view() const;
  const duckdb::LogicalGet& scan() const { return *scan_; }
  const std::vector<const duckdb::Expression*>& conditions() const { return conditions_; }

  // Makes an expression over the part's columns one over the scan's; false where it names anything else.
  bool Resolve(duckdb::unique_ptr<duckdb::Expression>& expression) const;
  // The scan's column that an expression over the part's columns is; nullopt: something else.
  std::optional<int> ColumnOf(const duckdb::Expression& expression) const;

 private:
  ScanChain() = default;
  bool Descend(const duckdb::LogicalOperator& op);

  std::vector<const duckdb::LogicalProjection*> projections_;
  std::vector<const duckdb::Expression*> conditions_;
  const duckdb::LogicalGet* scan_ = nullptr;
};

}  // namespace hyprstream::engine
