#include "backend/driver.h"

#include <arrow-adbc/adbc_driver_manager.h>
#include <arrow/array/array_nested.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <utility>

#include "backend/duckdb_opening.h"
#include "backend/isolated_driver.h"
#include "backend/sqlite_stop.h"

// DuckDB's own, and that of drivers/redis; no header declares them.
extern "C" AdbcStatusCode duckdb_adbc_init(int version, void* driver, AdbcError* error);
extern "C" AdbcStatusCode AdbcDriverRedisInit(int version, void* driver, AdbcError* error);

namespace hyprstream::backend {
namespace {

// Longer than any message that helps.
constexpr std::size_t kMessageBytesMax = 2'000;
constexpr std::chrono::milliseconds kRedisWaitMax = std::chrono::hours{1};

// An AdbcError that releases itself and asks for the details of ADBC 1.1.
struct OwnedError : AdbcError {
  OwnedError() : AdbcError{} { vendor_code = ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA; }
  ~OwnedError() {
    if (release != nullptr) release(this);
  }
  OwnedError(const OwnedError&) = delete;
  OwnedError& operator=(const OwnedError&) = delete;
};

// What DuckDB has no SQLSTATE for: a table or a column that is not there any more.
std::string StateOfWords(std::string_view message) {
  if (message.starts_with("Catalog Error: ")) return "42P01";
  if (message.starts_with("Binder Error: ")) return "42703";
  return {};
}

std::string_view SqlClass(std::string_view sqlstate) { return sqlstate.substr(0, 2); }

bool IsConnectionState(std::string_view sqlstate) {
  static constexpr std::array<std::string_view, 5> kServerGone = {"57P01", "57P02", "57P03", "57P05", "53300"};
  return SqlClass(sqlstate) == "08" || std::ranges::find(kServerGone, sqlstate) != kServerGone.end();
}

arrow::StatusCode StatusCodeOf(AdbcStatusCode code, std::string_view sqlstate) {
  using arrow::StatusCode;
  if (IsConnectionState(sqlstate)) return StatusCode::IOError;
  switch (code) {
    case ADBC_STATUS_NOT_FOUND:
      return StatusCode::KeyError;
    case ADBC_STATUS_ALREADY_EXISTS:
      return StatusCode::AlreadyExists;
    case ADBC_STATUS_NOT_IMPLEMENTED:
      return StatusCode::NotImplemented;
    case ADBC_STATUS_CANCELLED:
      return StatusCode::Cancelled;
    case ADBC_STATUS_IO:
      // A driver that has an SQLSTATE was answered.
      return sqlstate.empty() ? StatusCode::IOError : StatusCode::Invalid;
    case ADBC_STATUS_TIMEOUT:
    case ADBC_STATUS_UNAUTHENTICATED:
      return StatusCode::IOError;
    default:
      return StatusCode::Invalid;
  }
}

// TRAP: where a server ends a call before the statement has gone (it does not take the token, say), the Flight SQL
// driver tells the end of its stream and not what the server has said.
constexpr std::string_view kEndedBeforeAsked = "[FlightSQL] EOF (Unknown; ";

arrow::Status ToStatus(AdbcStatusCode code, const AdbcError& error, const Redaction& redaction) {
  if (code == ADBC_STATUS_OK) return arrow::Status::OK();
  std::string sqlstate(error.sqlstate, strnlen(error.sqlstate, sizeof(error.sqlstate)));
  std::string message = MessageOf(error);
  if (code == ADBC_STATUS_UNKNOWN && message.starts_with(kEndedBeforeAsked)) {
    code = ADBC_STATUS_IO;
    message =
        "[FlightSQL] the server ended the call before the statement was sent, and its reason is lost: it may not take "
        "the user, the password or the token";
  }
  message = redaction.Redact(message);
  while (!message.empty() && std::string_view(" \n\r\t").find(message.back()) != std::string_view::npos)
    message.pop_back();
  if (message.size() > kMessageBytesMax) message = message.substr(0, kMessageBytesMax) + "...";
  if (message.empty()) message = AdbcStatusCodeMessage(code);
  if (!sqlstate.empty()) message += " (SQLSTATE " + sqlstate + ")";
  if (code == ADBC_STATUS_INTERNAL && message.starts_with("IO Error: ")) code = ADBC_STATUS_IO;  // DuckDB's
  const auto status_code = StatusCodeOf(code, sqlstate);
  if (sqlstate.empty()) sqlstate = StateOfWords(message);
  return {status_code, std::move(message), std::make_shared<DriverErrorDetail>(code, std::move(sqlstate))};
}

// libpq's parameters that end what would otherwise wait for ever, where the URI says nothing of them. The driver takes
// user and password in the URI only.
std::string CompletePostgresUri(const BackendSpec& spec) {
  const auto option = [&](const std::string& name) {
    const auto found = spec.driver_options.find(name);
    return found == spec.driver_options.end() ? std::string() : found->second;
  };
  std::string uri = option("uri");
  const bool is_uri = uri.find("://") != std::string::npos;
  const auto add = [&](std::string_view name, const std::string& value, bool replace = false) {
    if (value.empty() || (!replace && uri.find(std::string(name) + "=") != std::string::npos)) return;
    if (is_uri) {
      uri += uri.find('?') == std::string::npos ? '?' : '&';
      uri += std::string(name) + "=" + PercentEncoded(value);
      return;
    }
    uri += " " + std::string(name) + "='";
    for (const char c : value) uri += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    uri += "'";
  };
  add("user", option("username"), true);
  add("password", option("password"), true);
  add("connect_timeout", std::to_string(std::chrono::ceil<std::chrono::seconds>(spec.connect_timeout).count()));
  add("keepalives_idle", "30");
  add("keepalives_interval", "10");
  add("keepalives_count", "3");
  add("tcp_user_timeout", "20000");
  add("client_encoding", "UTF8");
  add("application_name", "hyprstream");
  return uri;
}

bool IsPostgres(const std::string& library) {
  return std::filesystem::path(library).filename().string().find("postgresql") != std::string::npos;
}

}  // namespace

std::string MessageOf(const AdbcError& error) {
  const int details = AdbcErrorGetDetailCount(&error);
  for (int i = 0; i < details; ++i) {
    const auto detail = AdbcErrorGetDetail(&error, i);
    if (detail.key != nullptr && std::string_view(detail.key) == "PG_DIAG_MESSAGE_PRIMARY") {
      return {reinterpret_cast<const char*>(detail.value),
              strnlen(reinterpret_cast<const char*>(detail.value), detail.value_length)};
    }
  }
  std::string_view message = error.message == nullptr ? "" : error.message;
  if (constexpr std::string_view kManager = "[Driver Manager] "; message.starts_with(kManager)) {
    message.remove_prefix(kManager.size());
  }
  for (const std::string_view context : {"\nQuery was:", "\n\nLINE ", "\n\nStack Trace:"}) {
    message = message.substr(0, std::min(message.find(context), message.size()));
  }
  return std::string(message);
}

const DriverErrorDetail* DriverErrorDetail::Of(const arrow::Status& status) {
  return dynamic_cast<const DriverErrorDetail*>(status.detail().get());
}

bool IsConnectionFailure(const arrow::Status& status) {
  return status.IsIOError() && DriverErrorDetail::Of(status) != nullptr;
}

std::string SqlStateOf(const arrow::Status& status) {
  const auto* detail = DriverErrorDetail::Of(status);
  return detail == nullptr ? std::string() : detail->sqlstate();
}

arrow::Result<std::string> DriverLibrary(const std::string& driver, const std::string& folder) {
  if (driver.starts_with('/') || driver == kDuckdb || driver == kRedis) return driver;
  for (const char* known : {"postgresql", "sqlite", "flightsql", "snowflake"}) {
    if (driver == known) return folder + "/libadbc_driver_" + driver + ".so";
  }
  return arrow::Status::Invalid(
      "Unknown driver (postgresql, sqlite, duckdb, redis, flightsql and snowflake are known by name; any other is "
      "named by "
      "the absolute path of its library)");
}

DriverStream::DriverStream(DriverStream&& other) noexcept
    : stream_(std::exchange(other.stream_, {})),
      redaction_(std::move(other.redaction_)),
      in_process_(other.in_process_) {}

DriverStream& DriverStream::operator=(DriverStream&& other) noexcept {
  std::swap(stream_, other.stream_);
  std::swap(redaction_, other.redaction_);
  std::swap(in_process_, other.in_process_);
  return *this;
}

DriverStream::~DriverStream() {
  if (stream_.release != nullptr) stream_.release(&stream_);
}

arrow::Status DriverStream::ErrorOf(int error) {
  AdbcStatusCode code = ADBC_STATUS_OK;
  if (const auto* details = AdbcErrorFromArrayStream(&stream_, &code); details != nullptr && code != ADBC_STATUS_OK) {
    return ToStatus(code, *details, *redaction_);
  }
  const char* text = stream_.get_last_error == nullptr ? nullptr : stream_.get_last_error(&stream_);
  OwnedError plain;
  std::string message = text == nullptr ? std::strerror(error) : text;
  plain.message = message.data();
  return ToStatus(error == ECANCELED               ? ADBC_STATUS_CANCELLED
                  : error == EINVAL || in_process_ ? ADBC_STATUS_INVALID_DATA
                                                   : ADBC_STATUS_IO,
                  plain, *redaction_);
}

arrow::Result<std::shared_ptr<arrow::Schema>> DriverStream::ReadSchema() {
  ArrowSchema schema{};
  if (const int error = stream_.get_schema(&stream_, &schema); error != 0) return ErrorOf(error);
  return arrow::ImportSchema(&schema);
}

arrow::Status DriverStream::Next(ArrowArray& array) {
  const int error = stream_.get_next(&stream_, &array);
  return error == 0 ? arrow::Status::OK() : ErrorOf(error);
}

DriverStatement::~DriverStatement() {
  OwnedError ignored;
  if (statement_.private_data != nullptr) AdbcStatementRelease(&statement_, &ignored);
}

arrow::Status DriverStatement::SetOption(const std::string& name, const std::string& value) {
  OwnedError error;
  return ToStatus(AdbcStatementSetOption(&statement_, name.c_str(), value.c_str(), &error), error, *redaction_);
}

arrow::Result<std::shared_ptr<arrow::Schema>> DriverStatement::ExecuteSchema() {
  OwnedError error;
  ArrowSchema schema{};
  ARROW_RETURN_NOT_OK(ToStatus(AdbcStatementExecuteSchema(&statement_, &schema, &error), error, *redaction_));
  return arrow::ImportSchema(&schema);
}

arrow::Result<DriverStream> DriverStatement::ExecuteQuery() {
  OwnedError error;
  DriverStream stream;
  stream.redaction_ = redaction_;
  stream.in_process_ = in_process_;
  ARROW_RETURN_NOT_OK(
      ToStatus(AdbcStatementExecuteQuery(&statement_, &stream.stream_, nullptr, &error), error, *redaction_));
  return stream;
}

arrow::Result<std::int64_t> DriverStatement::ExecuteUpdate() {
  OwnedError error;
  std::int64_t rows = -1;
  ARROW_RETURN_NOT_OK(ToStatus(AdbcStatementExecuteQuery(&statement_, nullptr, &rows, &error), error, *redaction_));
  return rows;
}

arrow::Status DriverStatement::Bind(ArrowArrayStream* rows) {
  OwnedError error;
  auto status = ToStatus(AdbcStatementBindStream(&statement_, rows, &error), error, *redaction_);
  if (!status.ok() && rows->release != nullptr) rows->release(rows);
  return status;
}

arrow::Status DriverStatement::Cancel() {
  if (stop_ != nullptr) {
    *stop_ = true;
    return arrow::Status::OK();
  }
  OwnedError error;
  return ToStatus(AdbcStatementCancel(&statement_, &error), error, *redaction_);
}

arrow::Result<std::shared_ptr<DriverDatabase>> DriverDatabase::Open(const BackendSpec& spec, const std::string& library,
                                                                    const std::string& host) {
  std::shared_ptr<DriverDatabase> database(new DriverDatabase(spec));
  ARROW_RETURN_NOT_OK(database->Initialize(spec, library, host));
  if (library == kDuckdb) {
    ARROW_ASSIGN_OR_RAISE(const auto first, DriverConnection::Connect(database));
    for (const auto& statement : DuckdbLockDown()) ARROW_RETURN_NOT_OK(first->Run(statement));
  }
  return database;
}

arrow::Status DriverDatabase::SetOption(const std::string& name, const std::string& value) {
  OwnedError error;
  return ToStatus(AdbcDatabaseSetOption(&database_, name.c_str(), value.c_str(), &error), error, *redaction_);
}

arrow::Status DriverDatabase::InitializeLinked(const BackendSpec& spec, const std::string& name) {
  in_process_ = name == kDuckdb;
  auto options = spec.driver_options;
  if (in_process_) {
    ARROW_ASSIGN_OR_RAISE(options, DuckdbOptions(spec));
  } else {
    options.try_emplace("adbc.redis.timeout_ms", std::to_string(spec.statement_timeout.count()));
    options.try_emplace("adbc.redis.connect_timeout_ms",
                        std::to_string(std::min(spec.connect_timeout, kRedisWaitMax).count()));
  }
  OwnedError error;
  ARROW_RETURN_NOT_OK(ToStatus(
      AdbcDriverManagerDatabaseSetInitFunc(&database_, in_process_ ? duckdb_adbc_init : AdbcDriverRedisInit, &error),
      error, *redaction_));
  for (const auto& [option, value] : options) ARROW_RETURN_NOT_OK(SetOption(option, value));
  return ToStatus(AdbcDatabaseInit(&database_, &error), error, *redaction_);
}

arrow::Status DriverDatabase::Initialize(const BackendSpec& spec, const std::string& library, const std::string& host) {
  OwnedError error;
  ARROW_RETURN_NOT_OK(ToStatus(AdbcDatabaseNew(&database_, &error), error, *redaction_));
  if (library == kDuckdb || library == kRedis) return InitializeLinked(spec, library);
  if (!host.empty()) {
    ARROW_RETURN_NOT_OK(
        ToStatus(AdbcDriverManagerDatabaseSetInitFunc(&database_, IsolatedDriverInit, &error), error, *redaction_));
    ARROW_RETURN_NOT_OK(SetOption(kHostProgramOption, host));
    ARROW_RETURN_NOT_OK(SetOption(kHostWaitOption, std::to_string(spec.connect_timeout.count())));
  }
  ARROW_RETURN_NOT_OK(SetOption(host.empty() ? "driver" : kHostLibraryOption, library));
  if (!spec.entrypoint.empty()) {
    ARROW_RETURN_NOT_OK(SetOption(host.empty() ? "entrypoint" : kHostEntrypointOption, spec.entrypoint));
  }
  is_sqlite_ = host.empty() && IsSqliteDriver(library);
  const bool postgres = IsPostgres(library);
  auto options = spec.driver_options;
  if (spec.driver == "snowflake") {
    // The driver would repeat a request for nearly a minute, and wait for an answer for five.
    const std::string option = "adbc.snowflake.sql.client_option.";
    options.try_emplace(option + "request_timeout", std::to_string(spec.statement_timeout.count()) + "ms");
    options.try_emplace(option + "login_timeout", std::to_string(spec.connect_timeout.count()) + "ms");
    // The driver's default wraps a time that nanoseconds do not hold, its microseconds cut off those that they do.
    const std::string exact = "nanoseconds_error_on_overflow";
    if (options.try_emplace(option + "max_timestamp_precision", exact).first->second != exact) {
      return arrow::Status::Invalid("Option ", option, "max_timestamp_precision is '", exact,
                                    "' here: with another a TIMESTAMP may be changed on its way (leave it out)");
    }
    const auto precision = options.find(option + "use_high_precision");
    if (precision != options.end() && precision->second != ADBC_OPTION_VALUE_ENABLED) {
      return arrow::Status::Invalid("Option ", precision->first,
                                    " is 'true' here: without it a NUMBER becomes a float (leave it out)");
    }
  }
  for (const auto& [name, value] : options) {
    if (postgres && (name == "uri" || name == "username" || name == "password")) continue;
    ARROW_RETURN_NOT_OK(SetOption(name, value));
  }
  if (postgres) ARROW_RETURN_NOT_OK(SetOption("uri", CompletePostgresUri(spec)));
  return ToStatus(AdbcDatabaseInit(&database_, &error), error, *redaction_);
}

DriverDatabase::~DriverDatabase() {
  OwnedError ignored;
  if (database_.private_data != nullptr) AdbcDatabaseRelease(&database_, &ignored);
}

arrow::Result<std::unique_ptr<DriverConnection>> DriverConnection::Connect(std::shared_ptr<DriverDatabase> database) {
  std::unique_ptr<DriverConnection> connection(new DriverConnection(std::move(database)));
  auto& opened = *connection->database_;
  OwnedError error;
  ARROW_RETURN_NOT_OK(ToStatus(AdbcConnectionNew(&connection->connection_, &error), error, *opened.redaction_));
  ARROW_RETURN_NOT_OK(
      ToStatus(AdbcConnectionInit(&connection->connection_, &opened.database_, &error), error, *opened.redaction_));
  if (opened.is_sqlite_) connection->stop_ = InstallSqliteStop(connection->connection_);
  return connection;
}

DriverConnection::~DriverConnection() {
  OwnedError ignored;
  if (connection_.private_data != nullptr) AdbcConnectionRelease(&connection_, &ignored);
}

void DriverConnection::CutOff() {
  OwnedError ignored;
  AdbcConnectionCancel(&connection_, &ignored);
}

arrow::Result<std::unique_ptr<DriverStatement>> DriverConnection::MakeStatement() {
  std::unique_ptr<DriverStatement> statement(new DriverStatement());
  statement->redaction_ = database_->redaction_;
  statement->in_process_ = database_->in_process_;
  statement->stop_ = stop_;
  OwnedError error;
  ARROW_RETURN_NOT_OK(
      ToStatus(AdbcStatementNew(&connection_, &statement->statement_, &error), error, *database_->redaction_));
  return statement;
}

arrow::Result<std::unique_ptr<DriverStatement>> DriverConnection::Prepare(const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(auto statement, MakeStatement());
  OwnedError error;
  ARROW_RETURN_NOT_OK(
      ToStatus(AdbcStatementSetSqlQuery(&statement->statement_, sql.c_str(), &error), error, *database_->redaction_));
  return statement;
}

arrow::Status DriverConnection::Run(const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(const auto statement, Prepare(sql));
  return statement->ExecuteUpdate().status();
}

arrow::Status DriverConnection::Ask(const std::string& query) {
  ARROW_ASSIGN_OR_RAISE(const auto statement, Prepare(query));
  return statement->ExecuteQuery().status();
}

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> DriverConnection::Objects(int depth,
                                                                                          const NamedSchema* schema) {
  // A filter is a pattern, which at least matches itself, unless it has what takes the meaning of others away.
  const auto filter = [&](const std::string NamedSchema::* part) -> const char* {
    const bool none = schema == nullptr || (schema->*part).empty() || (schema->*part).contains('\\');
    return none ? nullptr : (schema->*part).c_str();
  };
  OwnedError error;
  ArrowArrayStream stream{};
  ARROW_RETURN_NOT_OK(
      ToStatus(AdbcConnectionGetObjects(&connection_, depth, filter(&NamedSchema::catalog), filter(&NamedSchema::name),
                                        nullptr, nullptr, nullptr, &stream, &error),
               error, *database_->redaction_));
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ImportRecordBatchReader(&stream));
  return reader->ToRecordBatches();
}

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> DriverConnection::Everything() {
  return Objects(ADBC_OBJECT_DEPTH_ALL, nullptr);
}

arrow::Result<std::vector<NamedSchema>> DriverConnection::Schemas() {
  ARROW_ASSIGN_OR_RAISE(const auto batches, Objects(ADBC_OBJECT_DEPTH_DB_SCHEMAS, nullptr));
  std::vector<NamedSchema> schemas;
  for (const auto& batch : batches) {
    ARROW_ASSIGN_OR_RAISE(auto found, SchemasIn(*batch));
    std::ranges::move(found, std::back_inserter(schemas));
  }
  return schemas;
}

arrow::Result<std::vector<NamedTable>> DriverConnection::Tables(const NamedSchema* schema) {
  ARROW_ASSIGN_OR_RAISE(const auto batches, Objects(ADBC_OBJECT_DEPTH_TABLES, schema));
  std::vector<NamedTable> tables;
  for (const auto& batch : batches) {
    ARROW_ASSIGN_OR_RAISE(auto found, TablesIn(*batch));
    std::ranges::move(found, std::back_inserter(tables));
  }
  if (schema != nullptr) std::erase_if(tables, [&](const auto& table) { return table.schema != *schema; });
  return tables;
}

arrow::Result<std::shared_ptr<arrow::Schema>> DriverConnection::TableSchema(const std::string& table) {
  OwnedError error;
  ArrowSchema schema{};
  ARROW_RETURN_NOT_OK(
      ToStatus(AdbcConnectionGetTableSchema(&connection_, nullptr, nullptr, table.c_str(), &schema, &error), error,
               *database_->redaction_));
  return arrow::ImportSchema(&schema);
}

arrow::Status DriverConnection::SetOption(const std::string& name, const std::string& value) {
  OwnedError error;
  return ToStatus(AdbcConnectionSetOption(&connection_, name.c_str(), value.c_str(), &error), error,
                  *database_->redaction_);
}

std::string DriverConnection::Option(const std::string& name) {
  OwnedError error;
  std::array<char, 256> value{};
  std::size_t length = value.size();
  if (AdbcConnectionGetOption(&connection_, name.c_str(), value.data(), &length, &error) != ADBC_STATUS_OK ||
      length > value.size()) {
    return {};
  }
  return value.data();
}

arrow::Status DriverConnection::Commit() {
  OwnedError error;
  return ToStatus(AdbcConnectionCommit(&connection_, &error), error, *database_->redaction_);
}

arrow::Status DriverConnection::Rollback() {
  OwnedError error;
  return ToStatus(AdbcConnectionRollback(&connection_, &error), error, *database_->redaction_);
}

std::string DriverConnection::ProductVersion() {
  const std::uint32_t code = ADBC_INFO_VENDOR_VERSION;
  OwnedError error;
  ArrowArrayStream stream{};
  if (AdbcConnectionGetInfo(&connection_, &code, 1, &stream, &error) != ADBC_STATUS_OK) return {};
  const auto reader = arrow::ImportRecordBatchReader(&stream);
  if (!reader.ok()) return {};
  const auto batch = (*reader)->Next();
  if (!batch.ok() || *batch == nullptr || (*batch)->num_rows() != 1 ||
      (*batch)->column(1)->type_id() != arrow::Type::DENSE_UNION) {
    return {};
  }
  const auto value = static_cast<const arrow::DenseUnionArray&>(*(*batch)->column(1)).GetScalar(0);
  if (!value.ok()) return {};
  const auto inner = static_cast<const arrow::UnionScalar&>(**value).child_value();
  if (inner->type->id() != arrow::Type::STRING || !inner->is_valid) return {};
  return inner->ToString();
}

DriverAbilities DriverConnection::Abilities() {
  DriverAbilities abilities;
  OwnedError error;
  AdbcStatement statement{};
  if (AdbcStatementNew(&connection_, &statement, &error) == ADBC_STATUS_OK) {
    abilities.cancels = stop_ != nullptr || AdbcStatementCancel(&statement, &error) != ADBC_STATUS_NOT_IMPLEMENTED;
    AdbcStatementRelease(&statement, &error);
  }
  ArrowArrayStream names{};
  if (AdbcConnectionGetStatisticNames(&connection_, &names, &error) == ADBC_STATUS_OK) abilities.statistics = true;
  if (names.release != nullptr) names.release(&names);
  return abilities;
}

}  // namespace hyprstream::backend
