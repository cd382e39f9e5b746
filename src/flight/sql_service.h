// Flight SQL: every command and action of the specification, as calls of a session.
//
// Arrow's server class decodes and dispatches; it never listens (FlightServer owns the port and maps errors).
// Thread safety: all methods, from any thread.
#pragma once

#include <arrow/flight/sql/server.h>

#include <cstdint>
#include <memory>
#include <string>

#include "flight/session_access.h"

namespace hyprstream::flight {

struct SqlServiceOptions {
  std::string name;
  std::string version;
  std::int64_t bind_bytes_max = 256LL << 20;
};

// FlightInfo of something that was started: one endpoint, route and reason in the metadata.
arrow::Result<std::unique_ptr<arrow::flight::FlightInfo>> InfoOf(const session::Started& started,
                                                                 const arrow::flight::FlightDescriptor& descriptor);

class SqlService final : public arrow::flight::sql::FlightSqlServerBase {
 public:
  template <class T>
  using Result = arrow::Result<T>;
  using Context = arrow::flight::ServerCallContext;
  using Descriptor = arrow::flight::FlightDescriptor;
  using Info = std::unique_ptr<arrow::flight::FlightInfo>;
  using Stream = std::unique_ptr<arrow::flight::FlightDataStream>;
  using SchemaAnswer = std::unique_ptr<arrow::flight::SchemaResult>;

  SqlService(const SessionAccess& access, SqlServiceOptions options);

  // ---- statements (sql_statements.cc)
  Result<Info> GetFlightInfoStatement(const Context&, const arrow::flight::sql::StatementQuery&,
                                      const Descriptor&) override;
  Result<Stream> DoGetStatement(const Context&, const arrow::flight::sql::StatementQueryTicket&) override;
  Result<SchemaAnswer> GetSchemaStatement(const Context&, const arrow::flight::sql::StatementQuery&,
                                          const Descriptor&) override;
  Result<int64_t> DoPutCommandStatementUpdate(const Context&, const arrow::flight::sql::StatementUpdate&) override;
  Result<int64_t> DoPutCommandStatementIngest(const Context&, const arrow::flight::sql::StatementIngest&,
                                              arrow::flight::FlightMessageReader*) override;

  // ---- prepared statements (sql_prepared.cc)
  Result<arrow::flight::sql::ActionCreatePreparedStatementResult> CreatePreparedStatement(
      const Context&, const arrow::flight::sql::ActionCreatePreparedStatementRequest&) override;
  arrow::Status ClosePreparedStatement(const Context&,
                                       const arrow::flight::sql::ActionClosePreparedStatementRequest&) override;
  Result<Info> GetFlightInfoPreparedStatement(const Context&, const arrow::flight::sql::PreparedStatementQuery&,
                                              const Descriptor&) override;
  Result<Stream> DoGetPreparedStatement(const Context&, const arrow::flight::sql::PreparedStatementQuery&) override;
  Result<SchemaAnswer> GetSchemaPreparedStatement(const Context&, const arrow::flight::sql::PreparedStatementQuery&,
                                                  const Descriptor&) override;
  arrow::Status DoPutPreparedStatementQuery(const Context&, const arrow::flight::sql::PreparedStatementQuery&,
                                            arrow::flight::FlightMessageReader*,
                                            arrow::flight::FlightMetadataWriter*) override;
  Result<int64_t> DoPutPreparedStatementUpdate(const Context&, const arrow::flight::sql::PreparedStatementUpdate&,
                                               arrow::flight::FlightMessageReader*) override;

  // ---- transactions, cancel, session options (sql_actions.cc)
  Result<arrow::flight::sql::ActionBeginTransactionResult> BeginTransaction(
      const Context&, const arrow::flight::sql::ActionBeginTransactionRequest&) override;
  arrow::Status EndTransaction(const Context&, const arrow::flight::sql::ActionEndTransactionRequest&) override;
  Result<arrow::flight::sql::ActionBeginSavepointResult> BeginSavepoint(
      const Context&, const arrow::flight::sql::ActionBeginSavepointRequest&) override;
  arrow::Status EndSavepoint(const Context&, const arrow::flight::sql::ActionEndSavepointRequest&) override;
  Result<arrow::flight::CancelFlightInfoResult> CancelFlightInfo(
      const Context&, const arrow::flight::CancelFlightInfoRequest&) override;
  Result<arrow::flight::sql::CancelResult> CancelQuery(const Context&,
                                                       const arrow::flight::sql::ActionCancelQueryRequest&) override;
  Result<arrow::flight::FlightEndpoint> RenewFlightEndpoint(const Context&,
                                                            const arrow::flight::RenewFlightEndpointRequest&) override;
  Result<arrow::flight::SetSessionOptionsResult> SetSessionOptions(
      const Context&, const arrow::flight::SetSessionOptionsRequest&) override;
  Result<arrow::flight::GetSessionOptionsResult> GetSessionOptions(
      const Context&, const arrow::flight::GetSessionOptionsRequest&) override;
  Result<arrow::flight::CloseSessionResult> CloseSession(const Context&,
                                                         const arrow::flight::CloseSessionRequest&) override;
  Result<Info> GetFlightInfoSubstraitPlan(const Context&, const arrow::flight::sql::StatementSubstraitPlan&,
                                          const Descriptor&) override;
  Result<SchemaAnswer> GetSchemaSubstraitPlan(const Context&, const arrow::flight::sql::StatementSubstraitPlan&,
                                              const Descriptor&) override;
  Result<int64_t> DoPutCommandSubstraitPlan(const Context&, const arrow::flight::sql::StatementSubstraitPlan&) override;
  Result<arrow::flight::sql::ActionCreatePreparedStatementResult> CreatePreparedSubstraitPlan(
      const Context&, const arrow::flight::sql::ActionCreatePreparedSubstraitPlanRequest&) override;

  // ---- metadata (sql_metadata.cc)
  Result<Info> GetFlightInfoCatalogs(const Context&, const Descriptor&) override;
  Result<Stream> DoGetCatalogs(const Context&) override;
  Result<Info> GetFlightInfoSchemas(const Context&, const arrow::flight::sql::GetDbSchemas&,
                                    const Descriptor&) override;
  Result<Stream> DoGetDbSchemas(const Context&, const arrow::flight::sql::GetDbSchemas&) override;
  Result<Info> GetFlightInfoTables(const Context&, const arrow::flight::sql::GetTables&, const Descriptor&) override;
  Result<Stream> DoGetTables(const Context&, const arrow::flight::sql::GetTables&) override;
  Result<Info> GetFlightInfoTableTypes(const Context&, const Descriptor&) override;
  Result<Stream> DoGetTableTypes(const Context&) override;
  Result<Info> GetFlightInfoPrimaryKeys(const Context&, const arrow::flight::sql::GetPrimaryKeys&,
                                        const Descriptor&) override;
  Result<Stream> DoGetPrimaryKeys(const Context&, const arrow::flight::sql::GetPrimaryKeys&) override;
  Result<Info> GetFlightInfoExportedKeys(const Context&, const arrow::flight::sql::GetExportedKeys&,
                                         const Descriptor&) override;
  Result<Stream> DoGetExportedKeys(const Context&, const arrow::flight::sql::GetExportedKeys&) override;
  Result<Info> GetFlightInfoImportedKeys(const Context&, const arrow::flight::sql::GetImportedKeys&,
                                         const Descriptor&) override;
  Result<Stream> DoGetImportedKeys(const Context&, const arrow::flight::sql::GetImportedKeys&) override;
  Result<Info> GetFlightInfoCrossReference(const Context&, const arrow::flight::sql::GetCrossReference&,
                                           const Descriptor&) override;
  Result<Stream> DoGetCrossReference(const Context&, const arrow::flight::sql::GetCrossReference&) override;

  // ---- what the server is (sql_info.cc, sql_type_info.cc)
  Result<Info> GetFlightInfoSqlInfo(const Context&, const arrow::flight::sql::GetSqlInfo&, const Descriptor&) override;
  Result<Stream> DoGetSqlInfo(const Context&, const arrow::flight::sql::GetSqlInfo&) override;
  Result<Info> GetFlightInfoXdbcTypeInfo(const Context&, const arrow::flight::sql::GetXdbcTypeInfo&,
                                         const Descriptor&) override;
  Result<Stream> DoGetXdbcTypeInfo(const Context&, const arrow::flight::sql::GetXdbcTypeInfo&) override;

 private:
  const SessionAccess& access_;
  const SqlServiceOptions options_;
  const arrow::flight::sql::SqlInfoResultMap sql_info_;
};

}  // namespace hyprstream::flight
