// Catalogs, schemas, tables and keys.
#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/buffer.h>
#include <arrow/flight/server.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "flight/jdbc_schemas.h"
#include "flight/key_rows.h"
#include "flight/metadata_queries.h"
#include "flight/result_stream.h"
#include "flight/sql_service.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;
namespace sql = arrow::flight::sql;

namespace {

// The command itself is the ticket: metadata is read when it is fetched.
arrow::Result<std::unique_ptr<fl::FlightInfo>> CommandInfo(const std::shared_ptr<arrow::Schema>& schema,
                                                           const fl::FlightDescriptor& descriptor) {
  const fl::FlightEndpoint endpoint(fl::Ticket(descriptor.cmd), {}, std::nullopt, "");
  ARROW_ASSIGN_OR_RAISE(auto info, fl::FlightInfo::Make(*schema, descriptor, {endpoint}, -1, -1));
  return std::make_unique<fl::FlightInfo>(std::move(info));
}

arrow::Result<arrow::RecordBatchVector> Run(const SessionCall& call, const MetadataQuery& query) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, call.session->Metadata(call.context, query.sql, query.parameters));
  arrow::RecordBatchVector batches;
  for (const auto& batch : rows) {
    // The specification's names and nullability over the same columns.
    auto named = arrow::RecordBatch::Make(query.schema, batch->num_rows(), batch->columns());
    ARROW_RETURN_NOT_OK(named->Validate());
    batches.push_back(std::move(named));
  }
  return batches;
}

arrow::Result<std::unique_ptr<fl::FlightDataStream>> Answer(const SessionAccess& access,
                                                            const fl::ServerCallContext& context,
                                                            const MetadataQuery& query) {
  ARROW_ASSIGN_OR_RAISE(const auto call, access.Open(context));
  ARROW_ASSIGN_OR_RAISE(auto batches, Run(call, query));
  return StreamOf(context, query.schema, std::move(batches), access.bounds());
}

// The catalog that a command is about, as far as it says; keys do not lead from one to another.
std::optional<std::string> CatalogOf(const sql::TableRef* parent, const sql::TableRef* child) {
  for (const auto* table : {parent, child}) {
    if (table != nullptr && table->catalog && !table->catalog->empty()) return table->catalog;
  }
  return std::nullopt;
}

struct BetweenTables {
  const sql::TableRef* parent = nullptr;  // null: any
  const sql::TableRef* child = nullptr;
};

arrow::Result<std::unique_ptr<fl::FlightDataStream>> AnswerForeignKeys(const SessionAccess& access,
                                                                       const fl::ServerCallContext& context,
                                                                       const BetweenTables& tables,
                                                                       const std::shared_ptr<arrow::Schema>& schema) {
  ARROW_ASSIGN_OR_RAISE(const auto call, access.Open(context));
  ARROW_ASSIGN_OR_RAISE(const auto here, Run(call, ForeignKeysQuery(tables.parent, tables.child, schema)));
  ARROW_ASSIGN_OR_RAISE(const auto backends, call.session->BackendKeys(CatalogOf(tables.parent, tables.child)));
  ARROW_ASSIGN_OR_RAISE(auto rows, WithForeignKeys(here, backends, tables.parent, tables.child, schema));
  return StreamOf(context, schema, {std::move(rows)}, access.bounds());
}

// The schema of a query on the table; one without fields for a table that cannot be read (a view of a dropped table),
// because one odd table must not hide the others.
std::shared_ptr<arrow::Schema> SchemaOf(const SessionCall& call, const std::string& catalog, const std::string& schema,
                                        const std::string& table) {
  const auto described = call.session->Describe(
      call.context,
      "SELECT * FROM " + QuoteIdentifier(catalog) + "." + QuoteIdentifier(schema) + "." + QuoteIdentifier(table), {});
  if (described.ok()) return *described;
  const auto lasting = call.session->LastingName(call.context, TableRef{.schema = schema, .name = table});
  const bool is_here = lasting.ok() && lasting->starts_with(QuoteIdentifier(catalog) + ".");
  if (!is_here) return arrow::schema({});  // a backend's
  const auto known = call.session->TableSchema(call.context, TableRef{.schema = schema, .name = table});
  return known.ok() ? *known : arrow::schema({});
}

// Catalog, schema, table, column.
using RequiredColumns = std::set<std::array<std::string, 4>>;

arrow::Result<RequiredColumns> FindRequiredColumns(const SessionCall& call) {
  RequiredColumns found;
  ARROW_ASSIGN_OR_RAISE(const auto batches, Run(call, RequiredColumnsQuery()));
  for (const auto& batch : batches) {
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      std::array<std::string, 4> names;
      for (int i = 0; i < 4; ++i) {
        names[static_cast<std::size_t>(i)] = static_cast<const arrow::StringArray&>(*batch->column(i)).GetString(row);
      }
      found.insert(std::move(names));
    }
  }
  return found;
}

// A query's columns may always be NULL; a table's are what its constraints say.
std::shared_ptr<arrow::Schema> WithRequired(const std::shared_ptr<arrow::Schema>& schema, const RequiredColumns& all,
                                            std::array<std::string, 4> name) {
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) {
    name[3] = field->name();
    fields.push_back(all.contains(name) ? field->WithNullable(false) : field);
  }
  return arrow::schema(std::move(fields), schema->metadata());
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithSchemas(const SessionCall& call, const RequiredColumns& required,
                                                               const arrow::RecordBatch& tables) {
  arrow::BinaryBuilder builder;
  const auto& catalogs = static_cast<const arrow::StringArray&>(*tables.column(0));
  const auto& schemas = static_cast<const arrow::StringArray&>(*tables.column(1));
  const auto& names = static_cast<const arrow::StringArray&>(*tables.column(2));
  for (std::int64_t row = 0; row < tables.num_rows(); ++row) {
    const std::array<std::string, 4> name{catalogs.GetString(row), schemas.GetString(row), names.GetString(row), ""};
    const auto schema = WithRequired(SchemaOf(call, name[0], name[1], name[2]), required, name);
    ARROW_ASSIGN_OR_RAISE(const auto bytes, arrow::ipc::SerializeSchema(*schema));
    ARROW_RETURN_NOT_OK(builder.Append(bytes->data(), static_cast<std::int32_t>(bytes->size())));
    if (call.context.IsCancelled()) return arrow::Status::Cancelled("The client went away");
  }
  ARROW_ASSIGN_OR_RAISE(auto column, builder.Finish());
  auto columns = tables.columns();
  columns.push_back(std::move(column));
  return arrow::RecordBatch::Make(sql::SqlSchema::GetTablesSchemaWithIncludedSchema(), tables.num_rows(),
                                  std::move(columns));
}

}  // namespace

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoCatalogs(const Context&, const Descriptor& descriptor) {
  return CommandInfo(sql::SqlSchema::GetCatalogsSchema(), descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetCatalogs(const Context& context) {
  return Answer(access_, context, CatalogsQuery());
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoSchemas(const Context&, const sql::GetDbSchemas&,
                                                                      const Descriptor& descriptor) {
  return CommandInfo(sql::SqlSchema::GetDbSchemasSchema(), descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetDbSchemas(const Context& context,
                                                                  const sql::GetDbSchemas& command) {
  return Answer(access_, context, SchemasQuery(command));
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoTables(const Context&, const sql::GetTables& command,
                                                                     const Descriptor& descriptor) {
  return CommandInfo(
      command.include_schema ? sql::SqlSchema::GetTablesSchemaWithIncludedSchema() : sql::SqlSchema::GetTablesSchema(),
      descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetTables(const Context& context, const sql::GetTables& command) {
  // The JDBC driver hands on the order that it gets.
  const auto query = TablesQuery(command, IsJavaClient(context) ? TableOrder::kTypeFirst : TableOrder::kNameFirst);
  if (!command.include_schema) return Answer(access_, context, query);
  ARROW_ASSIGN_OR_RAISE(const auto call, access_.Open(context));
  ARROW_ASSIGN_OR_RAISE(auto batches, Run(call, query));
  ARROW_ASSIGN_OR_RAISE(const auto required, FindRequiredColumns(call));
  for (auto& batch : batches) {
    ARROW_ASSIGN_OR_RAISE(batch, WithSchemas(call, required, *batch));
  }
  return StreamOf(context, sql::SqlSchema::GetTablesSchemaWithIncludedSchema(), std::move(batches), access_.bounds());
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoTableTypes(const Context&, const Descriptor& descriptor) {
  return CommandInfo(sql::SqlSchema::GetTableTypesSchema(), descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetTableTypes(const Context& context) {
  return Answer(access_, context, TableTypesQuery());
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoPrimaryKeys(const Context&, const sql::GetPrimaryKeys&,
                                                                          const Descriptor& descriptor) {
  return CommandInfo(sql::SqlSchema::GetPrimaryKeysSchema(), descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetPrimaryKeys(const Context& context,
                                                                    const sql::GetPrimaryKeys& command) {
  ARROW_ASSIGN_OR_RAISE(const auto call, access_.Open(context));
  ARROW_ASSIGN_OR_RAISE(const auto here, Run(call, PrimaryKeysQuery(command.table_ref)));
  ARROW_ASSIGN_OR_RAISE(const auto backends, call.session->BackendKeys(CatalogOf(&command.table_ref, nullptr)));
  ARROW_ASSIGN_OR_RAISE(auto rows, WithPrimaryKeys(here, backends, command.table_ref));
  return StreamOf(context, sql::SqlSchema::GetPrimaryKeysSchema(), {std::move(rows)}, access_.bounds());
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoExportedKeys(const Context&, const sql::GetExportedKeys&,
                                                                           const Descriptor& descriptor) {
  return CommandInfo(sql::SqlSchema::GetExportedKeysSchema(), descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetExportedKeys(const Context& context,
                                                                     const sql::GetExportedKeys& command) {
  return AnswerForeignKeys(access_, context, {.parent = &command.table_ref}, sql::SqlSchema::GetExportedKeysSchema());
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoImportedKeys(const Context&, const sql::GetImportedKeys&,
                                                                           const Descriptor& descriptor) {
  return CommandInfo(sql::SqlSchema::GetImportedKeysSchema(), descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetImportedKeys(const Context& context,
                                                                     const sql::GetImportedKeys& command) {
  return AnswerForeignKeys(access_, context, {.child = &command.table_ref}, sql::SqlSchema::GetImportedKeysSchema());
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoCrossReference(const Context&,
                                                                             const sql::GetCrossReference&,
                                                                             const Descriptor& descriptor) {
  return CommandInfo(sql::SqlSchema::GetCrossReferenceSchema(), descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetCrossReference(const Context& context,
                                                                       const sql::GetCrossReference& command) {
  return AnswerForeignKeys(access_, context, {.parent = &command.pk_table_ref, .child = &command.fk_table_ref},
                           sql::SqlSchema::GetCrossReferenceSchema());
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoSqlInfo(const Context&, const sql::GetSqlInfo&,
                                                                      const Descriptor& descriptor) {
  return CommandInfo(sql::SqlSchema::GetSqlInfoSchema(), descriptor);
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoXdbcTypeInfo(const Context&, const sql::GetXdbcTypeInfo&,
                                                                           const Descriptor& descriptor) {
  return CommandInfo(sql::SqlSchema::GetXdbcTypeInfoSchema(), descriptor);
}

}  // namespace hyprstream::flight
