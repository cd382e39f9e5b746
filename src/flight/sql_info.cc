#include "flight/sql_info.h"

#include <arrow/flight/server.h>
#include <arrow/flight/sql/server.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/config.h>

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "flight/result_stream.h"
#include "flight/sql_service.h"

namespace hyprstream::flight {

namespace sql = arrow::flight::sql;
using Id = sql::SqlInfoOptions;

namespace {

using Texts = std::vector<std::string>;
using Values = sql::SqlInfoResultMap;

template <class T>
void Set(Values& values, int id, T value) {
  values[id] = sql::SqlInfoResult(std::move(value));
}

void SetServer(Values& values, const std::string& name, const std::string& version) {
  Set(values, Id::FLIGHT_SQL_SERVER_NAME, name);
  Set(values, Id::FLIGHT_SQL_SERVER_VERSION, version);
  Set(values, Id::FLIGHT_SQL_SERVER_ARROW_VERSION, std::string(ARROW_VERSION_STRING));
  Set(values, Id::FLIGHT_SQL_SERVER_READ_ONLY, false);
  Set(values, Id::FLIGHT_SQL_SERVER_SQL, true);
  Set(values, Id::FLIGHT_SQL_SERVER_SUBSTRAIT, false);
  Set(values, Id::FLIGHT_SQL_SERVER_SUBSTRAIT_MIN_VERSION, std::string());
  Set(values, Id::FLIGHT_SQL_SERVER_SUBSTRAIT_MAX_VERSION, std::string());
  Set(values, Id::FLIGHT_SQL_SERVER_TRANSACTION, std::int32_t{Id::SQL_SUPPORTED_TRANSACTION_TRANSACTION});
  Set(values, Id::FLIGHT_SQL_SERVER_CANCEL, true);
  Set(values, Id::FLIGHT_SQL_SERVER_BULK_INGESTION, true);
  Set(values, Id::FLIGHT_SQL_SERVER_INGEST_TRANSACTIONS_SUPPORTED, true);
  Set(values, Id::FLIGHT_SQL_SERVER_STATEMENT_TIMEOUT, std::int32_t{0});
  Set(values, Id::FLIGHT_SQL_SERVER_TRANSACTION_TIMEOUT, std::int32_t{0});
}

void SetSyntax(Values& values) {
  Set(values, Id::SQL_DDL_CATALOG, false);
  Set(values, Id::SQL_DDL_SCHEMA, true);
  Set(values, Id::SQL_DDL_TABLE, true);
  Set(values, Id::SQL_IDENTIFIER_CASE, std::int32_t{Id::SQL_CASE_SENSITIVITY_CASE_INSENSITIVE});
  Set(values, Id::SQL_IDENTIFIER_QUOTE_CHAR, std::string("\""));
  Set(values, Id::SQL_QUOTED_IDENTIFIER_CASE, std::int32_t{Id::SQL_CASE_SENSITIVITY_CASE_INSENSITIVE});
  Set(values, Id::SQL_ALL_TABLES_ARE_SELECTABLE, true);
  Set(values, Id::SQL_NULL_ORDERING, std::int32_t{Id::SQL_NULLS_SORTED_AT_END});
  Set(values, Id::SQL_KEYWORDS,
      Texts{"ASOF", "EXCLUDE", "ILIKE", "MATERIALIZED", "PIVOT", "QUALIFY", "SUMMARIZE", "UNPIVOT"});
  Set(values, Id::SQL_NUMERIC_FUNCTIONS,
      Texts{"ABS",     "ACOS",   "ASIN",  "ATAN", "ATAN2", "CEILING", "COS", "COT",
            "DEGREES", "EXP",    "FLOOR", "LOG",  "LOG10", "MOD",     "PI",  "POWER",
            "RADIANS", "RANDOM", "ROUND", "SIGN", "SIN",   "SQRT",    "TAN", "TRUNC"});
  Set(values, Id::SQL_STRING_FUNCTIONS,
      Texts{"ASCII", "CHR", "CONCAT", "LCASE", "LEFT", "LENGTH", "LOWER", "LPAD", "LTRIM", "POSITION", "REPEAT",
            "REPLACE", "RIGHT", "RPAD", "RTRIM", "SUBSTRING", "TRIM", "UCASE", "UPPER"});
  Set(values, Id::SQL_SYSTEM_FUNCTIONS, Texts{"COALESCE", "CURRENT_DATABASE", "CURRENT_SCHEMA", "IFNULL", "NULLIF"});
  Set(values, Id::SQL_DATETIME_FUNCTIONS,
      Texts{"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "DATE_DIFF", "DATE_PART",   "DATE_TRUNC", "DAYNAME",
            "DAYOFMONTH",   "DAYOFWEEK",    "DAYOFYEAR",         "EXTRACT",   "HOUR",        "MINUTE",     "MONTH",
            "MONTHNAME",    "NOW",          "QUARTER",           "SECOND",    "TIME_BUCKET", "WEEK",       "YEAR"});
  Set(values, Id::SQL_SEARCH_STRING_ESCAPE, std::string("\\"));
  Set(values, Id::SQL_EXTRA_NAME_CHARACTERS, std::string());
  Set(values, Id::SQL_SCHEMA_TERM, std::string("schema"));
  Set(values, Id::SQL_PROCEDURE_TERM, std::string("procedure"));
  Set(values, Id::SQL_CATALOG_TERM, std::string("database"));
  Set(values, Id::SQL_CATALOG_AT_START, true);
}

// Which conversions CAST can do, by the specification's type codes.
std::unordered_map<std::int32_t, std::vector<std::int32_t>> Conversions() {
  const std::vector<std::int32_t> numbers{Id::SQL_CONVERT_BIGINT, Id::SQL_CONVERT_BIT,      Id::SQL_CONVERT_DECIMAL,
                                          Id::SQL_CONVERT_FLOAT,  Id::SQL_CONVERT_INTEGER,  Id::SQL_CONVERT_NUMERIC,
                                          Id::SQL_CONVERT_REAL,   Id::SQL_CONVERT_SMALLINT, Id::SQL_CONVERT_TINYINT,
                                          Id::SQL_CONVERT_VARCHAR};
  const std::vector<std::int32_t> times{Id::SQL_CONVERT_DATE, Id::SQL_CONVERT_TIME, Id::SQL_CONVERT_TIMESTAMP,
                                        Id::SQL_CONVERT_VARCHAR};
  std::unordered_map<std::int32_t, std::vector<std::int32_t>> conversions;
  for (const auto number : numbers) conversions[number] = numbers;
  for (const auto time : times) conversions[time] = times;
  auto& texts = conversions[Id::SQL_CONVERT_VARCHAR];
  texts = numbers;
  texts.insert(texts.end(),
               {Id::SQL_CONVERT_DATE, Id::SQL_CONVERT_TIME, Id::SQL_CONVERT_TIMESTAMP, Id::SQL_CONVERT_VARBINARY});
  conversions[Id::SQL_CONVERT_VARBINARY] = {Id::SQL_CONVERT_VARBINARY, Id::SQL_CONVERT_VARCHAR};
  return conversions;
}

void SetFeatures(Values& values) {
  Set(values, Id::SQL_SUPPORTS_CONVERT, Conversions());
  for (const int id :
       {Id::SQL_SUPPORTS_COLUMN_ALIASING, Id::SQL_NULL_PLUS_NULL_IS_NULL, Id::SQL_SUPPORTS_TABLE_CORRELATION_NAMES,
        Id::SQL_SUPPORTS_EXPRESSIONS_IN_ORDER_BY, Id::SQL_SUPPORTS_ORDER_BY_UNRELATED,
        Id::SQL_SUPPORTS_LIKE_ESCAPE_CLAUSE, Id::SQL_SUPPORTS_NON_NULLABLE_COLUMNS,
        Id::SQL_SUPPORTS_INTEGRITY_ENHANCEMENT_FACILITY, Id::SQL_CORRELATED_SUBQUERIES_SUPPORTED,
        Id::SQL_MAX_ROW_SIZE_INCLUDES_BLOBS, Id::SQL_TRANSACTIONS_SUPPORTED, Id::SQL_BATCH_UPDATES_SUPPORTED}) {
    Set(values, id, true);
  }
  for (const int id : {Id::SQL_SUPPORTS_DIFFERENT_TABLE_CORRELATION_NAMES, Id::SQL_SELECT_FOR_UPDATE_SUPPORTED,
                       Id::SQL_STORED_PROCEDURES_SUPPORTED, Id::SQL_DATA_DEFINITION_CAUSES_TRANSACTION_COMMIT,
                       Id::SQL_DATA_DEFINITIONS_IN_TRANSACTIONS_IGNORED, Id::SQL_SAVEPOINTS_SUPPORTED,
                       Id::SQL_NAMED_PARAMETERS_SUPPORTED, Id::SQL_LOCATORS_UPDATE_COPY,
                       Id::SQL_STORED_FUNCTIONS_USING_CALL_SYNTAX_SUPPORTED}) {
    Set(values, id, false);
  }
  // Bit masks of the specification.
  for (const auto& [id, mask] : std::initializer_list<std::pair<int, std::int32_t>>{
           {Id::SQL_SUPPORTED_GROUP_BY, 0b11},
           {Id::SQL_SUPPORTED_GRAMMAR, 0b111},
           {Id::SQL_ANSI92_SUPPORTED_LEVEL, 0b11},
           {Id::SQL_OUTER_JOINS_SUPPORT_LEVEL, 0b110},
           {Id::SQL_SCHEMAS_SUPPORTED_ACTIONS, 0b101},
           {Id::SQL_CATALOGS_SUPPORTED_ACTIONS, 0b001},
           {Id::SQL_SUPPORTED_POSITIONED_COMMANDS, 0},
           {Id::SQL_SUPPORTED_SUBQUERIES, 0b1111},
           {Id::SQL_SUPPORTED_UNIONS, 0b11},
           {Id::SQL_SUPPORTED_TRANSACTIONS_ISOLATION_LEVELS, 0b1000},
           {Id::SQL_SUPPORTED_RESULT_SET_TYPES, 0b10},  // forward only
           {Id::SQL_SUPPORTED_CONCURRENCIES_FOR_RESULT_SET_UNSPECIFIED, 0b10},
           {Id::SQL_SUPPORTED_CONCURRENCIES_FOR_RESULT_SET_FORWARD_ONLY, 0b10},
           {Id::SQL_SUPPORTED_CONCURRENCIES_FOR_RESULT_SET_SCROLL_SENSITIVE, 0},
           {Id::SQL_SUPPORTED_CONCURRENCIES_FOR_RESULT_SET_SCROLL_INSENSITIVE, 0}}) {
    Set(values, id, mask);
  }
  // Repeatable read: snapshots. Wide, because JDBC unboxes a long.
  Set(values, Id::SQL_DEFAULT_TRANSACTION_ISOLATION, std::int64_t{3});
}

void SetLimits(Values& values) {
  constexpr std::int64_t kUnknown = 0;  // no limit, or none that is known
  for (int id = Id::SQL_MAX_BINARY_LITERAL_LENGTH; id <= Id::SQL_MAX_ROW_SIZE; ++id) Set(values, id, kUnknown);
  for (int id = Id::SQL_MAX_STATEMENT_LENGTH; id <= Id::SQL_MAX_USERNAME_LENGTH; ++id) Set(values, id, kUnknown);
}

}  // namespace

sql::SqlInfoResultMap SqlInfoValues(const std::string& name, const std::string& version) {
  Values values;
  SetServer(values, name, version);
  SetSyntax(values);
  SetFeatures(values);
  SetLimits(values);
  return values;
}

SqlService::SqlService(const SessionAccess& access, SqlServiceOptions options)
    : access_(access), options_(std::move(options)), sql_info_(SqlInfoValues(options_.name, options_.version)) {
  for (const auto& [id, value] : sql_info_) RegisterSqlInfo(id, value);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetSqlInfo(const Context& context,
                                                                const sql::GetSqlInfo& command) {
  sql::GetSqlInfo known;
  for (const auto id : command.info) {
    if (sql_info_.contains(id)) known.info.push_back(id);
  }
  if (known.info.empty() && !command.info.empty()) {  // none asked for is all; nothing but unknown ones is nothing
    return StreamOf(context, sql::SqlSchema::GetSqlInfoSchema(), {}, access_.bounds());
  }
  return FlightSqlServerBase::DoGetSqlInfo(context, known);
}

SqlService::Result<SqlService::Stream> SqlService::DoGetXdbcTypeInfo(const Context& context,
                                                                     const sql::GetXdbcTypeInfo& command) {
  ARROW_ASSIGN_OR_RAISE(auto rows, TypeInfoRows(command.data_type));
  return StreamOf(context, sql::SqlSchema::GetXdbcTypeInfoSchema(), {std::move(rows)}, access_.bounds());
}

}  // namespace hyprstream::flight
