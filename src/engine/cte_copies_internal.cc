#include "engine/cte_copies_internal.h"

#include <duckdb/planner/operator/logical_cteref.hpp>
#include <duckdb/planner/operator/logical_materialized_cte.hpp>
#include <unordered_map>

namespace hyprstream::engine {

namespace {

using duckdb::LogicalOperatorType;

// By the CTE's table index.
using Sizes = std::unordered_map<duckdb::idx_t, double>;
using References = std::unordered_map<duckdb::idx_t, int>;

bool MayBeWrittenOut(const duckdb::LogicalOperator& op) {
  return op.type == LogicalOperatorType::LOGICAL_MATERIALIZED_CTE &&
         op.Cast<duckdb::LogicalMaterializedCTE>().materialize != duckdb::CTEMaterialize::CTE_MATERIALIZE_ALWAYS;
}

// A CTE's query comes before all references to it. A double takes any number of doublings.
double WrittenOutSize(const duckdb::LogicalOperator& op, Sizes& written_out) {
  double size = 1;
  if (op.type == LogicalOperatorType::LOGICAL_CTE_REF) {
    const auto found = written_out.find(op.Cast<duckdb::LogicalCTERef>().cte_index.index);
    if (found != written_out.end()) size += found->second;
  }
  for (std::size_t i = 0; i < op.children.size(); ++i) {
    const double child = WrittenOutSize(*op.children[i], written_out);
    if (i == 0 && MayBeWrittenOut(op)) {
      written_out[op.Cast<duckdb::LogicalMaterializedCTE>().table_index.index] = child;
    }
    size += child;
  }
  return size;
}

void CountReferences(const duckdb::LogicalOperator& op, References& references) {
  if (op.type == LogicalOperatorType::LOGICAL_CTE_REF) ++references[op.Cast<duckdb::LogicalCTERef>().cte_index.index];
  for (const auto& child : op.children) CountReferences(*child, references);
}

void Materialize(duckdb::LogicalOperator& op, const References& references) {
  if (MayBeWrittenOut(op)) {
    auto& cte = op.Cast<duckdb::LogicalMaterializedCTE>();
    const auto found = references.find(cte.table_index.index);
    if (found != references.end() && found->second > 1) {
      cte.materialize = duckdb::CTEMaterialize::CTE_MATERIALIZE_ALWAYS;
    }
  }
  for (auto& child : op.children) Materialize(*child, references);
}

}  // namespace

void BoundCopies(duckdb::LogicalOperator& plan) {
  Sizes written_out;
  if (WrittenOutSize(plan, written_out) <= kWrittenOutMax) return;
  References references;
  CountReferences(plan, references);
  Materialize(plan, references);
}

}  // namespace hyprstream::engine
