#include "backend/isolated_driver.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/host_protocol.h"
#include "backend/host_rows.h"
#include "base/mutex.h"

extern char** environ;

namespace hyprstream::backend {
namespace {

AdbcStatusCode Fail(AdbcStatusCode code, std::string_view message, AdbcError* error) {
  ReadError(WriteError(message, ""), error);
  return code;
}

AdbcStatusCode FailOf(const arrow::Status& status, AdbcError* error) {
  return Fail(status.IsIOError() ? ADBC_STATUS_IO : ADBC_STATUS_INVALID_DATA, status.message(), error);
}

// The environment without the server's own settings, which have secrets.
std::vector<char*> EnvironmentOfHost() {
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with("HYPRSTREAM_")) environment.push_back(*entry);
  }
  environment.push_back(nullptr);
  return environment;
}

// No descriptor of the server's but its end of the control socket, no signal blocked, a group of its own: an interrupt
// from a terminal is the server's to answer.
arrow::Result<pid_t> Spawn(const std::string& program, const HostSocket& control) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  posix_spawn_file_actions_adddup2(&actions, control.descriptor(), kHostControlDescriptor);
  posix_spawn_file_actions_addclosefrom_np(&actions, kHostControlDescriptor + 1);
  std::string name = "hyprstream";
  std::string command = "driver-host";
  std::vector<char*> argv = {name.data(), command.data(), nullptr};
  auto environment = EnvironmentOfHost();
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return arrow::Status::IOError("The process of the driver was not started: ", std::strerror(failed));
  return pid;
}

// Behind AdbcDatabase.
class HostProcess {
 public:
  HostProcess(HostSocket control, std::chrono::milliseconds wait) : control_(std::move(control)), wait_(wait) {}
  // Its connections are released.
  ~HostProcess() {
    if (pid_ <= 0) return;
    control_.ShutDown();
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  static arrow::Result<std::shared_ptr<HostProcess>> Start(const std::string& program, std::chrono::milliseconds wait) {
    ARROW_ASSIGN_OR_RAISE(auto pair, HostSocket::MakePair());
    auto process = std::make_shared<HostProcess>(std::move(pair.first), wait);
    ARROW_ASSIGN_OR_RAISE(process->pid_, Spawn(program, pair.second));
    return process;
  }

  arrow::Result<HostFrame> Open(const std::string& body) {
    MutexLock lock(mutex_);
    ARROW_RETURN_NOT_OK(control_.Send(static_cast<std::uint32_t>(HostCall::kOpen), body));
    if (!control_.Await(wait_)) return Late("opened its database");
    return control_.Receive();
  }

  std::chrono::milliseconds wait() const { return wait_; }
  arrow::Status Late(std::string_view what) const {
    return arrow::Status::IOError("The driver had not ", what, " within its connect_timeout of ", wait_.count(), " ms");
  }

  // The number of a new connection, whose other end goes to the process.
  arrow::Result<std::int64_t> Connect(const HostSocket& theirs) {
    MutexLock lock(mutex_);
    const auto number = ++connections_;
    ARROW_RETURN_NOT_OK(control_.Send(static_cast<std::uint32_t>(HostCall::kConnect), HostBody().Number(number).bytes(),
                                      theirs.descriptor()));
    return number;
  }

  arrow::Status Cancel(std::int64_t connection, std::int64_t statement) {
    MutexLock lock(mutex_);
    return control_.Send(static_cast<std::uint32_t>(HostCall::kCancel),
                         HostBody().Number(connection).Number(statement).bytes());
  }

 private:
  const HostSocket control_;
  const std::chrono::milliseconds wait_;
  pid_t pid_ = -1;
  Mutex mutex_;  // held while a frame is sent, and while the database is opened
  std::int64_t connections_ GUARDED_BY(mutex_) = 0;
};

struct Database {
  std::map<std::string, std::string> options;
  std::shared_ptr<HostProcess> process;
};

// Calls for which a caller's statement_timeout is not running.
bool IsShort(HostCall call) {
  switch (call) {
    case HostCall::kCommit:
    case HostCall::kRollback:
    case HostCall::kExecuteSchema:
    case HostCall::kExecuteUpdate:
    case HostCall::kExecuteQuery:
    case HostCall::kNext:
    case HostCall::kGetObjects:
    case HostCall::kGetTableSchema:
      return false;
    default:
      return true;
  }
}

struct Connection {
  std::map<std::string, std::string> options;  // until Init
  std::shared_ptr<HostProcess> process;
  std::unique_ptr<HostSocket> socket;
  std::int64_t number = 0;
  std::int64_t statements = 0;    // so far
  std::unique_ptr<FedRows> rows;  // that its statement has bound

  // The reply's body; false: `code` and `error` say why not.
  bool Call(HostCall call, std::string_view body, std::string& reply, AdbcStatusCode& code, AdbcError* error) const {
    if (socket == nullptr) {
      code = Fail(ADBC_STATUS_INVALID_STATE, "The connection is not initialized", error);
      return false;
    }
    auto frame = [&]() -> arrow::Result<HostFrame> {
      ARROW_RETURN_NOT_OK(socket->Send(static_cast<std::uint32_t>(call), body));
      if (IsShort(call) && !socket->Await(process->wait())) {
        socket->ShutDown();  // the reply would be taken for that of the next call
        return process->Late(call == HostCall::kInit ? "connected" : "answered");
      }
      while (true) {
        ARROW_ASSIGN_OR_RAISE(auto received, socket->Receive());
        if (received.kind != kRowsWanted) return received;
        if (rows == nullptr)
          return arrow::Status::IOError("The process of the driver asks for rows that it was not given");
        ARROW_RETURN_NOT_OK(rows->Answer(*socket));
      }
    }();
    if (!frame.ok()) {
      code = FailOf(frame.status(), error);
      return false;
    }
    if (frame->descriptor >= 0) close(frame->descriptor);
    code = static_cast<AdbcStatusCode>(frame->kind);
    if (code != ADBC_STATUS_OK) ReadError(frame->body, error);
    reply = std::move(frame->body);
    return code == ADBC_STATUS_OK;
  }
  AdbcStatusCode Call(HostCall call, std::string_view body, AdbcError* error) const {
    std::string ignored;
    AdbcStatusCode code = ADBC_STATUS_OK;
    Call(call, body, ignored, code, error);
    return code;
  }
};

struct Statement {
  Connection* connection = nullptr;
  std::int64_t number = 0;  // of those of the connection; 0: the process does not have it yet

  bool made() const { return number != 0; }
  // With its SQL, or before its first option.
  AdbcStatusCode Make(HostCall call, std::string_view body, AdbcError* error) {
    number = ++connection->statements;
    connection->rows.reset();
    return connection->Call(call, body, error);
  }
};

template <class Object, class Handle>
Object& ObjectOf(Handle* handle) {
  return *static_cast<Object*>(handle->private_data);
}

template <class Object, class Handle>
AdbcStatusCode ReleaseObject(Handle* handle, AdbcError*) {
  delete static_cast<Object*>(handle->private_data);
  handle->private_data = nullptr;
  return ADBC_STATUS_OK;
}

AdbcStatusCode DatabaseNew(AdbcDatabase* database, AdbcError*) {
  database->private_data = new Database();
  return ADBC_STATUS_OK;
}

AdbcStatusCode DatabaseSetOption(AdbcDatabase* database, const char* name, const char* value, AdbcError*) {
  ObjectOf<Database>(database).options[name] = value == nullptr ? "" : value;
  return ADBC_STATUS_OK;
}

AdbcStatusCode DatabaseInit(AdbcDatabase* handle, AdbcError* error) {
  auto& database = ObjectOf<Database>(handle);
  const auto take = [&](const char* name) {
    const auto node = database.options.extract(name);
    return node.empty() ? std::string() : node.mapped();
  };
  std::int64_t wait_ms = 0;
  const auto wait = take(kHostWaitOption);
  std::from_chars(wait.data(), wait.data() + wait.size(), wait_ms);
  auto process = HostProcess::Start(take(kHostProgramOption), std::chrono::milliseconds(wait_ms));
  if (!process.ok()) return FailOf(process.status(), error);
  HostBody body;
  body.Text(take(kHostLibraryOption)).Text(take(kHostEntrypointOption));
  body.Number(static_cast<std::int64_t>(database.options.size()));
  for (const auto& [name, value] : database.options) body.Text(name).Text(value);
  database.options.clear();
  const auto reply = (*process)->Open(body.bytes());
  if (!reply.ok()) return FailOf(reply.status(), error);
  if (reply->kind != ADBC_STATUS_OK) {
    ReadError(reply->body, error);
    return static_cast<AdbcStatusCode>(reply->kind);
  }
  database.process = *process;
  return ADBC_STATUS_OK;
}

AdbcStatusCode ConnectionNew(AdbcConnection* connection, AdbcError*) {
  connection->private_data = new Connection();
  return ADBC_STATUS_OK;
}

AdbcStatusCode ConnectionSetOption(AdbcConnection* handle, const char* name, const char* value, AdbcError* error) {
  auto& connection = ObjectOf<Connection>(handle);
  if (connection.socket == nullptr) {
    connection.options[name] = value == nullptr ? "" : value;
    return ADBC_STATUS_OK;
  }
  return connection.Call(HostCall::kSetConnectionOption,
                         HostBody().Text(name).Text(value == nullptr ? "" : value).bytes(), error);
}

AdbcStatusCode ConnectionInit(AdbcConnection* handle, AdbcDatabase* database, AdbcError* error) {
  auto& connection = ObjectOf<Connection>(handle);
  connection.process = ObjectOf<Database>(database).process;
  const auto connect = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto pair, HostSocket::MakePair());
    ARROW_ASSIGN_OR_RAISE(connection.number, connection.process->Connect(pair.second));
    connection.socket = std::make_unique<HostSocket>(std::move(pair.first));
    return arrow::Status::OK();
  };
  if (const auto connected = connect(); !connected.ok()) return FailOf(connected, error);
  for (const auto& [name, value] : connection.options) {
    const auto code = connection.Call(HostCall::kSetConnectionOption, HostBody().Text(name).Text(value).bytes(), error);
    if (code != ADBC_STATUS_OK) return code;
  }
  return connection.Call(HostCall::kInit, {}, error);
}

AdbcStatusCode ConnectionCancel(AdbcConnection* handle, AdbcError*) {
  const auto& connection = ObjectOf<Connection>(handle);
  if (connection.socket != nullptr) connection.socket->ShutDown();
  return ADBC_STATUS_OK;
}

// One batch as a stream of its own.
AdbcStatusCode GiveBatch(const Connection& connection, HostCall call, const HostBody& body, ArrowArrayStream* out,
                         AdbcError* error) {
  std::string reply;
  AdbcStatusCode code = ADBC_STATUS_OK;
  if (!connection.Call(call, body.bytes(), reply, code, error)) return code;
  const auto give = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto batch, ReadBatchOf(std::move(reply)));
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make({batch}, batch->schema()));
    return arrow::ExportRecordBatchReader(std::move(reader), out);
  };
  const auto given = give();
  return given.ok() ? ADBC_STATUS_OK : FailOf(given, error);
}

AdbcStatusCode ConnectionGetInfo(AdbcConnection* handle, const std::uint32_t* codes, std::size_t count,
                                 ArrowArrayStream* out, AdbcError* error) {
  if (count != 1) return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "One piece of information at a time", error);
  return GiveBatch(ObjectOf<Connection>(handle), HostCall::kGetInfo, HostBody().Number(codes[0]), out, error);
}

AdbcStatusCode ConnectionGetOption(AdbcConnection* handle, const char* name, char* value, std::size_t* length,
                                   AdbcError* error) {
  std::string reply;
  AdbcStatusCode code = ADBC_STATUS_OK;
  if (!ObjectOf<Connection>(handle).Call(HostCall::kGetConnectionOption, HostBody().Text(name).bytes(), reply, code,
                                         error)) {
    return code;
  }
  const std::size_t needed = reply.size() + 1;
  if (needed <= *length) std::memcpy(value, reply.c_str(), needed);
  *length = needed;
  return ADBC_STATUS_OK;
}

// Of all tables and columns; the filters of the driver within are patterns.
AdbcStatusCode ConnectionGetObjects(AdbcConnection* handle, int depth, const char* catalog, const char* schema,
                                    const char* table, const char** types, const char* column, ArrowArrayStream* out,
                                    AdbcError* error) {
  if (table != nullptr || types != nullptr || column != nullptr) {
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "Objects are filtered by catalog and schema only", error);
  }
  return GiveBatch(ObjectOf<Connection>(handle), HostCall::kGetObjects,
                   HostBody().Number(depth).Maybe(catalog).Maybe(schema), out, error);
}

AdbcStatusCode ConnectionCommit(AdbcConnection* handle, AdbcError* error) {
  const auto& connection = ObjectOf<Connection>(handle);
  // No reply is due: what can be read is the end.
  if (connection.socket != nullptr && connection.socket->Await(std::chrono::milliseconds(0))) {
    ReadError(
        WriteError("The process of the driver has ended before COMMIT was sent; nothing of the transaction was kept",
                   "08003"),
        error);
    return ADBC_STATUS_IO;
  }
  return connection.Call(HostCall::kCommit, {}, error);
}

AdbcStatusCode ConnectionRollback(AdbcConnection* connection, AdbcError* error) {
  return ObjectOf<Connection>(connection).Call(HostCall::kRollback, {}, error);
}

AdbcStatusCode GiveSchema(const Connection& connection, HostCall call, const HostBody& body, ArrowSchema* out,
                          AdbcError* error) {
  std::string reply;
  AdbcStatusCode code = ADBC_STATUS_OK;
  if (!connection.Call(call, body.bytes(), reply, code, error)) return code;
  const auto schema = ReadSchemaOf(reply);
  const auto given = schema.ok() ? arrow::ExportSchema(**schema, out) : schema.status();
  return given.ok() ? ADBC_STATUS_OK : FailOf(given, error);
}

AdbcStatusCode ConnectionGetTableSchema(AdbcConnection* handle, const char*, const char*, const char* table,
                                        ArrowSchema* schema, AdbcError* error) {
  return GiveSchema(ObjectOf<Connection>(handle), HostCall::kGetTableSchema, HostBody().Text(table), schema, error);
}

AdbcStatusCode StatementNew(AdbcConnection* connection, AdbcStatement* statement, AdbcError*) {
  statement->private_data = new Statement{.connection = &ObjectOf<Connection>(connection)};
  return ADBC_STATUS_OK;
}

AdbcStatusCode StatementRelease(AdbcStatement* statement, AdbcError* error) {
  auto& released = ObjectOf<Statement>(statement);
  if (released.made()) {
    // A statement that is gone with its process has nothing to release.
    static_cast<void>(released.connection->Call(HostCall::kRelease, {}, nullptr));
    released.connection->rows.reset();
  }
  return ReleaseObject<Statement>(statement, error);
}

AdbcStatusCode StatementSetSqlQuery(AdbcStatement* statement, const char* sql, AdbcError* error) {
  auto& prepared = ObjectOf<Statement>(statement);
  if (prepared.made()) return Fail(ADBC_STATUS_INVALID_STATE, "A statement takes its SQL before anything else", error);
  return prepared.Make(HostCall::kPrepare, HostBody().Text(sql).bytes(), error);
}

// One without SQL.
AdbcStatusCode MakeStatement(Statement& statement, AdbcError* error) {
  return statement.made() ? ADBC_STATUS_OK : statement.Make(HostCall::kMakeStatement, {}, error);
}

AdbcStatusCode StatementSetOption(AdbcStatement* statement, const char* name, const char* value, AdbcError* error) {
  auto& set = ObjectOf<Statement>(statement);
  if (const auto code = MakeStatement(set, error); code != ADBC_STATUS_OK) return code;
  return set.connection->Call(HostCall::kSetStatementOption,
                              HostBody().Text(name).Text(value == nullptr ? "" : value).bytes(), error);
}

AdbcStatusCode StatementBindStream(AdbcStatement* statement, ArrowArrayStream* stream, AdbcError* error) {
  auto& bound = ObjectOf<Statement>(statement);
  if (const auto code = MakeStatement(bound, error); code != ADBC_STATUS_OK) return code;
  auto rows = FedRows::Make(stream);
  const auto schema = rows.ok() ? (*rows)->Schema() : rows.status();
  if (!schema.ok()) return FailOf(schema.status(), error);
  const auto code = bound.connection->Call(HostCall::kBind, HostBody().Text(*schema).bytes(), error);
  if (code == ADBC_STATUS_OK) bound.connection->rows = std::move(rows).ValueUnsafe();
  return code;
}

AdbcStatusCode StatementExecuteSchema(AdbcStatement* statement, ArrowSchema* schema, AdbcError* error) {
  return GiveSchema(*ObjectOf<Statement>(statement).connection, HostCall::kExecuteSchema, {}, schema, error);
}

AdbcStatusCode StatementCancel(AdbcStatement* statement, AdbcError* error) {
  const auto& cancelled = ObjectOf<Statement>(statement);
  const auto sent = cancelled.connection->process->Cancel(cancelled.connection->number, cancelled.number);
  return sent.ok() ? ADBC_STATUS_OK : FailOf(sent, error);
}

// Rows batch by batch, as they are asked for.
struct Rows {
  const Connection* connection = nullptr;
  std::shared_ptr<arrow::Schema> schema;
  AdbcStatusCode code = ADBC_STATUS_OK;
  AdbcError error{};

  ~Rows() {
    if (error.release != nullptr) error.release(&error);
  }

  static int GetSchema(ArrowArrayStream* stream, ArrowSchema* out) {
    return arrow::ExportSchema(*static_cast<Rows*>(stream->private_data)->schema, out).ok() ? 0 : EINVAL;
  }
  static int GetNext(ArrowArrayStream* stream, ArrowArray* out) {
    auto& rows = *static_cast<Rows*>(stream->private_data);
    *out = {};
    if (rows.code != ADBC_STATUS_OK) return EIO;
    std::string reply;
    if (!rows.connection->Call(HostCall::kNext, {}, reply, rows.code, &rows.error)) return EIO;
    if (reply.empty()) return 0;
    const auto batch = ReadBatchOf(std::move(reply), rows.schema.get());
    const auto given = batch.ok() ? arrow::ExportRecordBatch(**batch, out) : batch.status();
    if (given.ok()) return 0;
    rows.code = FailOf(given, &rows.error);
    return EINVAL;
  }
  static const char* GetLastError(ArrowArrayStream* stream) {
    return static_cast<Rows*>(stream->private_data)->error.message;
  }
  static void Release(ArrowArrayStream* stream) {
    delete static_cast<Rows*>(stream->private_data);
    stream->private_data = nullptr;
    stream->release = nullptr;
  }
};

const AdbcError* ErrorFromArrayStream(ArrowArrayStream* stream, AdbcStatusCode* code) {
  if (stream->release != Rows::Release) return nullptr;
  const auto& rows = *static_cast<Rows*>(stream->private_data);
  if (rows.code == ADBC_STATUS_OK) return nullptr;
  *code = rows.code;
  return &rows.error;
}

AdbcStatusCode StatementExecuteQuery(AdbcStatement* handle, ArrowArrayStream* out, std::int64_t* rows_affected,
                                     AdbcError* error) {
  const auto& connection = *ObjectOf<Statement>(handle).connection;
  std::string reply;
  AdbcStatusCode code = ADBC_STATUS_OK;
  if (!connection.Call(out == nullptr ? HostCall::kExecuteUpdate : HostCall::kExecuteQuery, {}, reply, code, error)) {
    return code;
  }
  if (rows_affected != nullptr) *rows_affected = -1;
  if (out == nullptr) {
    if (rows_affected != nullptr) *rows_affected = HostBodyReader(reply).Number().ValueOr(-1);
    return ADBC_STATUS_OK;
  }
  const auto schema = ReadSchemaOf(reply);
  if (!schema.ok()) return FailOf(schema.status(), error);
  *out = {.get_schema = Rows::GetSchema,
          .get_next = Rows::GetNext,
          .get_last_error = Rows::GetLastError,
          .release = Rows::Release,
          .private_data = new Rows{.connection = &connection, .schema = *schema}};
  return ADBC_STATUS_OK;
}

}  // namespace

AdbcStatusCode IsolatedDriverInit(int version, void* raw, AdbcError* error) {
  if (version != ADBC_VERSION_1_1_0) return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "Only ADBC 1.1", error);
  auto& driver = *static_cast<AdbcDriver*>(raw);
  driver = {};
  driver.DatabaseNew = DatabaseNew;
  driver.DatabaseSetOption = DatabaseSetOption;
  driver.DatabaseInit = DatabaseInit;
  driver.DatabaseRelease = ReleaseObject<Database, AdbcDatabase>;
  driver.ConnectionNew = ConnectionNew;
  driver.ConnectionSetOption = ConnectionSetOption;
  driver.ConnectionInit = ConnectionInit;
  driver.ConnectionRelease = ReleaseObject<Connection, AdbcConnection>;
  driver.ConnectionCancel = ConnectionCancel;
  driver.ConnectionCommit = ConnectionCommit;
  driver.ConnectionRollback = ConnectionRollback;
  driver.ConnectionGetInfo = ConnectionGetInfo;
  driver.ConnectionGetOption = ConnectionGetOption;
  driver.ConnectionGetObjects = ConnectionGetObjects;
  driver.ConnectionGetTableSchema = ConnectionGetTableSchema;
  driver.StatementNew = StatementNew;
  driver.StatementRelease = StatementRelease;
  driver.StatementSetSqlQuery = StatementSetSqlQuery;
  driver.StatementSetOption = StatementSetOption;
  driver.StatementBindStream = StatementBindStream;
  driver.StatementExecuteSchema = StatementExecuteSchema;
  driver.StatementExecuteQuery = StatementExecuteQuery;
  driver.StatementCancel = StatementCancel;
  driver.ErrorFromArrayStream = ErrorFromArrayStream;
  return ADBC_STATUS_OK;
}

}  // namespace hyprstream::backend
