#include "engine/lockdown_internal.h"

#include <arrow/status.h>

#include <duckdb.hpp>
#include <duckdb/main/config.hpp>
#include <string>

#include "core/table_ref.h"
#include "engine/backend_pushdown_internal.h"
#include "engine/error_internal.h"
#include "engine/function_lists_internal.h"
#include "engine/guard_internal.h"
#include "engine/parser_internal.h"
#include "engine/queried_texts_internal.h"
#include "engine/refused_functions_internal.h"
#include "engine/rollup_internal.h"
#include "engine/value_bounds_internal.h"

namespace hyprstream::engine {

namespace {

arrow::Status Set(duckdb::Connection& connection, const std::string& sql) {
  const auto result = connection.Query(sql);
  return result->HasError() ? StatusFrom(result->GetErrorObject()) : arrow::Status::OK();
}

// As a list literal: ['a', 'b'].
std::string ClientSettingList() {
  std::string list;
  for (const auto& name : ClientSettingNames()) list += (list.empty() ? "[" : ", ") + QuoteLiteral(name);
  return list + "]";
}

}  // namespace

void Configure(const EngineOptions& options, duckdb::DBConfig& config) {
  config.SetOptionByName("memory_limit", duckdb::Value(std::to_string(options.memory_bytes_max) + "B"));
  if (options.threads > 0) config.SetOptionByName("threads", duckdb::Value::BIGINT(options.threads));
  config.options.use_temporary_directory = !options.temp_directory.empty();
  config.SetOptionByName("temp_directory", duckdb::Value(options.temp_directory));
  config.SetOptionByName("max_expression_depth",
                         duckdb::Value::UBIGINT(static_cast<std::uint64_t>(options.expression_depth_max)));
  config.SetOptionByName("autoinstall_known_extensions", duckdb::Value::BOOLEAN(false));
  config.SetOptionByName("autoload_known_extensions", duckdb::Value::BOOLEAN(false));
  config.SetOptionByName("allow_community_extensions", duckdb::Value::BOOLEAN(false));
  AddUseViews(config);
  AddUsePushdown(config);
}

arrow::Status LockDown(const EngineOptions& options, duckdb::Connection& connection) {
  ARROW_RETURN_NOT_OK(Guard([&] {
    connection.BeginTransaction();
    ReplaceUnsafeFunctions(connection);
    RefuseFunctions(connection);
    RefuseTableFunctions(connection);
    BoundQueriedTexts(connection, {.sql_bytes_max = static_cast<std::size_t>(options.sql_bytes_max),
                                   .expression_depth_max = options.expression_depth_max});
    connection.Commit();
    return arrow::Status::OK();
  }));
  if (!options.temp_directory.empty()) {  // only a running instance takes it to heart
    ARROW_RETURN_NOT_OK(
        Set(connection, "SET GLOBAL max_temp_directory_size = '" + std::to_string(options.temp_bytes_max) + "B'"));
  }
  for (const auto& sql : {
           std::string("SET GLOBAL TimeZone = 'UTC'"),
           std::string("SET GLOBAL enable_external_access = false"),
           "SET GLOBAL allowed_configs = " + ClientSettingList(),
           std::string("SET GLOBAL lock_configuration = true"),
       }) {
    ARROW_RETURN_NOT_OK(Set(connection, sql));
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::engine
