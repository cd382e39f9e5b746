#include "driver_objects.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "failure.h"

namespace adbc_redis {
namespace {

arrow::Status UnknownOption(const std::string& name) {
  return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "Unknown option: " + name + " (docs/redis_driver.md lists the options)");
}

arrow::Result<int64_t> Number(const std::string& name, const std::string& value, int64_t least, int64_t most) {
  int64_t number = 0;
  const char* const end = value.data() + value.size();
  if (std::from_chars(value.data(), end, number) != std::from_chars_result{end, std::errc()} || number < least ||
      number > most) {
    return Fail(ADBC_STATUS_INVALID_ARGUMENT,
                name + " takes a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

arrow::Result<bool> Boolean(const std::string& name, const std::string& value) {
  if (value == ADBC_OPTION_VALUE_ENABLED) return true;
  if (value == ADBC_OPTION_VALUE_DISABLED) return false;
  return Fail(ADBC_STATUS_INVALID_ARGUMENT, name + " takes true or false");
}

}  // namespace

arrow::Result<bool> TransferOptions::Set(const std::string& name, const std::string& value) {
  if (name == "adbc.redis.batch_rows") {
    ARROW_ASSIGN_OR_RAISE(batch_rows, Number(name, value, 1, 10'000'000));
  } else if (name == "adbc.redis.pipeline_rows") {
    ARROW_ASSIGN_OR_RAISE(pipeline_rows, Number(name, value, 1, 100'000));
  } else if (name == "adbc.redis.replace_grace_ms") {
    ARROW_ASSIGN_OR_RAISE(replace_grace_ms, Number(name, value, 0, 86'400'000));
  } else if (name == "adbc.redis.transaction_bytes_max") {
    ARROW_ASSIGN_OR_RAISE(transaction_bytes_max, Number(name, value, 1, 900'000'000));
  } else {
    return false;
  }
  return true;
}

arrow::Status Database::SetOption(const std::string& name, const std::string& value) {
  if (initialized_)
    return Fail(ADBC_STATUS_INVALID_STATE, "Options of a database must be set before it is initialized: " + name);
  ARROW_RETURN_NOT_OK(Apply(name, value));
  options_[name] = value;
  return arrow::Status::OK();
}

arrow::Status Database::Apply(const std::string& name, const std::string& value) {
  if (name == ADBC_OPTION_URI) {
    ServerAddress probe;
    return ReadUri(value, probe);  // applied first at Init(), so that other options win
  }
  if (name == ADBC_OPTION_USERNAME) {
    address_.username = value;
  } else if (name == ADBC_OPTION_PASSWORD) {
    address_.password = value;
  } else if (name == "adbc.redis.db") {
    ARROW_ASSIGN_OR_RAISE(const int64_t number, Number(name, value, 0, 1'000'000));
    address_.database = static_cast<int>(number);
  } else if (name == "adbc.redis.prefix") {
    ARROW_RETURN_NOT_OK(Tables::CheckPrefix(value));
    prefix_ = value;
  } else if (name == "adbc.redis.timeout_ms") {
    ARROW_ASSIGN_OR_RAISE(address_.timeout_ms, Number(name, value, 1, 86'400'000));
  } else if (name == "adbc.redis.connect_timeout_ms") {
    ARROW_ASSIGN_OR_RAISE(address_.connect_timeout_ms, Number(name, value, 1, 3'600'000));
  } else if (name == "adbc.redis.tls") {
    ARROW_ASSIGN_OR_RAISE(address_.tls, Boolean(name, value));
  } else if (name == "adbc.redis.tls.verify") {
    ARROW_ASSIGN_OR_RAISE(address_.tls_verify, Boolean(name, value));
  } else if (name == "adbc.redis.tls.ca_file") {
    address_.tls_ca_file = value;
  } else if (name == "adbc.redis.tls.cert_file") {
    address_.tls_cert_file = value;
  } else if (name == "adbc.redis.tls.key_file") {
    address_.tls_key_file = value;
  } else {
    ARROW_ASSIGN_OR_RAISE(const bool known, transfer_.Set(name, value));
    if (!known) return UnknownOption(name);
  }
  return arrow::Status::OK();
}

arrow::Result<std::string> Database::GetOption(const std::string& name) const {
  const auto found = options_.find(name);
  if (found == options_.end() || name == ADBC_OPTION_PASSWORD || name == ADBC_OPTION_URI) {
    return Fail(ADBC_STATUS_NOT_FOUND, "Option " + name + " is not set, or not shown because it may hold a password");
  }
  return found->second;
}

arrow::Status Database::Init() {
  if (initialized_) return Fail(ADBC_STATUS_INVALID_STATE, "The database is initialized already");
  const auto uri = options_.find(ADBC_OPTION_URI);
  if (uri == options_.end()) {
    return Fail(ADBC_STATUS_INVALID_STATE, "Option uri is missing: set it to redis://:password@host:port/database");
  }
  address_ = {};
  ARROW_RETURN_NOT_OK(ReadUri(uri->second, address_));
  for (const auto& [name, value] : options_) {
    if (name != ADBC_OPTION_URI) ARROW_RETURN_NOT_OK(Apply(name, value));
  }
  initialized_ = true;
  return arrow::Status::OK();
}

Connection::~Connection() {
  if (transaction_ != nullptr) (void)transaction_->Rollback(*tables_);
}

arrow::Status Connection::SetOption(const std::string& name, const std::string& value) {
  if (name == ADBC_CONNECTION_OPTION_AUTOCOMMIT) {
    ARROW_ASSIGN_OR_RAISE(const bool on, Boolean(name, value));
    return SetAutocommit(on);
  }
  ARROW_ASSIGN_OR_RAISE(const bool known, transfer_.Set(name, value));
  return known ? arrow::Status::OK() : UnknownOption(name);
}

arrow::Result<std::string> Connection::GetOption(const std::string& name) const {
  if (name == ADBC_CONNECTION_OPTION_AUTOCOMMIT) {
    return autocommit_ ? ADBC_OPTION_VALUE_ENABLED : ADBC_OPTION_VALUE_DISABLED;
  }
  if (name == ADBC_CONNECTION_OPTION_CURRENT_CATALOG || name == ADBC_CONNECTION_OPTION_CURRENT_DB_SCHEMA) return "";
  return Fail(ADBC_STATUS_NOT_FOUND, "Unknown option: " + name);
}

arrow::Status Connection::Init(const Database& database) {
  if (!database.is_initialized()) return Fail(ADBC_STATUS_INVALID_STATE, "The database is not initialized");
  if (tables_) return Fail(ADBC_STATUS_INVALID_STATE, "The connection is initialized already");
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Wire> wire, Wire::Connect(database.address()));
  tables_.emplace(std::move(wire), database.prefix());
  transfer_ = database.transfer();
  if (!autocommit_) transaction_ = std::make_shared<Transaction>(tables_->wire(), transfer_.transaction_bytes_max);
  return arrow::Status::OK();
}

// Turned on, it commits what is open.
arrow::Status Connection::SetAutocommit(bool on) {
  if (on == autocommit_) return arrow::Status::OK();
  if (on && transaction_ != nullptr) ARROW_RETURN_NOT_OK(Commit());
  transaction_.reset();
  if (!on && tables_) {
    transaction_ = std::make_shared<Transaction>(tables_->wire(), transfer_.transaction_bytes_max);
  }
  autocommit_ = on;
  return arrow::Status::OK();
}

arrow::Status Connection::CheckTransaction() const {
  if (transaction_ != nullptr) return arrow::Status::OK();
  return Fail(ADBC_STATUS_INVALID_STATE, "There is no transaction: turn autocommit off first");
}

arrow::Status Connection::Commit() {
  ARROW_RETURN_NOT_OK(CheckTransaction());
  return transaction_->Commit(*tables_);
}

arrow::Status Connection::Rollback() {
  ARROW_RETURN_NOT_OK(CheckTransaction());
  return transaction_->Rollback(*tables_);
}

arrow::Result<Tables> Connection::tables() const {
  if (!tables_) return Fail(ADBC_STATUS_INVALID_STATE, "The connection is not initialized");
  return tables_->Within(transaction_);
}

std::shared_ptr<CancelFlag> Connection::NewCancelFlag() {
  auto flag = std::make_shared<CancelFlag>();
  const std::scoped_lock lock(mutex_);
  std::erase_if(flags_, [](const std::weak_ptr<CancelFlag>& other) { return other.expired(); });
  flags_.push_back(flag);
  return flag;
}

void Connection::Cancel() {
  const std::scoped_lock lock(mutex_);
  for (const std::weak_ptr<CancelFlag>& weak : flags_) {
    if (const std::shared_ptr<CancelFlag> flag = weak.lock()) flag->Set();
  }
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> Connection::Info(std::span<const uint32_t> codes) const {
  ARROW_ASSIGN_OR_RAISE(const Tables tables, this->tables());
  ARROW_ASSIGN_OR_RAISE(const Reply reply, tables.wire()->Run({"INFO", "server"}));
  const std::string_view text = TextOf(*reply);
  const auto line = [&](std::string_view name) {
    const size_t at = text.find("\n" + std::string(name) + ":");
    if (at == std::string_view::npos) return std::string();
    const size_t start = at + name.size() + 2;
    return std::string(text.substr(start, text.find('\r', start) - start));
  };
  const std::string valkey = line("valkey_version");
  return valkey.empty() ? InfoBatch(codes, "Redis", line("redis_version")) : InfoBatch(codes, "Valkey", valkey);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> Connection::Objects(const ObjectsFilter& filter) const {
  ARROW_ASSIGN_OR_RAISE(const Tables tables, this->tables());
  return ObjectsBatch(tables, filter);
}

arrow::Result<std::shared_ptr<arrow::Schema>> Connection::TableSchema(const std::string& name) const {
  ARROW_ASSIGN_OR_RAISE(const Tables tables, this->tables());
  ARROW_ASSIGN_OR_RAISE(const Table table, tables.Load(name));
  std::unordered_map<std::string, std::string> roles;
  if (table.has_key()) roles["adbc.redis.primary_key"] = table.present_field();
  if (table.time >= 0) roles["adbc.redis.time"] = table.schema->field(table.time)->name();
  return table.schema->WithMetadata(arrow::key_value_metadata(roles));
}

arrow::Status Statement::SetIngestOption(const std::string& name, const std::string& value) {
  static const std::map<std::string, IngestMode> kModes = {
      {ADBC_INGEST_OPTION_MODE_CREATE, IngestMode::kCreate},
      {ADBC_INGEST_OPTION_MODE_APPEND, IngestMode::kAppend},
      {ADBC_INGEST_OPTION_MODE_REPLACE, IngestMode::kReplace},
      {ADBC_INGEST_OPTION_MODE_CREATE_APPEND, IngestMode::kCreateAppend}};
  IngestTarget target = ingest_.value_or(IngestTarget{});
  if (name == ADBC_INGEST_OPTION_TARGET_TABLE) {
    target.table = value;
    query_.reset();
  } else if (name == ADBC_INGEST_OPTION_MODE) {
    const auto mode = kModes.find(value);
    if (mode == kModes.end()) return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "Unknown ingest mode: " + value);
    target.mode = mode->second;
  } else if (name == "adbc.redis.ingest.primary_key") {
    target.key = value;
  } else if (name == "adbc.redis.ingest.time") {
    target.time = value;
  } else if (name == "adbc.redis.ingest.retention") {
    ARROW_ASSIGN_OR_RAISE(target.retention_ms, sql::ReadDuration(value));
  } else if (name == "adbc.redis.ingest.on_conflict") {
    static const std::map<std::string, RowRule> kRules = {{"replace", RowRule::kReplace},
                                                          {"error", RowRule::kRefuse},
                                                          {"nothing", RowRule::kKeep},
                                                          {"update", RowRule::kMerge}};
    const auto rule = kRules.find(value);
    if (rule == kRules.end()) {
      return Fail(ADBC_STATUS_INVALID_ARGUMENT, name + " takes replace, error, nothing or update");
    }
    target.rule = rule->second;
  } else if (name == "adbc.redis.ingest.updated") {
    const auto names = nlohmann::json::parse(value, nullptr, false);
    const bool good = names.is_array() && std::ranges::all_of(names, &nlohmann::json::is_string);
    if (!good) return Fail(ADBC_STATUS_INVALID_ARGUMENT, name + " takes names of columns as a JSON array of strings");
    target.updated = names.get<std::vector<std::string>>();
  } else if (name == ADBC_INGEST_OPTION_TEMPORARY && value == ADBC_OPTION_VALUE_DISABLED) {
    return arrow::Status::OK();
  } else if ((name == ADBC_INGEST_OPTION_TARGET_CATALOG || name == ADBC_INGEST_OPTION_TARGET_DB_SCHEMA) &&
             (value.empty() || value == "main")) {
    return arrow::Status::OK();
  } else {
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED,
                "This driver has no catalogs, schemas and temporary tables: leave " + name + " out");
  }
  ingest_ = std::move(target);
  return arrow::Status::OK();
}

arrow::Status Statement::SetOption(const std::string& name, const std::string& value) {
  if (name.starts_with("adbc.ingest.") || name.starts_with("adbc.redis.ingest.")) return SetIngestOption(name, value);
  if (name == ADBC_STATEMENT_OPTION_INCREMENTAL && value == ADBC_OPTION_VALUE_DISABLED) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const bool known, transfer_.Set(name, value));
  return known ? arrow::Status::OK() : UnknownOption(name);
}

arrow::Result<std::string> Statement::GetOption(const std::string& name) const {
  if (name == "adbc.redis.batch_rows") return std::to_string(transfer_.batch_rows);
  if (name == "adbc.redis.pipeline_rows") return std::to_string(transfer_.pipeline_rows);
  if (name == "adbc.redis.replace_grace_ms") return std::to_string(transfer_.replace_grace_ms);
  return Fail(ADBC_STATUS_NOT_FOUND, "Unknown option: " + name);
}

arrow::Status Statement::SetQuery(const std::string& text) {
  query_.reset();
  ingest_.reset();
  ARROW_ASSIGN_OR_RAISE(query_, sql::Parse(text));
  return arrow::Status::OK();
}

arrow::Result<const sql::Statement*> Statement::Query() const {
  if (!query_)
    return Fail(ADBC_STATUS_INVALID_STATE,
                "The statement has no query: set one, or the option adbc.ingest.target_table");
  return &*query_;
}

arrow::Status Statement::Prepare() {
  ARROW_ASSIGN_OR_RAISE(const sql::Statement* query, Query());
  if (std::holds_alternative<sql::Select>(query->command)) return ExecuteSchema().status();
  return Parameters().status();
}

arrow::Result<std::shared_ptr<arrow::Schema>> Statement::ExecuteSchema() {
  ARROW_ASSIGN_OR_RAISE(const sql::Statement* query, Query());
  const auto* select = std::get_if<sql::Select>(&query->command);
  if (select == nullptr) return arrow::schema({});
  ARROW_ASSIGN_OR_RAISE(const Tables tables, connection_.tables());
  ARROW_ASSIGN_OR_RAISE(Table table, tables.Load(select->table));
  ARROW_ASSIGN_OR_RAISE(const SelectPlan plan,
                        SelectPlan::Make(*select, std::make_shared<const Table>(std::move(table))));
  return plan.schema;
}

arrow::Result<std::shared_ptr<arrow::Schema>> Statement::Parameters() {
  ARROW_ASSIGN_OR_RAISE(const sql::Statement* query, Query());
  ARROW_ASSIGN_OR_RAISE(const Tables tables, connection_.tables());
  std::string name;
  if (const auto* select = std::get_if<sql::Select>(&query->command)) name = select->table;
  if (const auto* insert = std::get_if<sql::Insert>(&query->command)) name = insert->table;
  if (const auto* removal = std::get_if<sql::Delete>(&query->command)) name = removal->table;
  if (const auto* update = std::get_if<sql::Update>(&query->command)) name = update->table;
  if (name.empty()) return ParameterSchema(*query, nullptr);
  ARROW_ASSIGN_OR_RAISE(const Table table, tables.Load(name));
  return ParameterSchema(*query, &table);
}

arrow::Result<int64_t> Statement::Change(const Tables& tables, const sql::Statement& query, const CancelFlag* cancel) {
  const ChangeOptions options{
      .pipeline_rows = transfer_.pipeline_rows, .replace_grace_ms = transfer_.replace_grace_ms, .cancel = cancel};
  if (const auto* create = std::get_if<sql::CreateTable>(&query.command)) {
    ARROW_RETURN_NOT_OK(RunCreate(tables, *create));
    return -1;
  }
  if (const auto* drop = std::get_if<sql::DropTable>(&query.command)) {
    ARROW_RETURN_NOT_OK(RunDrop(tables, *drop));
    return -1;
  }
  const std::unique_ptr<BoundRows> bound = query.parameters > 0 ? std::move(bound_) : nullptr;
  if (std::holds_alternative<sql::Insert>(query.command)) return RunInsert(tables, query, bound.get(), options);
  if (std::holds_alternative<sql::Update>(query.command)) return RunUpdate(tables, query, bound.get(), options);
  return RunDelete(tables, query, bound.get(), options);
}

arrow::Result<int64_t> Statement::Ingest(const Tables& tables, const CancelFlag* cancel) {
  if (ingest_->table.empty()) {
    return Fail(ADBC_STATUS_INVALID_STATE, "Ingest needs the option adbc.ingest.target_table");
  }
  if (bound_ == nullptr) return Fail(ADBC_STATUS_INVALID_STATE, "Ingest needs rows: bind a batch or a stream first");
  const std::unique_ptr<BoundRows> bound = std::move(bound_);
  const ChangeOptions options{
      .pipeline_rows = transfer_.pipeline_rows, .replace_grace_ms = transfer_.replace_grace_ms, .cancel = cancel};
  return RunIngest(tables, *ingest_, *bound, options);
}

arrow::Result<Statement::Outcome> Statement::Execute() {
  ARROW_ASSIGN_OR_RAISE(Tables tables, connection_.tables());
  const std::shared_ptr<CancelFlag> cancel = connection_.NewCancelFlag();
  {
    const std::scoped_lock lock(mutex_);
    cancel_ = cancel;
  }
  Outcome outcome;
  const sql::Statement* query = nullptr;
  if (!ingest_) {
    ARROW_ASSIGN_OR_RAISE(query, Query());
  }
  if (query != nullptr && std::holds_alternative<sql::Select>(query->command)) {
    const ReadOptions options{.batch_rows = transfer_.batch_rows, .pipeline_rows = transfer_.pipeline_rows};
    std::unique_ptr<BoundRows> bound = query->parameters > 0 ? std::move(bound_) : nullptr;
    ARROW_ASSIGN_OR_RAISE(outcome.stream,
                          SelectStream::Make(std::move(tables), *query, std::move(bound), options, cancel));
    return outcome;
  }
  const auto changed = query == nullptr ? Ingest(tables, cancel.get()) : Change(tables, *query, cancel.get());
  if (!changed.ok()) connection_.NoteFailedChange();
  ARROW_ASSIGN_OR_RAISE(outcome.rows, changed);
  return outcome;
}

void Statement::Cancel() {
  const std::scoped_lock lock(mutex_);
  if (cancel_ != nullptr) cancel_->Set();
}

}  // namespace adbc_redis
