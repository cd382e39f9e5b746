// Prepared statements.
#include <arrow/buffer.h>
#include <arrow/flight/server.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <utility>

#include "flight/incoming_batches.h"
#include "flight/jdbc_schemas.h"
#include "flight/sql_service.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;
namespace sql = arrow::flight::sql;

SqlService::Result<sql::ActionCreatePreparedStatementResult> SqlService::CreatePreparedStatement(
    const Context& context, const sql::ActionCreatePreparedStatementRequest& request) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Open(context));
  ARROW_ASSIGN_OR_RAISE(auto prepared, call.session->Prepare(call.context, request.query, request.transaction_id));
  if (IsJavaClient(context)) {
    prepared.dataset_schema = JdbcRows(*prepared.dataset_schema);
    prepared.parameter_schema = JdbcParameters(*prepared.parameter_schema);
  }
  return sql::ActionCreatePreparedStatementResult{.dataset_schema = std::move(prepared.dataset_schema),
                                                  .parameter_schema = std::move(prepared.parameter_schema),
                                                  .prepared_statement_handle = std::move(prepared.handle)};
}

arrow::Status SqlService::ClosePreparedStatement(const Context& context,
                                                 const sql::ActionClosePreparedStatementRequest& request) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Find(context, "prepared statement"));
  return call.session->ClosePrepared(request.prepared_statement_handle);
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoPreparedStatement(
    const Context& context, const sql::PreparedStatementQuery& command, const Descriptor& descriptor) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Find(context, "prepared statement"));
  ARROW_ASSIGN_OR_RAISE(auto started, call.session->StartPrepared(call.context, command.prepared_statement_handle));
  if (IsJavaClient(context)) started.schema = JdbcRows(*started.schema);
  return InfoOf(started, descriptor);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetPreparedStatement(const Context& context,
                                                                          const sql::PreparedStatementQuery& command) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Find(context, "prepared statement"));
  ARROW_ASSIGN_OR_RAISE(const auto started,
                        call.session->StartPrepared(call.context, command.prepared_statement_handle));
  return access_.Fetch(context, started.ticket);
}

SqlService::Result<SqlService::SchemaAnswer> SqlService::GetSchemaPreparedStatement(
    const Context& context, const sql::PreparedStatementQuery& command, const Descriptor&) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Find(context, "prepared statement"));
  ARROW_ASSIGN_OR_RAISE(const auto prepared,
                        call.session->DescribePrepared(call.context, command.prepared_statement_handle));
  return fl::SchemaResult::Make(*prepared.dataset_schema);
}

arrow::Status SqlService::DoPutPreparedStatementQuery(const Context& context,
                                                      const sql::PreparedStatementQuery& command,
                                                      fl::FlightMessageReader* messages, fl::FlightMetadataWriter*) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Find(context, "prepared statement"));
  ARROW_ASSIGN_OR_RAISE(auto parameters, ReadParameters(context, *messages, options_.bind_bytes_max));
  // The handle stays what it is: no DoPutPreparedStatementResult is due.
  return call.session->Bind(command.prepared_statement_handle, std::move(parameters));
}

SqlService::Result<int64_t> SqlService::DoPutPreparedStatementUpdate(const Context& context,
                                                                     const sql::PreparedStatementUpdate& command,
                                                                     fl::FlightMessageReader* messages) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Find(context, "prepared statement"));
  ARROW_ASSIGN_OR_RAISE(const auto parameters, ReadParameters(context, *messages, options_.bind_bytes_max));
  return call.session->UpdatePrepared(call.context, command.prepared_statement_handle, parameters);
}

}  // namespace hyprstream::flight
