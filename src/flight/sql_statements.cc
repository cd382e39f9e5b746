// Statements, updates and ingest.
#include <arrow/flight/server.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "flight/incoming_batches.h"
#include "flight/sql_service.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;
namespace sql = arrow::flight::sql;

namespace {

arrow::Result<session::IngestOptions> ToIngestOptions(const sql::StatementIngest& command) {
  using IfMissing = sql::TableDefinitionOptionsTableNotExistOption;
  using IfExists = sql::TableDefinitionOptionsTableExistsOption;
  if (command.table.empty()) return arrow::Status::Invalid("An ingest needs the name of its table");
  session::IngestOptions options;
  options.table.name = command.table;
  options.schema_given = command.schema.has_value() && !command.schema->empty();
  if (options.schema_given) options.table.schema = *command.schema;
  options.temporary = command.temporary;
  options.transaction = command.transaction_id.value_or("");
  const auto& mode = command.table_definition_options;
  options.if_missing =
      mode.if_not_exist == IfMissing::kCreate ? session::IngestIfMissing::kCreate : session::IngestIfMissing::kFail;
  switch (mode.if_exists) {
    case IfExists::kAppend:
      options.if_exists = session::IngestIfExists::kAppend;
      break;
    case IfExists::kReplace:
      options.if_exists = session::IngestIfExists::kReplace;
      break;
    case IfExists::kFail:
    case IfExists::kUnspecified:
      options.if_exists = session::IngestIfExists::kFail;
      break;
  }
  return options;
}

// A client whose driver names no transaction in an ingest says with it that there must be one.
constexpr const char* kTransactionHeader = "hyprstream-transaction";

arrow::Result<bool> NeedsTransaction(const fl::ServerCallContext& context) {
  const auto& headers = context.incoming_headers();
  const auto found = headers.find(kTransactionHeader);
  if (found == headers.end()) return false;
  if (found->second == "required") return true;
  return arrow::Status::Invalid("The header ", kTransactionHeader, " is 'required' or not there");
}

// The backend that a catalog other than the local one names; empty: the local one.
arrow::Result<std::string> BackendOf(const SessionCall& call, const std::optional<std::string>& catalog) {
  if (!catalog.has_value() || catalog->empty()) return std::string();
  ARROW_ASSIGN_OR_RAISE(auto options, call.session->Options(call.context));
  return options["catalog"] == *catalog ? std::string() : *catalog;
}

}  // namespace

arrow::Result<std::unique_ptr<fl::FlightInfo>> InfoOf(const session::Started& started,
                                                      const fl::FlightDescriptor& descriptor) {
  ARROW_ASSIGN_OR_RAISE(auto ticket, sql::CreateStatementQueryTicket(started.ticket));
  nlohmann::json metadata{{"route", started.route}, {"reason", started.reason}};
  const bool counted = !started.is_query && started.rows_changed >= 0;
  if (counted) metadata["rows_changed"] = started.rows_changed;
  // No location: the client fetches over the connection it has.
  const fl::FlightEndpoint endpoint(fl::Ticket(std::move(ticket)), {}, std::nullopt, "");
  const std::int64_t records = counted && started.schema->num_fields() == 0 ? started.rows_changed : -1;
  ARROW_ASSIGN_OR_RAISE(auto info,
                        fl::FlightInfo::Make(*started.schema, descriptor, {endpoint}, records, -1, /*ordered=*/true,
                                             metadata.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  return std::make_unique<fl::FlightInfo>(std::move(info));
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoStatement(const Context& context,
                                                                        const sql::StatementQuery& command,
                                                                        const Descriptor& descriptor) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Open(context));
  ARROW_ASSIGN_OR_RAISE(const auto started, call.session->Start(call.context, command.query, command.transaction_id));
  return InfoOf(started, descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetStatement(const Context& context,
                                                                  const sql::StatementQueryTicket& command) {
  return access_.Fetch(context, command.statement_handle);
}

SqlService::Result<SqlService::SchemaAnswer> SqlService::GetSchemaStatement(const Context& context,
                                                                            const sql::StatementQuery& command,
                                                                            const Descriptor&) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Open(context));
  ARROW_ASSIGN_OR_RAISE(const auto schema, call.session->Describe(call.context, command.query, command.transaction_id));
  return fl::SchemaResult::Make(*schema);
}

SqlService::Result<int64_t> SqlService::DoPutCommandStatementUpdate(const Context& context,
                                                                    const sql::StatementUpdate& command) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Open(context));
  return call.session->Update(call.context, command.query, command.transaction_id);
}

SqlService::Result<int64_t> SqlService::DoPutCommandStatementIngest(const Context& context,
                                                                    const sql::StatementIngest& command,
                                                                    fl::FlightMessageReader* messages) {
  ARROW_ASSIGN_OR_RAISE(auto options, ToIngestOptions(command));
  ARROW_ASSIGN_OR_RAISE(options.in_transaction, NeedsTransaction(context));
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Open(context));
  ARROW_ASSIGN_OR_RAISE(options.backend, BackendOf(call, command.catalog));
  ARROW_ASSIGN_OR_RAISE(auto rows, ReadIncoming(context, *messages));
  return call.session->Ingest(call.context, options, *rows);
}

}  // namespace hyprstream::flight
