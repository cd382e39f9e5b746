// Transactions, cancel, session options, and what this server does not do.
#include <arrow/flight/server.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/macros.h>

#include <string>
#include <utility>
#include <variant>

#include "flight/sql_service.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;
namespace sql = arrow::flight::sql;

namespace {

arrow::Status NoSavepoints() {
  return arrow::Status::NotImplemented("Savepoints are not supported: the engine has none; use a transaction");
}

arrow::Status NoSubstrait() { return arrow::Status::NotImplemented("Substrait plans are not supported; send SQL"); }

arrow::Result<std::string> TextOf(const fl::SessionOptionValue& value) {
  struct Visitor {
    arrow::Result<std::string> operator()(std::monostate) const { return arrow::Status::Invalid("no value"); }
    arrow::Result<std::string> operator()(const std::string& text) const { return text; }
    arrow::Result<std::string> operator()(bool truth) const { return truth ? "true" : "false"; }
    arrow::Result<std::string> operator()(int64_t number) const { return std::to_string(number); }
    arrow::Result<std::string> operator()(double number) const { return std::to_string(number); }
    arrow::Result<std::string> operator()(const std::vector<std::string>&) const {
      return arrow::Status::Invalid("a list");
    }
  };
  return std::visit(Visitor{}, value);
}

arrow::Result<std::string> StatementHandle(const fl::FlightInfo* info) {
  if (info == nullptr || info->endpoints().empty()) {
    return arrow::Status::Invalid("The FlightInfo to cancel has no endpoint");
  }
  ARROW_ASSIGN_OR_RAISE(auto ticket, sql::StatementQueryTicket::Deserialize(info->endpoints()[0].ticket.ticket));
  return std::move(ticket.statement_handle);
}

}  // namespace

SqlService::Result<sql::ActionBeginTransactionResult> SqlService::BeginTransaction(
    const Context& context, const sql::ActionBeginTransactionRequest&) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Open(context));
  ARROW_ASSIGN_OR_RAISE(auto transaction, call.session->BeginTransaction(call.context));
  return sql::ActionBeginTransactionResult{.transaction_id = std::move(transaction)};
}

arrow::Status SqlService::EndTransaction(const Context& context, const sql::ActionEndTransactionRequest& request) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Find(context, "transaction"));
  return call.session->EndTransaction(call.context, request.transaction_id,
                                      request.action == sql::ActionEndTransactionRequest::kCommit);
}

SqlService::Result<sql::ActionBeginSavepointResult> SqlService::BeginSavepoint(
    const Context&, const sql::ActionBeginSavepointRequest&) {
  return NoSavepoints();
}

arrow::Status SqlService::EndSavepoint(const Context&, const sql::ActionEndSavepointRequest&) { return NoSavepoints(); }

SqlService::Result<fl::CancelFlightInfoResult> SqlService::CancelFlightInfo(
    const Context& context, const fl::CancelFlightInfoRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const auto handle, StatementHandle(request.info.get()));
  ARROW_ASSIGN_OR_RAISE(const bool cancelled, access_.Cancel(context, handle));
  return fl::CancelFlightInfoResult(cancelled ? fl::CancelStatus::kCancelled : fl::CancelStatus::kNotCancellable);
}

SqlService::Result<sql::CancelResult> SqlService::CancelQuery(const Context& context,
                                                              const sql::ActionCancelQueryRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const auto handle, StatementHandle(request.info.get()));
  ARROW_ASSIGN_OR_RAISE(const bool cancelled, access_.Cancel(context, handle));
  return cancelled ? sql::CancelResult::kCancelled : sql::CancelResult::kNotCancellable;
}

SqlService::Result<fl::FlightEndpoint> SqlService::RenewFlightEndpoint(const Context&,
                                                                       const fl::RenewFlightEndpointRequest&) {
  return arrow::Status::NotImplemented("Endpoints here have no expiration time, so there is nothing to renew");
}

SqlService::Result<fl::SetSessionOptionsResult> SqlService::SetSessionOptions(
    const Context& context, const fl::SetSessionOptionsRequest& request) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Open(context));
  fl::SetSessionOptionsResult result;
  for (const auto& [name, value] : request.session_options) {
    const auto text = TextOf(value);
    const auto set = text.ok() ? call.session->SetOption(call.context, name, *text) : text.status();
    if (set.ok()) continue;
    if (text.ok() && !set.IsInvalid() && !set.IsKeyError()) return set;
    const bool bad_name = text.ok() && set.message().starts_with("Unknown session option");
    result.errors[name] = {.value = bad_name ? fl::SetSessionOptionErrorValue::kInvalidName
                                             : fl::SetSessionOptionErrorValue::kInvalidValue};
  }
  return result;
}

SqlService::Result<fl::GetSessionOptionsResult> SqlService::GetSessionOptions(const Context& context,
                                                                              const fl::GetSessionOptionsRequest&) {
  ARROW_ASSIGN_OR_RAISE(auto call, access_.Open(context));
  ARROW_ASSIGN_OR_RAISE(const auto options, call.session->Options(call.context));
  fl::GetSessionOptionsResult result;
  for (const auto& [name, value] : options) result.session_options[name] = value;
  return result;
}

SqlService::Result<fl::CloseSessionResult> SqlService::CloseSession(const Context& context,
                                                                    const fl::CloseSessionRequest&) {
  access_.Close(context);  // one that was never used is closed as well
  return fl::CloseSessionResult(fl::CloseSessionStatus::kClosed);
}

SqlService::Result<SqlService::Info> SqlService::GetFlightInfoSubstraitPlan(const Context&,
                                                                            const sql::StatementSubstraitPlan&,
                                                                            const Descriptor&) {
  return NoSubstrait();
}

SqlService::Result<SqlService::SchemaAnswer> SqlService::GetSchemaSubstraitPlan(const Context&,
                                                                                const sql::StatementSubstraitPlan&,
                                                                                const Descriptor&) {
  return NoSubstrait();
}

SqlService::Result<int64_t> SqlService::DoPutCommandSubstraitPlan(const Context&, const sql::StatementSubstraitPlan&) {
  return NoSubstrait();
}

SqlService::Result<sql::ActionCreatePreparedStatementResult> SqlService::CreatePreparedSubstraitPlan(
    const Context&, const sql::ActionCreatePreparedSubstraitPlanRequest&) {
  return NoSubstrait();
}

}  // namespace hyprstream::flight
