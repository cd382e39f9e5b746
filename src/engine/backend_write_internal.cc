#include "engine/backend_write_internal.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/main/prepared_statement.hpp>
#include <duckdb/parser/constraints/not_null_constraint.hpp>
#include <duckdb/parser/constraints/unique_constraint.hpp>
#include <duckdb/parser/expression/cast_expression.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/parsed_data/create_table_info.hpp>
#include <duckdb/parser/parsed_data/drop_info.hpp>
#include <duckdb/parser/query_node/merge_query_node.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/query_node/update_query_node.hpp>
#include <duckdb/parser/statement/create_statement.hpp>
#include <duckdb/parser/statement/delete_statement.hpp>
#include <duckdb/parser/statement/drop_statement.hpp>
#include <duckdb/parser/statement/insert_statement.hpp>
#include <duckdb/parser/statement/merge_into_statement.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/statement/update_statement.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <duckdb/parser/tableref/emptytableref.hpp>
#include <duckdb/parser/tableref/joinref.hpp>
#include <utility>

#include "engine/arrow_out_internal.h"
#include "engine/backend_catalog_internal.h"
#include "engine/connection.h"
#include "engine/context_state_internal.h"
#include "engine/error_internal.h"
#include "engine/written_texts_internal.h"

namespace hyprstream::engine {

namespace {

template <class T>
using DuckPointer = duckdb::unique_ptr<T>;
using Node = DuckPointer<duckdb::QueryNode>;

[[noreturn]] void Refuse(const arrow::Status& status) {
  RefuseIfNotOk(status);
  throw duckdb::InternalException("a refusal was none");
}

template <class... Parts>
[[noreturn]] void NotThere(const BackendWrite& write, Parts&&... parts) {
  Refuse(arrow::Status::NotImplemented("Backend ", write.backend, " takes no ", std::forward<Parts>(parts)...));
}

// The backend that a qualified name begins with; empty: another database's, or the local one.
std::optional<BackendWrite> TargetedAt(duckdb::ClientContext& context, const duckdb::QualifiedName& name) {
  if (name.Catalog().empty()) return std::nullopt;
  const auto backend = ContextState::Of(context).shared->backends->Find(name.Catalog().GetIdentifierName());
  if (!backend) return std::nullopt;
  BackendWrite write;
  write.backend = backend->name();
  write.table = {.schema = name.Schema().GetIdentifierName(), .name = name.Name().GetIdentifierName()};
  return write;
}

// Its entry; the target's names become the database's own. Null: there is none.
duckdb::optional_ptr<duckdb::TableCatalogEntry> FindTable(duckdb::ClientContext& context, BackendWrite& write,
                                                          bool must_exist) {
  const duckdb::EntryLookupInfo lookup(
      duckdb::CatalogType::TABLE_ENTRY,
      duckdb::QualifiedName(duckdb::Identifier(write.backend), duckdb::Identifier(write.table.schema),
                            duckdb::Identifier(write.table.name)));
  auto entry = duckdb::Catalog::GetEntry(
      context, lookup, must_exist ? duckdb::OnEntryNotFound::THROW_EXCEPTION : duckdb::OnEntryNotFound::RETURN_NULL);
  if (!entry) return nullptr;
  auto& table = entry->Cast<duckdb::TableCatalogEntry>();
  write.table = {.schema = table.ParentSchema().name.GetIdentifierName(), .name = table.name.GetIdentifierName()};
  write.exists = true;
  return &table;
}

DuckPointer<duckdb::SelectStatement> Select(Node node, const duckdb::SQLStatement& of) {
  auto select = duckdb::make_uniq<duckdb::SelectStatement>();
  select->node = std::move(node);
  select->named_param_map = of.named_param_map;
  select->has_anonymous_parameters = of.has_anonymous_parameters;
  select->query = of.query;
  select->stmt_location = of.stmt_location;
  return select;
}

void TakeCtes(const BackendWrite& write, duckdb::CommonTableExpressionMap& from, duckdb::QueryNode& to) {
  if (from.map.empty()) return;
  if (!to.cte_map.map.empty()) NotThere(write, "WITH both before and in its query; write one of them");
  to.cte_map = std::move(from);
}

// ---- INSERT

void TakeConflict(BackendWrite& write, const duckdb::OnConflictInfo& conflict) {
  write.kind = BackendWrite::Kind::kMerge;
  for (const auto& column : conflict.indexed_columns) write.merge.key.push_back(column.GetIdentifierName());
  if (conflict.condition) NotThere(write, "ON CONFLICT with a condition on its key");
  if (conflict.action_type == duckdb::OnConflictAction::NOTHING) return;
  if (conflict.action_type != duckdb::OnConflictAction::UPDATE || !conflict.set_info) {
    NotThere(write, "INSERT OR REPLACE; write ON CONFLICT (key) DO UPDATE SET column = excluded.column");
  }
  if (write.merge.key.empty()) NotThere(write, "ON CONFLICT DO UPDATE without the columns of the key");
  if (conflict.set_info->condition) NotThere(write, "ON CONFLICT DO UPDATE ... WHERE");
  for (std::size_t i = 0; i < conflict.set_info->columns.size(); ++i) {
    const auto& value = *conflict.set_info->expressions[i];
    const auto& column = conflict.set_info->columns[i];
    const auto* given = value.GetExpressionClass() == duckdb::ExpressionClass::COLUMN_REF
                            ? &value.Cast<duckdb::ColumnRefExpression>().ColumnNames()
                            : nullptr;
    const bool excluded = given != nullptr && given->size() == 2 && given->at(0) == duckdb::Identifier("excluded") &&
                          given->at(1) == column;
    if (!excluded) NotThere(write, "ON CONFLICT DO UPDATE of anything but SET column = excluded.column");
    write.merge.updated.push_back(column.GetIdentifierName());
  }
}

void TakeInsert(duckdb::ClientContext& context, BackendWrite& write, const duckdb::InsertStatement& statement) {
  auto copy = statement.node->Copy();
  auto& insert = copy->Cast<duckdb::InsertQueryNode>();
  if (!insert.returning_list.empty()) NotThere(write, "RETURNING");
  if (insert.default_values) NotThere(write, "INSERT ... DEFAULT VALUES; name a column and its value");
  if (insert.on_conflict_info && insert.on_conflict_info->action_type != duckdb::OnConflictAction::THROW) {
    TakeConflict(write, *insert.on_conflict_info);
  }
  const auto table = FindTable(context, write, true);
  for (const auto& column : insert.columns) write.columns.push_back(column.GetIdentifierName());
  if (write.columns.empty() && insert.column_order == duckdb::InsertColumnOrder::INSERT_BY_POSITION) {
    for (const auto& column : table->GetColumns().Logical()) write.columns.push_back(column.Name().GetIdentifierName());
  }
  auto node = std::move(insert.select_statement->node);
  TakeCtes(write, insert.cte_map, *node);
  write.query = Select(std::move(node), statement);
}

// ---- UPDATE and DELETE: a query for the rows' names, and their new values

// The target as the query reads it, and how its row name is said there.
struct NamedRows {
  DuckPointer<duckdb::TableRef> from;
  DuckPointer<duckdb::ParsedExpression> name;
};

NamedRows RowsOf(const duckdb::TableRef& target) {
  auto copy = const_cast<duckdb::TableRef&>(target).Copy();
  auto& table = copy->Cast<duckdb::BaseTableRef>();
  if (table.alias.empty()) table.alias = table.Table();
  table.SetTable(duckdb::Identifier(NameWithRows(table.Table().GetIdentifierName())));
  auto name = duckdb::make_uniq<duckdb::ColumnRefExpression>(duckdb::Identifier(kRowNameColumn), table.alias);
  return {.from = std::move(copy), .name = std::move(name)};
}

DuckPointer<duckdb::TableRef> Crossed(DuckPointer<duckdb::TableRef> left, DuckPointer<duckdb::TableRef> right) {
  auto join = duckdb::make_uniq<duckdb::JoinRef>(duckdb::JoinRefType::CROSS);
  join->left = std::move(left);
  join->right = std::move(right);
  return join;
}

void TakeUpdate(duckdb::ClientContext& context, BackendWrite& write, const duckdb::UpdateStatement& statement) {
  write.kind = BackendWrite::Kind::kUpdate;
  auto copy = statement.node->Copy();
  auto& update = copy->Cast<duckdb::UpdateQueryNode>();
  if (!update.returning_list.empty()) NotThere(write, "RETURNING");
  FindTable(context, write, true);
  auto rows = RowsOf(*update.table);
  auto node = duckdb::make_uniq<duckdb::SelectNode>();
  node->select_list.push_back(std::move(rows.name));
  write.columns.emplace_back(kRowNameColumn);
  for (std::size_t i = 0; i < update.set_info->columns.size(); ++i) {
    write.columns.push_back(update.set_info->columns[i].GetIdentifierName());
    node->select_list.push_back(std::move(update.set_info->expressions[i]));
  }
  node->from_table =
      update.from_table ? Crossed(std::move(rows.from), std::move(update.from_table)) : std::move(rows.from);
  node->where_clause = std::move(update.set_info->condition);
  TakeCtes(write, update.cte_map, *node);
  write.query = Select(std::move(node), statement);
}

void TakeDelete(duckdb::ClientContext& context, BackendWrite& write, const duckdb::DeleteStatement& statement) {
  write.kind = BackendWrite::Kind::kDelete;
  auto copy = statement.node->Copy();
  auto& removal = copy->Cast<duckdb::DeleteQueryNode>();
  if (!removal.returning_list.empty()) NotThere(write, "RETURNING");
  FindTable(context, write, true);
  auto rows = RowsOf(*removal.table);
  auto node = duckdb::make_uniq<duckdb::SelectNode>();
  node->select_list.push_back(std::move(rows.name));
  write.columns.emplace_back(kRowNameColumn);
  node->from_table = std::move(rows.from);
  for (auto& other : removal.using_clauses) node->from_table = Crossed(std::move(node->from_table), std::move(other));
  node->where_clause = std::move(removal.condition);
  TakeCtes(write, removal.cte_map, *node);
  write.query = Select(std::move(node), statement);
}

void TakeMerge(duckdb::ClientContext& context, BackendWrite& write, const duckdb::MergeIntoStatement& statement) {
  write.kind = BackendWrite::Kind::kMergeInto;
  auto copy = statement.node->Copy();
  auto& merge = copy->Cast<duckdb::MergeQueryNode>();
  const auto table = FindTable(context, write, true);
  auto rows = RowsOf(*merge.target);
  MergeTarget target{
      .backend = write.backend, .columns = {}, .rows = std::move(rows.from), .row_name = std::move(rows.name)};
  for (const auto& column : table->GetColumns().Logical()) target.columns.push_back(column.Name().GetIdentifierName());
  const bool has_parameters = !statement.named_param_map.empty();
  auto node = MergeQuery(context, merge, std::move(target), has_parameters, write.actions);
  TakeCtes(write, merge.cte_map, *node);
  write.query = Select(std::move(node), statement);
}

// ---- CREATE TABLE and DROP TABLE

void TakeConstraint(BackendWrite& write, const duckdb::CreateTableInfo& info, const duckdb::Constraint& constraint) {
  if (constraint.type == duckdb::ConstraintType::NOT_NULL) {
    write.not_null.at(constraint.Cast<duckdb::NotNullConstraint>().index.index) = true;
    return;
  }
  if (constraint.type != duckdb::ConstraintType::UNIQUE ||
      !constraint.Cast<duckdb::UniqueConstraint>().IsPrimaryKey()) {
    NotThere(write, "constraints of a new table but NOT NULL and PRIMARY KEY");
  }
  const auto& key = constraint.Cast<duckdb::UniqueConstraint>();
  for (const auto& column : key.GetColumnNames()) write.primary_key.push_back(column.GetIdentifierName());
  if (key.GetColumnNames().empty() && key.HasIndex()) {
    write.primary_key.push_back(info.columns.GetColumn(key.GetIndex()).Name().GetIdentifierName());
  }
}

// NULLs of the declared types: their names are resolved where all others are.
DuckPointer<duckdb::SelectNode> DeclaredTypes(BackendWrite& write, const duckdb::CreateTableInfo& info) {
  auto node = duckdb::make_uniq<duckdb::SelectNode>();
  for (const auto& column : info.columns.Logical()) {
    if (column.Generated()) NotThere(write, "computed columns");
    if (column.HasDefaultValue()) NotThere(write, "DEFAULT of a column");
    auto null = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Literal::Null());
    node->select_list.push_back(duckdb::make_uniq<duckdb::CastExpression>(column.Type(), std::move(null)));
    write.columns.push_back(column.Name().GetIdentifierName());
  }
  node->from_table = duckdb::make_uniq<duckdb::EmptyTableRef>();
  return node;
}

bool TakeCreate(duckdb::ClientContext& context, BackendWrite& write, const duckdb::CreateStatement& statement) {
  if (statement.info->type != duckdb::CatalogType::TABLE_ENTRY) return false;
  const auto copy = statement.info->Copy();
  auto& info = copy->Cast<duckdb::CreateTableInfo>();
  write.kind = BackendWrite::Kind::kCreate;
  write.with_rows = info.query != nullptr;
  if (info.temporary) NotThere(write, "TEMPORARY tables");
  if (info.on_conflict == duckdb::OnCreateConflict::REPLACE_ON_CONFLICT)
    NotThere(write, "OR REPLACE; DROP TABLE first");
  if (!info.partition_keys.empty() || !info.sort_keys.empty()) NotThere(write, "PARTITIONED BY and SORTED BY");
  write.if_exists = info.on_conflict == duckdb::OnCreateConflict::IGNORE_ON_CONFLICT;
  if (FindTable(context, write, false) && !write.if_exists) {
    Refuse(arrow::Status::AlreadyExists("Table ", write.backend, ".", write.table.schema, ".", write.table.name,
                                        " already exists"));
  }
  if (write.with_rows) {
    for (const auto& column : info.columns.Logical()) write.columns.push_back(column.Name().GetIdentifierName());
    write.query = Select(std::move(info.query->node), statement);
    return true;
  }
  write.not_null.resize(info.columns.LogicalColumnCount());
  for (const auto& constraint : info.constraints) TakeConstraint(write, info, *constraint);
  write.query = Select(DeclaredTypes(write, info), statement);
  return true;
}

bool TakeDrop(duckdb::ClientContext& context, BackendWrite& write, const duckdb::DropInfo& info) {
  if (info.type != duckdb::CatalogType::TABLE_ENTRY) return false;
  write.kind = BackendWrite::Kind::kDrop;
  if (info.cascade) NotThere(write, "CASCADE; drop what depends on the table there");
  write.if_exists = info.if_not_found == duckdb::OnEntryNotFound::RETURN_NULL;
  FindTable(context, write, !write.if_exists);
  return true;
}

// ---- what its rows are

// Their columns under the target's names.
class RenamedRows : public arrow::RecordBatchReader {
 public:
  RenamedRows(std::shared_ptr<arrow::RecordBatchReader> rows, const std::vector<std::string>& names)
      : rows_(std::move(rows)) {
    auto fields = rows_->schema()->fields();
    for (std::size_t i = 0; i < names.size() && i < fields.size(); ++i) fields[i] = fields[i]->WithName(names[i]);
    schema_ = arrow::schema(std::move(fields));
  }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_->ReadNext(batch));
    if (*batch != nullptr) *batch = arrow::RecordBatch::Make(schema_, (*batch)->num_rows(), (*batch)->columns());
    return arrow::Status::OK();
  }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  std::shared_ptr<arrow::Schema> schema_;
};

// Types that would go there as the text that carries them to clients.
bool HasNoFormThere(const duckdb::LogicalType& type) {
  switch (type.id()) {
    case duckdb::LogicalTypeId::TIME_TZ:
    case duckdb::LogicalTypeId::BIT:
    case duckdb::LogicalTypeId::BIGNUM:
    case duckdb::LogicalTypeId::HUGEINT:
    case duckdb::LogicalTypeId::UHUGEINT:
    case duckdb::LogicalTypeId::VARIANT:
      return true;
    default:
      return false;
  }
}

std::shared_ptr<arrow::Field> NewColumn(const BackendWrite& write, const std::shared_ptr<arrow::Field>& field,
                                        const duckdb::LogicalType& type, std::size_t at) {
  if (HasNoFormThere(type)) {
    NotThere(write, "column ", field->name(), " of type ", type.ToString(), "; cast it to another");
  }
  auto column = field;
  const auto extension = [&](std::shared_ptr<arrow::DataType> storage, const char* name) {
    return arrow::field(field->name(), std::move(storage), true,
                        arrow::key_value_metadata({{"ARROW:extension:name", name}}));
  };
  if (type.id() == duckdb::LogicalTypeId::UUID) column = extension(arrow::fixed_size_binary(16), "arrow.uuid");
  if (type.IsJSONType()) column = extension(arrow::utf8(), "arrow.json");
  if (type.id() == duckdb::LogicalTypeId::SQLNULL) column = column->WithType(arrow::int32());
  return column->WithNullable(at >= write.not_null.size() || !write.not_null[at]);
}

std::string FullName(const BackendWrite& write) {
  return write.backend + "." + write.table.schema + "." + write.table.name;
}

// Its table, when the write runs: prepared, it may have become another one.
const duckdb::TableCatalogEntry& TargetOf(duckdb::ClientContext& context, const BackendWrite& write) {
  BackendWrite target;
  target.backend = write.backend;
  target.table = write.table;
  return *FindTable(context, target, true);
}

arrow::Status CheckColumns(const BackendWrite& write, std::size_t given) {
  if (write.columns.empty() || write.columns.size() == given) return arrow::Status::OK();
  return arrow::Status::Invalid("Table ", FullName(write), " is given ", given, " columns for its ",
                                write.columns.size());
}

arrow::Result<std::int64_t> RunCreate(BackendWriter& writer, const BackendWrite& write,
                                      arrow::RecordBatchReader* rows) {
  ARROW_RETURN_NOT_OK(
      writer.CreateTable({.table = write.table, .columns = write.made, .primary_key = write.primary_key}));
  if (!write.with_rows || rows == nullptr) return -1;
  return writer.Append(write.table, *rows);
}

}  // namespace

std::optional<BackendWrite> TakeBackendWrite(duckdb::ClientContext& context, const duckdb::SQLStatement& statement) {
  using duckdb::StatementType;
  const auto of_table = [&](const duckdb::TableRef& table) -> std::optional<BackendWrite> {
    if (table.type != duckdb::TableReferenceType::BASE_TABLE) return std::nullopt;
    return TargetedAt(context, table.Cast<duckdb::BaseTableRef>().GetQualifiedName());
  };
  std::optional<BackendWrite> write;
  switch (statement.type) {
    case StatementType::INSERT_STATEMENT: {
      const auto& insert = statement.Cast<duckdb::InsertStatement>();
      write = TargetedAt(context, insert.node->qualified_name);
      if (write) TakeInsert(context, *write, insert);
      return write;
    }
    case StatementType::UPDATE_STATEMENT: {
      const auto& update = statement.Cast<duckdb::UpdateStatement>();
      write = of_table(*update.node->table);
      if (write) TakeUpdate(context, *write, update);
      return write;
    }
    case StatementType::DELETE_STATEMENT: {
      const auto& removal = statement.Cast<duckdb::DeleteStatement>();
      write = of_table(*removal.node->table);
      if (write) TakeDelete(context, *write, removal);
      return write;
    }
    case StatementType::MERGE_INTO_STATEMENT: {
      const auto& merge = statement.Cast<duckdb::MergeIntoStatement>();
      write = of_table(*merge.node->target);
      if (write) TakeMerge(context, *write, merge);
      return write;
    }
    case StatementType::CREATE_STATEMENT: {
      const auto& create = statement.Cast<duckdb::CreateStatement>();
      write = TargetedAt(context, create.info->GetQualifiedName());
      return write && TakeCreate(context, *write, create) ? std::move(write) : std::nullopt;
    }
    case StatementType::DROP_STATEMENT: {
      const auto& drop = statement.Cast<duckdb::DropStatement>();
      write = TargetedAt(context, drop.info->GetQualifiedName());
      return write && TakeDrop(context, *write, *drop.info) ? std::move(write) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

void CompleteBackendWrite(duckdb::ClientContext& context, BackendWrite& write,
                          const duckdb::PreparedStatement& prepared) {
  const auto& types = prepared.GetTypes();
  const bool is_new = write.kind == BackendWrite::Kind::kCreate;
  if (prepared.GetParameterCount() > 0) {  // the columns' types, and even their number, may come with the values
    if (is_new) NotThere(write, "CREATE TABLE with parameters; write the values out");
    return;
  }
  RefuseIfNotOk(CheckColumns(write, types.size()));
  if (!is_new) return;
  const auto schema = ToArrowSchema(context, types, ToNames(prepared.GetNames()));
  arrow::FieldVector fields;
  for (std::size_t i = 0; i < types.size(); ++i) {
    auto field = schema->field(static_cast<int>(i));
    if (!write.columns.empty()) field = field->WithName(write.columns[i]);
    fields.push_back(NewColumn(write, field, types[i], i));
  }
  write.made = arrow::schema(std::move(fields), write.options);
}

arrow::Result<std::int64_t> RunBackendWrite(duckdb::ClientContext& context, const BackendWrite& write,
                                            std::shared_ptr<arrow::RecordBatchReader> rows) {
  if (rows != nullptr) {
    ARROW_RETURN_NOT_OK(CheckColumns(write, static_cast<std::size_t>(rows->schema()->num_fields())));
    rows = std::make_shared<RenamedRows>(std::move(rows), write.columns);
  }
  const bool is_there = write.kind != BackendWrite::Kind::kCreate && write.kind != BackendWrite::Kind::kDrop;
  const auto* target = is_there ? &TargetOf(context, write) : nullptr;
  const CastPart cast = [&](std::shared_ptr<arrow::RecordBatchReader> part) {
    return CastTexts(context, *target, std::move(part));
  };
  auto& writer = WriterAt(context, write.backend);
  switch (write.kind) {
    case BackendWrite::Kind::kAppend:
      return writer.Append(write.table, *cast(std::move(rows)));
    case BackendWrite::Kind::kMerge:
      return writer.Merge(write.table, write.merge, *cast(std::move(rows)));
    case BackendWrite::Kind::kDelete:
      return writer.Delete(write.table, *rows);
    case BackendWrite::Kind::kUpdate:
      return writer.Update(write.table, *cast(std::move(rows)));
    case BackendWrite::Kind::kMergeInto:
      return RunMerge(writer, {.table = write.table, .actions = write.actions, .cast = cast}, *rows);
    case BackendWrite::Kind::kCreate: {
      NoteRedefined(context, write.backend, write.table);
      return RunCreate(writer, write, rows.get());
    }
    case BackendWrite::Kind::kDrop:
      NoteRedefined(context, write.backend, write.table);
      ARROW_RETURN_NOT_OK(writer.DropTable(write.table));
      return -1;
  }
  return -1;
}

arrow::Result<std::int64_t> RunBackendIngest(duckdb::ClientContext& context, const BackendTarget& target,
                                             arrow::RecordBatchReader& rows) {
  const auto backend = ContextState::Of(context).shared->backends->Find(target.backend);
  if (!backend) {
    return arrow::Status::KeyError("Unknown catalog: ", CutText(target.backend, 80), "; rows can be ingested into ",
                                   ContextState::Of(context).shared->database, " and the backends that are attached");
  }
  BackendWrite write;
  write.backend = backend->name();
  write.table = target.table;
  if (write.table.schema.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto schemas, backend->Schemas());
    if (schemas.size() != 1) {
      return arrow::Status::Invalid("Backend ", write.backend, " has ", schemas.size(), " schemas; name that of table ",
                                    write.table.name);
    }
    write.table.schema = schemas[0];
  }
  FindTable(context, write, !target.create);
  if (write.exists && !target.append && !target.replace) {
    return arrow::Status::AlreadyExists("Table ", FullName(write), " already exists; append to it or replace it");
  }
  auto& writer = WriterAt(context, write.backend);
  if (write.exists && target.replace) {
    NoteRedefined(context, write.backend, write.table);
    ARROW_RETURN_NOT_OK(writer.DropTable(write.table));
    write.exists = false;
  }
  if (!write.exists) {
    NoteRedefined(context, write.backend, write.table);
    ARROW_RETURN_NOT_OK(writer.CreateTable({.table = write.table, .columns = rows.schema()->RemoveMetadata()}));
  }
  return writer.Append(write.table, rows);
}

}  // namespace hyprstream::engine
