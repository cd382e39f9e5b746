#include "engine/table_append_internal.h"

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/duck_table_entry.hpp>
#include <duckdb/common/enums/database_modification_type.hpp>
#include <duckdb/main/valid_checker.hpp>
#include <duckdb/parser/constraints/not_null_constraint.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/bound_constraint.hpp>
#include <duckdb/storage/data_table.hpp>
#include <duckdb/storage/table/append_state.hpp>
#include <duckdb/transaction/meta_transaction.hpp>
#include <exception>

namespace hyprstream::engine {

bool CanAppendDirectly(duckdb::ClientContext& context, duckdb::DuckTableEntry& table,
                       const duckdb::vector<duckdb::LogicalType>& types) {
  if (table.temporary || table.GetColumns().LogicalColumnCount() != table.GetColumns().PhysicalColumnCount()) {
    return false;
  }
  if (table.GetTypes() != types) return false;
  bool triggers = false;
  table.ScanTriggers(table.ParentCatalog().GetCatalogTransaction(context),
                     [&](duckdb::CatalogEntry&) { triggers = true; });
  return !triggers;
}

bool HoldConstraints(duckdb::DuckTableEntry& table, const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  for (const auto& constraint : table.GetConstraints()) {
    if (constraint->type != duckdb::ConstraintType::NOT_NULL) return false;
    const auto column = static_cast<int>(constraint->Cast<duckdb::NotNullConstraint>().index.index);
    for (const auto& batch : batches) {
      if (batch->column(column)->ComputeLogicalNullCount() != 0) return false;
    }
  }
  return true;
}

void AppendDirectly(duckdb::ClientContext& context, duckdb::DuckTableEntry& table,
                    const std::function<void(const std::function<void(duckdb::DataChunk&)>&)>& rows) {
  auto& transaction = duckdb::MetaTransaction::Get(context);
  try {
    transaction.ModifyDatabase(table.ParentCatalog().GetAttached(),
                               duckdb::DatabaseModificationType(duckdb::DatabaseModificationType::INSERT_DATA));
    const auto binder = duckdb::Binder::CreateBinder(context);
    const auto constraints = binder->BindConstraints(table);
    auto& storage = table.GetStorage();
    duckdb::LocalAppendState state;
    storage.InitializeLocalAppend(state, table, context, constraints);
    rows([&](duckdb::DataChunk& chunk) { storage.LocalAppend(state, table, context, chunk, /*unsafe=*/false); });
    storage.FinalizeLocalAppend(state);
  } catch (const std::exception& error) {
    duckdb::ValidChecker::Invalidate(transaction, duckdb::ErrorData(error).RawMessage());
    throw;
  }
}

}  // namespace hyprstream::engine
