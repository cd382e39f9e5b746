#include "engine/capture_internal.h"

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/duck_table_entry.hpp>
#include <duckdb/catalog/catalog_entry/schema_catalog_entry.hpp>
#include <duckdb/main/attached_database.hpp>
#include <duckdb/storage/data_table.hpp>
#include <duckdb/storage/table/scan_state.hpp>
#include <duckdb/transaction/delete_info.hpp>
#include <duckdb/transaction/duck_transaction.hpp>
#include <duckdb/transaction/local_storage.hpp>
#include <duckdb/transaction/meta_transaction.hpp>
#include <duckdb/transaction/update_info.hpp>
#include <map>
#include <utility>

#include "engine/arrow_out_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/gate_internal.h"

namespace hyprstream::engine {

namespace {

// Explicit instantiation may name private members; this hands out the pointers.
template <class Tag, typename Tag::type Member>
struct PrivateMember {
  friend typename Tag::type Reveal(Tag) { return Member; }
};
struct UndoBufferTag {
  using type = duckdb::UndoBuffer duckdb::DuckTransaction::*;
  friend type Reveal(UndoBufferTag);
};
template struct PrivateMember<UndoBufferTag, &duckdb::DuckTransaction::undo_buffer>;
struct AllocatorTag {
  using type = duckdb::UndoBufferAllocator duckdb::UndoBuffer::*;
  friend type Reveal(AllocatorTag);
};
template struct PrivateMember<AllocatorTag, &duckdb::UndoBuffer::allocator>;

void SortUnique(std::vector<duckdb::row_t>& rows) {
  std::ranges::sort(rows);
  rows.erase(std::ranges::unique(rows).begin(), rows.end());
}

// What a table is, however it is altered or renamed: an ALTER gives it another entry, and most another storage, with
// the rows where they were.
using TableIdentity = const duckdb::DataTableInfo*;

TableIdentity IdentityOf(duckdb::DuckTableEntry& table) { return table.GetStorage().GetDataTableInfo().get(); }

struct TouchedRows {
  TableRef table;  // as it was called at one of the edits
  std::vector<duckdb::row_t> deleted;
  std::vector<duckdb::row_t> updated;

  std::vector<duckdb::row_t> All() const {
    auto all = deleted;
    all.insert(all.end(), updated.begin(), updated.end());
    SortUnique(all);
    return all;
  }
};

using TouchedTables = std::map<TableIdentity, TouchedRows>;

struct Touched {
  TouchedTables tables;
  std::vector<TransactionFacts::ChangedEntry> entries;
};

bool IsTableOrView(const duckdb::CatalogEntry& entry) {
  return entry.type == duckdb::CatalogType::TABLE_ENTRY || entry.type == duckdb::CatalogType::VIEW_ENTRY;
}

// ALTER COLUMN TYPE gives a table a storage of its own, as do ADD and DROP COLUMN and a new constraint. When the type
// is the one that it was (`k TYPE INTEGER USING k + 1`), nothing says which column it was.
bool MayBeComputedAnew(duckdb::CatalogEntry& before, duckdb::CatalogEntry& after) {
  auto& old_table = before.Cast<duckdb::DuckTableEntry>();
  auto& new_table = after.Cast<duckdb::DuckTableEntry>();
  return &old_table.GetStorage() != &new_table.GetStorage() &&
         old_table.GetColumns().LogicalColumnCount() == new_table.GetColumns().LogicalColumnCount() &&
         old_table.GetConstraints().size() == new_table.GetConstraints().size() &&
         old_table.GetColumns().GetColumnTypes() == new_table.GetColumns().GetColumnTypes();
}

void CollectLostColumns(duckdb::CatalogEntry& before, duckdb::CatalogEntry& after, std::vector<std::string>& lost) {
  if (before.type != duckdb::CatalogType::TABLE_ENTRY || after.type != duckdb::CatalogType::TABLE_ENTRY) return;
  const auto& columns = after.Cast<duckdb::TableCatalogEntry>().GetColumns();
  const bool any = MayBeComputedAnew(before, after);
  for (const auto& column : before.Cast<duckdb::TableCatalogEntry>().GetColumns().Logical()) {
    if (!any && columns.ColumnExists(column.Name()) && columns.GetColumn(column.Name()).Type() == column.Type())
      continue;
    lost.push_back(column.Name().GetIdentifierName());
  }
}

// A version of an entry that the transaction replaced: the placeholder before a CREATE, the table before an ALTER or
// DROP. Its parent is what came after it.
void CollectEntry(duckdb::CatalogEntry& before, std::vector<TransactionFacts::ChangedEntry>& entries) {
  if (!before.HasParent()) return;
  auto& after = before.Parent();
  const bool existed = IsTableOrView(before) && !before.deleted;
  const bool exists = IsTableOrView(after) && !after.deleted;
  if (!existed && !exists) return;
  auto& known = existed ? before : after;
  const TableRef ref{.schema = known.ParentSchema().name.GetIdentifierName(), .name = known.name.GetIdentifierName()};
  auto found = std::ranges::find_if(entries, [&](const auto& entry) { return entry.entry == ref; });
  if (found == entries.end()) {
    found = entries.insert(entries.end(),
                           {.entry = ref, .existed = existed, .exists = exists, .dropped = existed && !exists});
  } else {  // versions come in the order in which they were replaced
    found->exists = exists;
    found->dropped |= found->existed && !exists;
  }
  if (existed && exists) CollectLostColumns(before, after, found->lost_columns);
}

TableRef RefOf(duckdb::DuckTableEntry& table) {
  return {.schema = table.ParentSchema().name.GetIdentifierName(), .name = table.name.GetIdentifierName()};
}

TouchedRows& RowsOf(duckdb::DuckTableEntry& table, TouchedTables& touched) {
  auto& rows = touched[IdentityOf(table)];
  if (rows.table.name.empty()) rows.table = RefOf(table);
  return rows;
}

void Collect(duckdb::UndoFlags kind, duckdb::data_ptr_t payload, Touched& all) {
  auto& touched = all.tables;
  if (kind == duckdb::UndoFlags::CATALOG_ENTRY) {
    CollectEntry(*duckdb::Load<duckdb::CatalogEntry*>(payload), all.entries);
  } else if (kind == duckdb::UndoFlags::DELETE_TUPLE) {
    const auto* info = reinterpret_cast<duckdb::DeleteInfo*>(payload);
    auto& rows = RowsOf(*info->table, touched).deleted;
    for (duckdb::idx_t i = 0; i < info->count; ++i) {
      rows.push_back(static_cast<duckdb::row_t>(info->base_row + (info->is_consecutive ? i : info->GetRows()[i])));
    }
  } else if (kind == duckdb::UndoFlags::UPDATE_TUPLE) {
    auto* info = reinterpret_cast<duckdb::UpdateInfo*>(payload);
    auto& rows = RowsOf(*info->table, touched).updated;
    const auto base = info->row_group_start + info->vector_index * STANDARD_VECTOR_SIZE;
    for (duckdb::idx_t i = 0; i < info->N; ++i) {
      rows.push_back(static_cast<duckdb::row_t>(base + info->GetTuples()[i]));
    }
  }
}

// The layout of an entry is {UndoFlags, uint32 length, payload}; see UndoBuffer::CreateEntry.
Touched ReadUndoBuffer(duckdb::DuckTransaction& transaction) {
  Touched touched;
  auto& allocator = (transaction.*Reveal(UndoBufferTag())).*Reveal(AllocatorTag());
  for (auto* entry = allocator.head.get(); entry != nullptr; entry = entry->next.get()) {
    auto handle = allocator.buffer_manager.Pin(entry->block);
    auto at = handle.GetDataMutable();
    const auto end = at + entry->position;
    while (at < end) {
      const auto kind = duckdb::Load<duckdb::UndoFlags>(at);
      at += sizeof(duckdb::UndoFlags);
      const auto length = duckdb::Load<uint32_t>(at);
      at += sizeof(uint32_t);
      Collect(kind, at, touched);
      at += length;
    }
  }
  for (auto& [table, rows] : touched.tables) {
    SortUnique(rows.deleted);
    SortUnique(rows.updated);
    std::vector<duckdb::row_t> kept;  // an updated row that was deleted in the end is a deleted row
    std::ranges::set_difference(rows.updated, rows.deleted, std::back_inserter(kept));
    rows.updated = std::move(kept);
  }
  return touched;
}

duckdb::AttachedDatabase& Database(duckdb::ClientContext& context, const std::string& database) {
  return duckdb::Catalog::GetCatalog(context, duckdb::Identifier(database)).GetAttached();
}

std::vector<duckdb::DuckTableEntry*> TablesOf(duckdb::ClientContext& context, const std::string& database) {
  std::vector<duckdb::DuckTableEntry*> tables;
  auto& catalog = duckdb::Catalog::GetCatalog(context, duckdb::Identifier(database));
  catalog.ScanSchemas(context, [&](duckdb::SchemaCatalogEntry& schema) {
    schema.Scan(context, duckdb::CatalogType::TABLE_ENTRY, [&](duckdb::CatalogEntry& entry) {
      if (entry.type == duckdb::CatalogType::TABLE_ENTRY) tables.push_back(&entry.Cast<duckdb::DuckTableEntry>());
    });
  });
  return tables;
}

struct Columns {
  duckdb::vector<duckdb::StorageIndex> storage;
  duckdb::vector<duckdb::LogicalType> types;
  std::shared_ptr<arrow::Schema> schema;
};

// All of them, or only the one that is named.
Columns ColumnsOf(duckdb::ClientContext& context, duckdb::DuckTableEntry& table, const std::string& only = "") {
  Columns columns;
  std::vector<std::string> names;
  for (const auto& column : table.GetColumns().Physical()) {
    if (!only.empty() && column.Name() != duckdb::Identifier(only)) continue;
    columns.storage.emplace_back(column.StorageOid());
    columns.types.push_back(column.Type());
    names.push_back(column.Name().GetIdentifierName());
  }
  columns.schema = DeclareColumns(context, columns.types, names);
  return columns;
}

std::vector<std::shared_ptr<arrow::RecordBatch>> ScanInserted(duckdb::ClientContext& context,
                                                              duckdb::LocalStorage& local,
                                                              duckdb::DuckTableEntry& table, const Columns& columns) {
  auto& storage = table.GetStorage();
  if (!local.Find(storage)) return {};
  duckdb::TableScanState state;
  state.Initialize(columns.storage, &context);
  local.InitializeScan(storage, state.local_state, nullptr);
  BatchBuilder builder(context, columns.types, columns.schema, FormOf(columns.types));
  duckdb::DataChunk chunk;
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(), columns.types);
  for (;;) {
    chunk.Reset();
    local.Scan(state.local_state, columns.storage, chunk);
    if (chunk.size() == 0) break;
    builder.Append(chunk);
  }
  return builder.Finish();
}

std::vector<std::shared_ptr<arrow::RecordBatch>> FetchRows(duckdb::ClientContext& context, const std::string& database,
                                                           duckdb::DuckTableEntry& table, const Columns& columns,
                                                           const std::vector<duckdb::row_t>& rows) {
  if (rows.empty()) return {};
  auto& transaction = duckdb::DuckTransaction::Get(context, Database(context, database));
  BatchBuilder builder(context, columns.types, columns.schema, FormOf(columns.types));
  for (std::size_t start = 0; start < rows.size(); start += STANDARD_VECTOR_SIZE) {
    const auto count = std::min<std::size_t>(STANDARD_VECTOR_SIZE, rows.size() - start);
    duckdb::Vector row_ids(duckdb::LogicalType::ROW_TYPE, count);
    std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(start), count,
                duckdb::FlatVector::GetDataMutable<duckdb::row_t>(row_ids));
    duckdb::DataChunk chunk;
    chunk.Initialize(duckdb::Allocator::DefaultAllocator(), columns.types, count);
    duckdb::ColumnFetchState fetch;
    table.GetStorage().Fetch(transaction, chunk, columns.storage, row_ids, count, fetch);
    if (chunk.size() != count) {  // the EditLog would say so later
      throw duckdb::TransactionException(EditConflict(RefOf(table)));
    }
    builder.Append(chunk);
  }
  return builder.Finish();
}

TableChanges Inserted(duckdb::ClientContext& context, duckdb::LocalStorage& local, duckdb::DuckTableEntry& table,
                      const Columns& columns, const AppendedRows& appended) {
  const auto ref = RefOf(table);
  auto& storage = table.GetStorage();
  const auto rows = local.Find(storage) ? static_cast<std::int64_t>(local.AddedRows(storage)) : 0;
  if (const auto* known = appended.Of(ref, rows)) {
    return {.table = ref, .schema = known->schema, .inserted = known->batches, .updated = {}, .removed = {}};
  }
  return {.table = ref,
          .schema = columns.schema,
          .inserted = ScanInserted(context, local, table, columns),
          .updated = {},
          .removed = {}};
}

}  // namespace

TransactionFacts InspectTransaction(duckdb::ClientContext& context, const std::string& database) {
  auto& transaction = duckdb::DuckTransaction::Get(context, Database(context, database));
  TransactionFacts facts;
  if (!transaction.ChangesMade()) return facts;
  facts.changes = true;
  facts.catalog_changes = transaction.GetUndoProperties().has_catalog_changes;
  auto touched = ReadUndoBuffer(transaction);
  facts.entries = std::move(touched.entries);
  auto& local = duckdb::LocalStorage::Get(transaction);
  for (auto* table : TablesOf(context, database)) {
    auto& storage = table->GetStorage();
    const auto inserted = local.Find(storage) ? static_cast<std::int64_t>(local.AddedRows(storage)) : 0;
    const auto ref = RefOf(*table);
    const bool edited = touched.tables.contains(IdentityOf(*table));
    if (inserted > 0 || edited) facts.tables.push_back({.table = ref, .rows_inserted = inserted});
  }
  return facts;
}

EditedRows EditedRowsOf(duckdb::ClientContext& context, const std::string& database) {
  auto& transaction = duckdb::DuckTransaction::Get(context, Database(context, database));
  EditedRows edited;
  if (!transaction.ChangesMade()) return edited;
  for (const auto& [table, rows] : ReadUndoBuffer(transaction).tables) {
    if (rows.table.schema == kInternalSchema) continue;
    edited[table].table = rows.table;
    auto& ranges = edited[table].rows;
    for (const auto row : rows.All()) {
      if (ranges.empty() || ranges.back().last + 1 != row) ranges.push_back({.first = row, .last = row});
      ranges.back().last = row;
    }
  }
  return edited;
}

RowChanges CaptureChanges(duckdb::ClientContext& context, const CaptureRequest& request) {
  const auto& database = request.database;
  auto& transaction = duckdb::DuckTransaction::Get(context, Database(context, database));
  if (!transaction.ChangesMade() && !request.appended.has_taken()) return {};
  auto touched = ReadUndoBuffer(transaction);
  auto& local = duckdb::LocalStorage::Get(transaction);
  RowChanges changes;
  for (auto* table : TablesOf(context, database)) {
    const auto ref = RefOf(*table);
    if (!request.wanted(ref)) continue;
    const auto columns = ColumnsOf(context, *table);
    auto change = Inserted(context, local, *table, columns, request.appended);
    if (const auto found = touched.tables.find(IdentityOf(*table)); found != touched.tables.end()) {
      const auto& rows = found->second;
      change.updated = FetchRows(context, database, *table, columns, rows.updated);
      const auto removed = rows.All();
      if (!removed.empty()) change.removed = FetchRows(request.other(), database, *table, columns, removed);
    }
    if (!change.inserted.empty() || !change.updated.empty() || !change.removed.empty()) {
      changes.push_back(std::move(change));
    }
  }
  return changes;
}

std::vector<std::shared_ptr<arrow::RecordBatch>> CaptureNewValues(duckdb::ClientContext& context,
                                                                  const NewValuesRequest& request, const TableRef& ref,
                                                                  const std::string& column) {
  const auto& database = request.database;
  auto& transaction = duckdb::DuckTransaction::Get(context, Database(context, database));
  const auto tables = TablesOf(context, database);
  const auto found = std::ranges::find_if(tables, [&](auto* table) { return RefOf(*table) == ref; });
  if (found == tables.end()) return {};
  auto& table = **found;
  const auto columns = ColumnsOf(context, table, column);
  if (columns.types.empty()) return {};
  auto& local = duckdb::LocalStorage::Get(transaction);
  auto inserted = Inserted(context, local, table, columns, request.appended);
  auto values = std::move(inserted.inserted);
  const auto touched = ReadUndoBuffer(transaction);
  if (const auto edited = touched.tables.find(IdentityOf(table)); edited != touched.tables.end()) {
    for (auto& batch : FetchRows(context, database, table, columns, edited->second.updated)) {
      values.push_back(std::move(batch));
    }
  }
  return values;
}

}  // namespace hyprstream::engine
