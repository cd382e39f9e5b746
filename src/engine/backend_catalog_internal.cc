#include "engine/backend_catalog_internal.h"

#include <arrow/result.h>
#include <arrow/type.h>

#include <algorithm>
#include <atomic>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/schema_catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/catalog/similar_catalog_entry.hpp>
#include <duckdb/main/attached_database.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/parser/constraints/not_null_constraint.hpp>
#include <duckdb/parser/parsed_data/create_schema_info.hpp>
#include <duckdb/parser/parsed_data/create_table_info.hpp>
#include <duckdb/storage/database_size.hpp>
#include <duckdb/storage/statistics/base_statistics.hpp>
#include <duckdb/storage/storage_extension.hpp>
#include <duckdb/storage/table_storage_info.hpp>
#include <duckdb/transaction/meta_transaction.hpp>
#include <duckdb/transaction/transaction.hpp>
#include <duckdb/transaction/transaction_manager.hpp>
#include <map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "engine/backend_scan_internal.h"
#include "engine/backend_set_internal.h"
#include "engine/context_state_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/error_internal.h"

namespace hyprstream::engine {

namespace {

constexpr const char* kType = "adbc";
constexpr const char* kViewTag = "backend_view";
// Behind a table's name, where no name has it.
constexpr const char* kWithRows = "\x01rows";

template <class T>
using DuckPointer = duckdb::unique_ptr<T>;

// As the database spells it: exactly like that, else the only one that differs in case alone. Empty: there is none.
std::string SpelledAs(const std::vector<std::string>& names, const std::string& wanted, const std::string& backend) {
  if (std::ranges::find(names, wanted) != names.end()) return wanted;
  const auto folded = FoldIdentifier(wanted);
  std::string found;
  for (const auto& name : names) {
    if (FoldIdentifier(name) != folded) continue;
    if (!found.empty()) {
      RefuseIfNotOk(arrow::Status::Invalid("Backend ", backend, " has both ", found, " and ", name,
                                           "; write the one that is meant exactly so, in double quotes"));
    }
    found = name;
  }
  return found;
}

[[noreturn]] void RefuseWrite(const duckdb::Catalog& catalog) {
  RefuseIfNotOk(CannotWrite(catalog.GetName().GetIdentifierName()));
  throw duckdb::InternalException("a refusal was none");
}

// What a table was found to be. One that cannot be described is listed without columns; its error is told to whoever
// reads it.
struct FoundTable {
  std::shared_ptr<const TableSource> source;
  duckdb::vector<duckdb::LogicalType> types = {};
  arrow::Status problem = arrow::Status::OK();
};

FoundTable Describe(duckdb::ClientContext& context, std::shared_ptr<const TableSource> source) {
  FoundTable found{.source = std::move(source)};
  try {
    found.types = AsDeclared(*DeclareRows(context, *found.source))->types();
  } catch (const std::exception& error) {
    found.problem = StatusFrom(error);
  }
  std::map<std::string, std::string> seen;
  for (const auto& field : found.source->schema()->fields()) {
    const auto [other, fresh] = seen.try_emplace(FoldIdentifier(field->name()), field->name());
    if (fresh || !found.problem.ok()) continue;
    found.problem = arrow::Status::NotImplemented("columns ", other->second, " and ", field->name(),
                                                  " differ in case alone; name them in backend_query()");
  }
  return found;
}

DuckPointer<duckdb::CreateTableInfo> InfoOf(duckdb::SchemaCatalogEntry& schema, const BackendTable& table,
                                            const FoundTable& found) {
  auto info = duckdb::make_uniq<duckdb::CreateTableInfo>(schema, duckdb::Identifier(table.name));
  if (table.is_view) info->tags[kViewTag] = "true";
  if (!found.problem.ok()) return info;
  for (std::size_t i = 0; i < found.types.size(); ++i) {
    const auto& field = found.source->schema()->field(static_cast<int>(i));
    info->columns.AddColumn(duckdb::ColumnDefinition(duckdb::Identifier(field->name()), found.types[i]));
    if (!field->nullable()) {
      info->constraints.push_back(duckdb::make_uniq<duckdb::NotNullConstraint>(duckdb::LogicalIndex(i)));
    }
  }
  return info;
}

class BackendTransaction;

// A table as a transaction that has written sees it.
class SourceInTransaction : public TableSource {
 public:
  SourceInTransaction(BackendTransaction& transaction, TableRef table, std::shared_ptr<const TableSource> source)
      : transaction_(transaction), table_(std::move(table)), source_(std::move(source)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return source_->schema(); }
  std::optional<std::int64_t> EstimatedRows() const override { return source_->EstimatedRows(); }
  bool FindsExactly(const std::vector<ColumnFilter>& filters) const override { return source_->FindsExactly(filters); }
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override;

 private:
  BackendTransaction& transaction_;
  const TableRef table_;
  const std::shared_ptr<const TableSource> source_;
};

// The same with the names of its rows, which only a writer gives.
class RowsInTransaction : public TableSource {
 public:
  RowsInTransaction(BackendTransaction& transaction, TableRef table, const TableSource& source)
      : transaction_(transaction), table_(std::move(table)), rows_(source.EstimatedRows()) {
    auto fields = source.schema()->fields();
    fields.insert(fields.begin(), arrow::field(kRowNameColumn, arrow::utf8(), false));
    schema_ = arrow::schema(std::move(fields));
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  std::optional<std::int64_t> EstimatedRows() const override { return rows_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override;

 private:
  BackendTransaction& transaction_;
  const TableRef table_;
  const std::optional<std::int64_t> rows_;
  std::shared_ptr<arrow::Schema> schema_;
};

class TableEntry : public duckdb::TableCatalogEntry {
 public:
  TableEntry(duckdb::Catalog& catalog, duckdb::SchemaCatalogEntry& schema, duckdb::CreateTableInfo& info,
             FoundTable found)
      : TableCatalogEntry(catalog, schema, info), columns_(std::move(info.columns)), found_(std::move(found)) {
    tags = info.tags;
  }

  const duckdb::ColumnList& GetColumns() const override { return columns_; }
  DuckPointer<duckdb::BaseStatistics> GetStatistics(duckdb::ClientContext&, duckdb::column_t) override {
    return nullptr;
  }
  duckdb::TableFunction GetScanFunction(duckdb::ClientContext& context,
                                        DuckPointer<duckdb::FunctionData>& bind_data) override {
    const auto& backend = catalog.GetName().GetIdentifierName();
    const auto& schema_name = schema.name.GetIdentifierName();
    const auto& table = name.GetIdentifierName();
    if (!found_.problem.ok()) {
      RefuseIfNotOk(found_.problem.WithMessage("Table ", backend, ".", schema_name, ".", table,
                                               " cannot be read: ", found_.problem.message()));
    }
    return MakeBackendScan(
        context,
        {.backend = backend, .table = {.schema = schema_name, .name = table}, .source = found_.source, .entry = this},
        bind_data);
  }
  duckdb::TableStorageInfo GetStorageInfo(duckdb::ClientContext&) override {
    duckdb::TableStorageInfo info;
    const auto rows = found_.source ? found_.source->EstimatedRows() : std::nullopt;
    if (rows && *rows >= 0) info.cardinality = duckdb::optional_idx(static_cast<duckdb::idx_t>(*rows));
    return info;
  }

 private:
  duckdb::ColumnList columns_;
  FoundTable found_;
};

class SchemaEntry : public duckdb::SchemaCatalogEntry {
 public:
  SchemaEntry(duckdb::Catalog& catalog, duckdb::CreateSchemaInfo& info, const Backend& backend,
              BackendTransaction& transaction)
      : SchemaCatalogEntry(catalog, info), backend_(backend), transaction_(transaction) {}

  duckdb::optional_ptr<duckdb::CatalogEntry> LookupEntry(duckdb::CatalogTransaction transaction,
                                                         const duckdb::EntryLookupInfo& lookup) override {
    if (lookup.GetCatalogType() != duckdb::CatalogType::TABLE_ENTRY || !transaction.HasContext()) return nullptr;
    const MutexLock lock(mutex_);
    std::string wanted = lookup.GetEntryName();
    const bool with_rows = wanted.ends_with(kWithRows);
    if (with_rows) wanted.resize(wanted.size() - std::string_view(kWithRows).size());
    const auto spelled = Spelled(wanted);
    const auto key = with_rows ? NameWithRows(spelled) : spelled;
    if (const auto found = tables_.find(key); found != tables_.end()) return found->second.get();
    auto source = SourceOf({.schema = name.GetIdentifierName(), .name = spelled});
    if (source.status().IsKeyError()) return nullptr;
    RefuseIfNotOk(source.status());
    if (with_rows) {
      *source = std::make_shared<RowsInTransaction>(
          transaction_, TableRef{.schema = name.GetIdentifierName(), .name = spelled}, **source);
    }
    return Keep(transaction.GetContext(), {.schema = name.GetIdentifierName(), .name = key, .is_view = false}, *source);
  }

  // The table is looked up anew; what was planned with the entry keeps it.
  void ForgetAll() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    for (auto& [_, entry] : tables_) replaced_.push_back(std::move(entry));
    tables_.clear();
  }
  void Forget(const std::string& table) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    for (const auto& key : {table, NameWithRows(table)}) {
      if (auto found = tables_.extract(key); !found.empty()) replaced_.push_back(std::move(found.mapped()));
    }
  }

  // DuckDB looks for what was meant by an unknown name wherever there is something: not at the other end of a network.
  duckdb::SimilarCatalogEntry GetSimilarEntry(duckdb::CatalogTransaction, const duckdb::EntryLookupInfo&) override {
    return {};
  }

  void Scan(duckdb::ClientContext& context, duckdb::CatalogType type,
            const std::function<void(duckdb::CatalogEntry&)>& callback) override {
    if (type != duckdb::CatalogType::TABLE_ENTRY) return;
    std::vector<duckdb::CatalogEntry*> entries;
    {
      const MutexLock lock(mutex_);
      const auto tables = backend_.Tables(name.GetIdentifierName());
      if (!tables.ok()) return;
      for (const auto& table : *tables) {
        if (const auto found = tables_.find(table.name); found != tables_.end()) {
          entries.push_back(found->second.get());
          continue;
        }
        const auto source = SourceOf({.schema = table.schema, .name = table.name});
        if (source.status().IsIOError() || source.status().IsCancelled()) break;  // it has gone meanwhile
        if (source.ok()) entries.push_back(&Keep(context, table, *source));
      }
    }
    for (auto* entry : entries) callback(*entry);
  }
  void Scan(duckdb::CatalogType, const std::function<void(duckdb::CatalogEntry&)>&) override {}

  duckdb::optional_ptr<duckdb::CatalogEntry> CreateIndex(duckdb::CatalogTransaction, duckdb::CreateIndexInfo&,
                                                         duckdb::TableCatalogEntry&) override {
    RefuseWrite(catalog);
  }
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateFunction(duckdb::CatalogTransaction,
                                                            duckdb::CreateFunctionInfo&) override {
    RefuseWrite(catalog);
  }
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateTable(duckdb::CatalogTransaction,
                                                         duckdb::BoundCreateTableInfo&) override {
    RefuseWrite(catalog);
  }
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateView(duckdb::CatalogTransaction, duckdb::CreateViewInfo&) override {
    RefuseWrite(catalog);
  }
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateSequence(duckdb::CatalogTransaction,
                                                            duckdb::CreateSequenceInfo&) override {
    RefuseWrite(catalog);
  }
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateType(duckdb::CatalogTransaction, duckdb::CreateTypeInfo&) override {
    RefuseWrite(catalog);
  }
  void DropEntry(duckdb::ClientContext&, duckdb::DropInfo&) override { RefuseWrite(catalog); }
  void Alter(duckdb::CatalogTransaction, duckdb::AlterInfo&) override { RefuseWrite(catalog); }

 private:
  arrow::Result<std::shared_ptr<TableSource>> SourceOf(const TableRef& table) const;

  // A name that is not among those that are known may be new.
  std::string Spelled(const std::string& wanted) const {
    const auto tables = backend_.Tables(name.GetIdentifierName());
    RefuseIfNotOk(tables.status());
    std::vector<std::string> names;
    for (const auto& table : *tables) names.push_back(table.name);
    const auto spelled = SpelledAs(names, wanted, backend_.name());
    return spelled.empty() ? wanted : spelled;
  }

  duckdb::CatalogEntry& Keep(duckdb::ClientContext& context, const BackendTable& table,
                             std::shared_ptr<const TableSource> source) REQUIRES(mutex_) {
    auto found = Describe(context, std::move(source));
    const auto info = InfoOf(*this, table, found);
    auto entry = std::make_unique<TableEntry>(catalog, *this, *info, std::move(found));
    return *tables_.insert_or_assign(table.name, std::move(entry)).first->second;
  }

  const Backend& backend_;
  BackendTransaction& transaction_;
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<TableEntry>> tables_ GUARDED_BY(mutex_);  // as the database spells them
  std::vector<std::unique_ptr<TableEntry>> replaced_ GUARDED_BY(mutex_);
};

// What a transaction has found so far, which no other sees: its statements may go on using it whatever happens to the
// database.
class BackendTransaction : public duckdb::Transaction {
 public:
  BackendTransaction(duckdb::TransactionManager& manager, duckdb::ClientContext& context,
                     std::shared_ptr<const Backend> backend, std::uint64_t number)
      : Transaction(manager, context), backend_(std::move(backend)), number_(number) {}

  // Another one when its tables are others.
  std::uint64_t number() const { return number_; }
  void NoteRedefined(const TableRef& table, std::uint64_t number) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    number_ = number;
    if (const auto found = schemas_.find(table.schema); found != schemas_.end()) found->second->Forget(table.name);
  }

  // Null: nothing has been written.
  BackendWriter* writer() const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return writer_.get();
  }
  // Begun where there is none yet.
  arrow::Result<BackendWriter*> Write(const Backend& backend) EXCLUDES(mutex_) {
    if (auto* begun = writer()) return begun;
    ARROW_ASSIGN_OR_RAISE(auto writer, backend.BeginWriting([context = this->context] {
      const auto alive = context.lock();
      return alive && alive->IsInterrupted();
    }));
    const MutexLock lock(mutex_);
    writer_ = std::move(writer);
    // What is planned from now on reads what the writer sees.
    number_ = NextNumber();
    for (const auto& [_, schema] : schemas_) schema->ForgetAll();
    return writer_.get();
  }
  const Backend& backend() const { return *backend_; }
  std::uint64_t NextNumber() const;

  SchemaEntry& Schema(duckdb::Catalog& catalog, const std::string& name, const Backend& backend) {
    const MutexLock lock(mutex_);
    auto& entry = schemas_[name];
    if (entry == nullptr) {
      duckdb::CreateSchemaInfo info;
      info.SetQualifiedName(duckdb::QualifiedName(catalog.GetName(), duckdb::Identifier(name), duckdb::Identifier()));
      entry = std::make_unique<SchemaEntry>(catalog, info, backend, *this);
    }
    return *entry;
  }

 private:
  const std::shared_ptr<const Backend> backend_;
  std::atomic<std::uint64_t> number_;
  mutable Mutex mutex_;
  std::unique_ptr<BackendWriter> writer_ GUARDED_BY(mutex_);  // its sources are used by the schemas' entries alone
  std::map<std::string, std::unique_ptr<SchemaEntry>> schemas_ GUARDED_BY(mutex_);
};

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> SourceInTransaction::Scan(const ScanRequest& request) const {
  auto* writer = transaction_.writer();
  if (writer == nullptr) return source_->Scan(request);
  ARROW_ASSIGN_OR_RAISE(const auto source, writer->Table(table_));
  return source->Scan(request);
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> RowsInTransaction::Scan(const ScanRequest& request) const {
  ARROW_ASSIGN_OR_RAISE(auto* writer, transaction_.Write(transaction_.backend()));
  ARROW_ASSIGN_OR_RAISE(const auto source, writer->Rows(table_));
  return source->Scan(request);
}

arrow::Result<std::shared_ptr<TableSource>> SchemaEntry::SourceOf(const TableRef& table) const {
  auto* writer = transaction_.writer();
  if (writer == nullptr) return backend_.Table(table.schema, table.name);
  ARROW_ASSIGN_OR_RAISE(auto source, writer->Table(table));
  return std::make_shared<SourceInTransaction>(transaction_, table, std::move(source));
}

class BackendTransactions : public duckdb::TransactionManager {
 public:
  explicit BackendTransactions(duckdb::AttachedDatabase& database) : TransactionManager(database) {}

  duckdb::Transaction& StartTransaction(duckdb::ClientContext& context) override {
    const MutexLock lock(mutex_);
    auto transaction = std::make_unique<BackendTransaction>(*this, context, BackendOf(db), ++number_);
    auto& started = *transaction;
    open_.emplace(&started, std::move(transaction));
    return started;
  }
  duckdb::ErrorData CommitTransaction(duckdb::ClientContext&, duckdb::Transaction& transaction) override {
    End(transaction);
    return {};
  }
  void RollbackTransaction(duckdb::Transaction& transaction) override { End(transaction); }
  void Checkpoint(duckdb::ClientContext&, bool) override {}
  std::uint64_t NextNumber() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return ++number_;
  }

 private:
  static std::shared_ptr<const Backend> BackendOf(duckdb::AttachedDatabase& database);
  // A writer that was not committed is rolled back, without the lock.
  void End(duckdb::Transaction& transaction) EXCLUDES(mutex_) {
    decltype(open_)::node_type ended;
    const MutexLock lock(mutex_);
    ended = open_.extract(&transaction);
  }

  Mutex mutex_;
  std::uint64_t number_ GUARDED_BY(mutex_) = 0;
  std::map<const duckdb::Transaction*, std::unique_ptr<BackendTransaction>> open_ GUARDED_BY(mutex_);
};

class BackendCatalog : public duckdb::Catalog {
 public:
  BackendCatalog(duckdb::AttachedDatabase& database, std::shared_ptr<const Backend> backend)
      : Catalog(database), backend_(std::move(backend)) {}

  const std::shared_ptr<const Backend>& shared_backend() const { return backend_; }

  void Initialize(bool) override {}
  std::string GetCatalogType() override { return kType; }
  bool InMemory() override { return true; }
  std::string GetDBPath() override { return ""; }
  duckdb::DatabaseSize GetDatabaseSize(duckdb::ClientContext&) override { return {}; }
  // `name.table` would have to guess the schema.
  duckdb::optional<duckdb::Identifier> GetDefaultSchema() const override { return {}; }
  // A plan is bound again in each transaction: the tables may be others by then.
  duckdb::optional_idx GetCatalogVersion(duckdb::ClientContext& context) override {
    return duckdb::Transaction::Get(context, *this).Cast<BackendTransaction>().number();
  }
  duckdb::CatalogLookupBehavior CatalogTypeLookupRule(duckdb::CatalogType type) const override {
    return type == duckdb::CatalogType::TABLE_ENTRY ? duckdb::CatalogLookupBehavior::STANDARD
                                                    : duckdb::CatalogLookupBehavior::NEVER_LOOKUP;
  }

  duckdb::optional_ptr<duckdb::SchemaCatalogEntry> LookupSchema(duckdb::CatalogTransaction transaction,
                                                                const duckdb::EntryLookupInfo& lookup,
                                                                duckdb::OnEntryNotFound if_not_found) override {
    const auto& wanted = lookup.GetEntryName();
    if (transaction.transaction) {
      const auto schemas = backend_->Schemas();
      RefuseIfNotOk(schemas.status());
      auto spelled = SpelledAs(*schemas, wanted, backend_->name());
      // One that is not among those that are known may be new.
      if (spelled.empty() && backend_->Tables(wanted).ok()) spelled = wanted;
      if (!spelled.empty()) {
        return transaction.transaction->Cast<BackendTransaction>().Schema(*this, spelled, *backend_);
      }
    }
    if (if_not_found == duckdb::OnEntryNotFound::RETURN_NULL) return nullptr;
    RefuseIfNotOk(arrow::Status::KeyError("Backend ", backend_->name(), " has no schema ", CutText(wanted, 80)));
    return nullptr;
  }

  void ScanSchemas(duckdb::ClientContext& context, std::function<void(duckdb::SchemaCatalogEntry&)> callback) override {
    // While it binds DuckDB only looks for what an unknown name may have meant.
    const auto state = context.registered_state->Get<ContextState>(ContextState::kKey);
    if (!state || state->binding || state->trust == Trust::kInternal) return;
    const auto schemas = backend_->Schemas();
    if (!schemas.ok()) return;  // it lists none, and keeps nobody from listing others
    auto& transaction = duckdb::Transaction::Get(context, *this).Cast<BackendTransaction>();
    for (const auto& name : *schemas) callback(transaction.Schema(*this, name, *backend_));
  }

  duckdb::optional_ptr<duckdb::CatalogEntry> CreateSchema(duckdb::CatalogTransaction,
                                                          duckdb::CreateSchemaInfo&) override {
    RefuseWrite(*this);
  }
  duckdb::ErrorData SupportsCreateTable(duckdb::BoundCreateTableInfo&) override { RefuseWrite(*this); }
  duckdb::ErrorData SupportsCreateSchema(duckdb::CreateSchemaInfo&) override { RefuseWrite(*this); }
  duckdb::PhysicalOperator& PlanCreateTableAs(duckdb::ClientContext&, duckdb::PhysicalPlanGenerator&,
                                              duckdb::LogicalCreateTable&, duckdb::PhysicalOperator&) override {
    RefuseWrite(*this);
  }
  duckdb::PhysicalOperator& PlanInsert(duckdb::ClientContext&, duckdb::PhysicalPlanGenerator&, duckdb::LogicalInsert&,
                                       duckdb::optional_ptr<duckdb::PhysicalOperator>) override {
    RefuseWrite(*this);
  }
  duckdb::PhysicalOperator& PlanDelete(duckdb::ClientContext&, duckdb::PhysicalPlanGenerator&, duckdb::LogicalDelete&,
                                       duckdb::PhysicalOperator&) override {
    RefuseWrite(*this);
  }
  duckdb::PhysicalOperator& PlanUpdate(duckdb::ClientContext&, duckdb::PhysicalPlanGenerator&, duckdb::LogicalUpdate&,
                                       duckdb::PhysicalOperator&) override {
    RefuseWrite(*this);
  }
  DuckPointer<duckdb::LogicalOperator> BindCreateIndex(duckdb::Binder&, duckdb::CreateStatement&,
                                                       duckdb::TableCatalogEntry&,
                                                       DuckPointer<duckdb::LogicalOperator>) override {
    RefuseWrite(*this);
  }

 private:
  void DropSchema(duckdb::ClientContext&, duckdb::DropInfo&) override { RefuseWrite(*this); }

  const std::shared_ptr<const Backend> backend_;
};

std::uint64_t BackendTransaction::NextNumber() const {
  return const_cast<duckdb::TransactionManager&>(manager).Cast<BackendTransactions>().NextNumber();
}

std::shared_ptr<const Backend> BackendTransactions::BackendOf(duckdb::AttachedDatabase& database) {
  return database.GetCatalog().Cast<BackendCatalog>().shared_backend();
}

struct StorageInfo : duckdb::StorageExtensionInfo {
  explicit StorageInfo(std::shared_ptr<BackendSet> set) : backends(std::move(set)) {}
  const std::shared_ptr<BackendSet> backends;
};

DuckPointer<duckdb::Catalog> MakeCatalog(duckdb::optional_ptr<duckdb::StorageExtensionInfo> info,
                                         duckdb::ClientContext&, duckdb::AttachedDatabase& database,
                                         const std::string& name, duckdb::AttachInfo&, duckdb::AttachOptions&) {
  auto backend = static_cast<StorageInfo&>(*info).backends->Find(name);
  if (!backend) RefuseIfNotOk(arrow::Status::KeyError("Unknown backend: ", CutText(name, 80)));
  return duckdb::make_uniq<BackendCatalog>(database, std::move(backend));
}

DuckPointer<duckdb::TransactionManager> MakeTransactions(duckdb::optional_ptr<duckdb::StorageExtensionInfo>,
                                                         duckdb::AttachedDatabase& database, duckdb::Catalog&) {
  return duckdb::make_uniq<BackendTransactions>(database);
}

void Run(duckdb::Connection& connection, const std::string& sql) {
  const auto result = connection.Query(sql);
  if (result->HasError()) result->ThrowError();
}

}  // namespace

void RegisterBackendStorage(duckdb::DBConfig& config, std::shared_ptr<BackendSet> backends) {
  auto extension = duckdb::make_shared_ptr<duckdb::StorageExtension>();
  extension->attach = MakeCatalog;
  extension->create_transaction_manager = MakeTransactions;
  extension->storage_info = duckdb::make_shared_ptr<StorageInfo>(std::move(backends));
  duckdb::StorageExtension::Register(config, kType, std::move(extension));
}

// The ATTACH of DuckDB's own that is refused to clients: this connection is none of theirs.
void AttachDatabase(duckdb::Connection& connection, const std::string& name) {
  Run(connection, "ATTACH '' AS " + QuoteIdentifier(name) + " (TYPE " + kType + ")");
}

void DetachDatabase(duckdb::Connection& connection, const std::string& name) {
  Run(connection, "DETACH " + QuoteIdentifier(name));
}

bool IsBackend(const duckdb::Catalog& catalog) {
  return const_cast<duckdb::Catalog&>(catalog).GetCatalogType() == kType;
}

arrow::Status CannotWrite(const std::string& backend) {
  return arrow::Status::NotImplemented(
      "Backend ", backend,
      " is changed by INSERT, UPDATE, DELETE, MERGE, CREATE TABLE and DROP TABLE, each a statement by itself; not by "
      "this one");
}

std::string NameWithRows(const std::string& table) { return table + kWithRows; }

namespace {

// The open transactions of backends; at most one has a writer.
BackendTransaction* WritingTransaction(duckdb::ClientContext& context) {
  if (!context.transaction.HasActiveTransaction()) return nullptr;
  auto& all = duckdb::MetaTransaction::Get(context);
  for (const auto& database : all.OpenedTransactions()) {
    if (!IsBackend(database.get().GetCatalog())) continue;
    auto& transaction = all.GetTransaction(database.get()).Cast<BackendTransaction>();
    if (transaction.writer() != nullptr) return &transaction;
  }
  return nullptr;
}

BackendCatalog& CatalogOf(duckdb::ClientContext& context, const std::string& backend) {
  return duckdb::Catalog::GetCatalog(context, duckdb::Identifier(backend)).Cast<BackendCatalog>();
}

}  // namespace

BackendWriter& WriterAt(duckdb::ClientContext& context, const std::string& backend) {
  auto& catalog = CatalogOf(context, backend);
  auto& transaction = duckdb::Transaction::Get(context, catalog).Cast<BackendTransaction>();
  if (const auto* other = WritingTransaction(context); other != nullptr && other != &transaction) {
    RefuseIfNotOk(arrow::Status::Invalid("A transaction writes local tables or one backend: this one has changed ",
                                         other->backend().name(), "; COMMIT it before ", backend, " is changed"));
  }
  auto& all = duckdb::MetaTransaction::Get(context);
  if (const auto changed = all.ModifiedDatabase(); changed && changed.get() != &catalog.GetAttached()) {
    RefuseIfNotOk(arrow::Status::Invalid("A transaction writes local tables or one backend, never both: this one has ",
                                         "changed local tables or views; COMMIT it before ", backend, " is changed"));
  }
  auto writer = transaction.Write(*catalog.shared_backend());
  RefuseIfNotOk(writer.status());
  // DuckDB holds its own statements to the same rule.
  all.ModifyDatabase(catalog.GetAttached(), duckdb::DatabaseModificationType::INSERT_DATA);
  return **writer;
}

std::string WrittenBackend(duckdb::ClientContext& context) {
  const auto* transaction = WritingTransaction(context);
  return transaction == nullptr ? std::string() : transaction->backend().name();
}

void NoteRedefined(duckdb::ClientContext& context, const std::string& backend, const TableRef& table) {
  auto& transaction = duckdb::Transaction::Get(context, CatalogOf(context, backend)).Cast<BackendTransaction>();
  transaction.NoteRedefined(table, transaction.NextNumber());
}

arrow::Status CommitWriter(duckdb::ClientContext& context) {
  auto* transaction = WritingTransaction(context);
  return transaction == nullptr ? arrow::Status::OK() : transaction->writer()->Commit();
}

}  // namespace hyprstream::engine
