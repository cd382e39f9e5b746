#include "backend/driver_host.h"

#include <arrow-adbc/adbc_driver_manager.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "backend/driver.h"
#include "backend/host_protocol.h"
#include "backend/host_rows.h"
#include "backend/sqlite_stop.h"
#include "base/mutex.h"

namespace hyprstream::backend {
namespace {

struct Failure : AdbcError {
  Failure() : AdbcError{} { vendor_code = ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA; }
  ~Failure() {
    if (release != nullptr) release(this);
  }
  Failure(const Failure&) = delete;
  Failure& operator=(const Failure&) = delete;

  std::string Written() const {
    return WriteError(MessageOf(*this), std::string_view(sqlstate, strnlen(sqlstate, sizeof(sqlstate))));
  }
};

struct Reply {
  AdbcStatusCode code = ADBC_STATUS_OK;
  std::string body;
};

Reply ReplyOf(AdbcStatusCode code, const Failure& failure, std::string body = {}) {
  return {.code = code, .body = code == ADBC_STATUS_OK ? std::move(body) : failure.Written()};
}

Reply Refused(const arrow::Status& status) {
  return {.code = ADBC_STATUS_INVALID_DATA, .body = WriteError(status.message(), "")};
}

Reply Written(const arrow::Result<std::string>& bytes) {
  return bytes.ok() ? Reply{.code = ADBC_STATUS_OK, .body = *bytes} : Refused(bytes.status());
}

Reply SchemaReply(AdbcStatusCode code, const Failure& failure, ArrowSchema* schema) {
  if (code != ADBC_STATUS_OK) return ReplyOf(code, failure);
  const auto imported = arrow::ImportSchema(schema);
  return imported.ok() ? Written(WriteBatch(*imported, nullptr)) : Refused(imported.status());
}

// A short answer in one batch.
Reply WholeReply(AdbcStatusCode code, const Failure& failure, ArrowArrayStream* stream) {
  if (code != ADBC_STATUS_OK) return ReplyOf(code, failure);
  const auto whole = [&]() -> arrow::Result<std::string> {
    ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ImportRecordBatchReader(stream));
    ARROW_ASSIGN_OR_RAISE(const auto table, reader->ToTable());
    ARROW_ASSIGN_OR_RAISE(const auto batch, table->CombineChunksToBatch());
    return WriteBatch(table->schema(), batch);
  };
  return Written(whole());
}

struct HostedStatement {
  AdbcStatement statement{};

  HostedStatement() = default;
  ~HostedStatement() {
    Failure ignored;
    if (statement.private_data != nullptr) AdbcStatementRelease(&statement, &ignored);
  }
  HostedStatement(const HostedStatement&) = delete;
  HostedStatement& operator=(const HostedStatement&) = delete;
};

struct HostedDatabase {
  AdbcDatabase database{};
  bool is_sqlite = false;
};

// One connection and its one statement. Serve() in a thread of its own; Cancel() from any.
class HostedConnection {
 public:
  HostedConnection(HostedDatabase& database, HostSocket socket) : database_(database), socket_(std::move(socket)) {}

  // To the end of the socket.
  void Serve() {
    Failure failure;
    AdbcConnectionNew(&connection_, &failure);
    while (true) {
      const auto frame = socket_.Receive();
      if (!frame.ok()) break;
      const auto reply = Answer(static_cast<HostCall>(frame->kind), HostBodyReader(frame->body));
      if (!socket_.Send(reply.code, reply.body).ok()) break;
    }
    ReleaseStatement();
    AdbcConnectionRelease(&connection_, &failure);
  }

  // Late, it is not for the next one.
  void Cancel(std::int64_t statement) {
    MutexLock lock(mutex_);
    Failure ignored;
    if (statement_ == nullptr || statement != statements_) return;
    AdbcStatementCancel(&statement_->statement, &ignored);
    if (stop_ != nullptr) *stop_ = true;  // the connection is used for nothing else after a cancel
  }

 private:
  Reply Answer(HostCall call, HostBodyReader body) {
    Failure failure;
    switch (call) {
      case HostCall::kInit: {
        const auto code = AdbcConnectionInit(&connection_, &database_.database, &failure);
        if (code == ADBC_STATUS_OK && database_.is_sqlite) stop_ = InstallSqliteStop(connection_);
        return ReplyOf(code, failure);
      }
      case HostCall::kSetConnectionOption: {
        const auto name = body.Text().ValueOr("");
        const auto value = body.Text().ValueOr("");
        return ReplyOf(AdbcConnectionSetOption(&connection_, name.c_str(), value.c_str(), &failure), failure);
      }
      case HostCall::kGetInfo: {
        const auto code = static_cast<std::uint32_t>(body.Number().ValueOr(0));
        ArrowArrayStream stream{};
        return WholeReply(AdbcConnectionGetInfo(&connection_, &code, 1, &stream, &failure), failure, &stream);
      }
      case HostCall::kGetObjects: {
        const auto depth = static_cast<int>(body.Number().ValueOr(0));
        const auto catalog = body.Maybe().ValueOr(std::nullopt);
        const auto schema = body.Maybe().ValueOr(std::nullopt);
        const auto given = [](const std::optional<std::string>& text) { return text ? text->c_str() : nullptr; };
        ArrowArrayStream stream{};
        return WholeReply(AdbcConnectionGetObjects(&connection_, depth, given(catalog), given(schema), nullptr, nullptr,
                                                   nullptr, &stream, &failure),
                          failure, &stream);
      }
      case HostCall::kCommit:
        return ReplyOf(AdbcConnectionCommit(&connection_, &failure), failure);
      case HostCall::kRollback:
        return ReplyOf(AdbcConnectionRollback(&connection_, &failure), failure);
      case HostCall::kGetConnectionOption:
        return Option(body.Text().ValueOr(""));
      case HostCall::kGetTableSchema: {
        ArrowSchema schema{};
        const auto table = body.Text().ValueOr("");
        return SchemaReply(
            AdbcConnectionGetTableSchema(&connection_, nullptr, nullptr, table.c_str(), &schema, &failure), failure,
            &schema);
      }
      default:
        return AnswerOfStatement(call, body);
    }
  }

  Reply Option(const std::string& name) {
    Failure failure;
    std::array<char, 1'024> value{};
    std::size_t length = value.size();
    const auto code = AdbcConnectionGetOption(&connection_, name.c_str(), value.data(), &length, &failure);
    if (code == ADBC_STATUS_OK && length > value.size()) {
      return {.code = ADBC_STATUS_INVALID_DATA, .body = WriteError("The value of the option is too long", "")};
    }
    return ReplyOf(code, failure, std::string(value.data(), length == 0 ? 0 : length - 1));
  }

  Reply AnswerOfStatement(HostCall call, HostBodyReader& body) {
    Failure failure;
    if (call == HostCall::kMakeStatement) return MakeStatement();
    if (call == HostCall::kPrepare) return Prepare(body.Text().ValueOr(""));
    if (call == HostCall::kRelease) {
      ReleaseStatement();
      return {};
    }
    if (call == HostCall::kNext) return Next();
    auto* statement = Statement();
    if (statement == nullptr) {
      return {.code = ADBC_STATUS_INVALID_STATE, .body = WriteError("There is no statement", "")};
    }
    switch (call) {
      case HostCall::kSetStatementOption: {
        const auto name = body.Text().ValueOr("");
        const auto value = body.Text().ValueOr("");
        return ReplyOf(AdbcStatementSetOption(statement, name.c_str(), value.c_str(), &failure), failure);
      }
      case HostCall::kBind:
        return Bind(statement, body.Text().ValueOr(""));
      case HostCall::kExecuteSchema: {
        ArrowSchema schema{};
        return SchemaReply(AdbcStatementExecuteSchema(statement, &schema, &failure), failure, &schema);
      }
      case HostCall::kExecuteUpdate: {
        std::int64_t rows = -1;
        rows_->Open(socket_);
        const auto code = AdbcStatementExecuteQuery(statement, nullptr, &rows, &failure);
        rows_->Close();
        return ReplyOf(code, failure, HostBody().Number(rows).bytes());
      }
      case HostCall::kExecuteQuery:
        return Execute(statement);
      default:
        return {.code = ADBC_STATUS_NOT_IMPLEMENTED, .body = WriteError("The host knows no such call", "")};
    }
  }

  Reply MakeStatement() {
    ReleaseStatement();
    Failure failure;
    auto hosted = std::make_unique<HostedStatement>();
    const auto code = AdbcStatementNew(&connection_, &hosted->statement, &failure);
    MutexLock lock(mutex_);
    ++statements_;
    if (code != ADBC_STATUS_OK) return ReplyOf(code, failure);
    statement_ = std::move(hosted);
    return {};
  }

  Reply Prepare(const std::string& sql) {
    auto made = MakeStatement();
    if (made.code != ADBC_STATUS_OK) return made;
    Failure failure;
    return ReplyOf(AdbcStatementSetSqlQuery(Statement(), sql.c_str(), &failure), failure);
  }

  Reply Bind(AdbcStatement* statement, const std::string& schema) {
    ArrowArrayStream rows{};
    const auto take = [&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto columns, ReadSchemaOf(schema));
      return rows_->Export(columns, &rows);
    };
    if (const auto taken = take(); !taken.ok()) return Refused(taken);
    Failure failure;
    const auto code = AdbcStatementBindStream(statement, &rows, &failure);
    if (code != ADBC_STATUS_OK && rows.release != nullptr) rows.release(&rows);
    return ReplyOf(code, failure);
  }

  Reply Execute(AdbcStatement* statement) {
    Failure failure;
    ReleaseStream();
    const auto code = AdbcStatementExecuteQuery(statement, &stream_, nullptr, &failure);
    if (code != ADBC_STATUS_OK) return ReplyOf(code, failure);
    ArrowSchema schema{};
    if (const int error = stream_.get_schema(&stream_, &schema); error != 0) return StreamFailure(error);
    const auto imported = arrow::ImportSchema(&schema);
    if (!imported.ok()) return Refused(imported.status());
    schema_ = *imported;
    return Written(WriteBatch(schema_, nullptr));
  }

  Reply Next() {
    if (stream_.release == nullptr) {
      return {.code = ADBC_STATUS_INVALID_STATE, .body = WriteError("There are no rows to read", "")};
    }
    ArrowArray array{};
    if (const int error = stream_.get_next(&stream_, &array); error != 0) return StreamFailure(error);
    if (array.release == nullptr) return {};
    const auto batch = arrow::ImportRecordBatch(&array, schema_);
    return batch.ok() ? Written(WriteBatch(schema_, *batch)) : Refused(batch.status());
  }

  Reply StreamFailure(int error) {
    AdbcStatusCode code = ADBC_STATUS_OK;
    if (const auto* details = AdbcErrorFromArrayStream(&stream_, &code); details != nullptr && code != ADBC_STATUS_OK) {
      const std::string_view sqlstate(details->sqlstate, strnlen(details->sqlstate, sizeof(details->sqlstate)));
      return {.code = code, .body = WriteError(MessageOf(*details), sqlstate)};
    }
    const char* text = stream_.get_last_error == nullptr ? nullptr : stream_.get_last_error(&stream_);
    return {.code = static_cast<AdbcStatusCode>(error == ECANCELED ? ADBC_STATUS_CANCELLED
                                                : error == EINVAL  ? ADBC_STATUS_INVALID_DATA
                                                                   : ADBC_STATUS_IO),
            .body = WriteError(text == nullptr ? std::strerror(error) : text, "")};
  }

  void ReleaseStream() {
    if (stream_.release != nullptr) stream_.release(&stream_);
    stream_ = {};
  }

  void ReleaseStatement() {
    ReleaseStream();
    MutexLock lock(mutex_);
    statement_.reset();
  }

  // For the connection's own thread, which alone makes and releases it; null: there is none.
  AdbcStatement* Statement() {
    MutexLock lock(mutex_);
    return statement_ == nullptr ? nullptr : &statement_->statement;
  }

  HostedDatabase& database_;
  const HostSocket socket_;
  AdbcConnection connection_{};
  std::shared_ptr<std::atomic<bool>> stop_;  // sqlite_stop.h; before its first statement
  ArrowArrayStream stream_{};
  std::shared_ptr<arrow::Schema> schema_;
  const std::shared_ptr<RowsLine> rows_ = std::make_shared<RowsLine>();
  Mutex mutex_;  // held while a statement is cancelled: it is not released meanwhile
  std::unique_ptr<HostedStatement> statement_ GUARDED_BY(mutex_);
  std::int64_t statements_ GUARDED_BY(mutex_) = 0;  // so far
};

Reply Open(HostedDatabase& hosted, HostBodyReader body) {
  auto& database = hosted.database;
  const auto open = [&]() -> arrow::Result<Reply> {
    Failure failure;
    ARROW_ASSIGN_OR_RAISE(const auto library, body.Text());
    ARROW_ASSIGN_OR_RAISE(const auto entrypoint, body.Text());
    ARROW_ASSIGN_OR_RAISE(const auto options, body.Number());
    AdbcStatusCode code = AdbcDatabaseNew(&database, &failure);
    const auto set = [&](const std::string& name, const std::string& value) {
      if (code == ADBC_STATUS_OK) code = AdbcDatabaseSetOption(&database, name.c_str(), value.c_str(), &failure);
    };
    hosted.is_sqlite = IsSqliteDriver(library);
    set("driver", library);
    if (!entrypoint.empty()) set("entrypoint", entrypoint);
    for (std::int64_t i = 0; i < options; ++i) {
      ARROW_ASSIGN_OR_RAISE(const auto name, body.Text());
      ARROW_ASSIGN_OR_RAISE(const auto value, body.Text());
      set(name, value);
    }
    if (code == ADBC_STATUS_OK) code = AdbcDatabaseInit(&database, &failure);
    return ReplyOf(code, failure);
  };
  auto reply = open();
  return reply.ok() ? std::move(reply).ValueUnsafe() : Refused(reply.status());
}

}  // namespace

int RunDriverHost() {
  struct stat control{};
  if (fstat(kHostControlDescriptor, &control) != 0 || !S_ISSOCK(control.st_mode)) {
    std::fputs("hyprstream: driver-host is started by the server, not by hand\n", stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);  // before a driver may take it over
  const HostSocket socket(kHostControlDescriptor);
  HostedDatabase database;  // its connections' threads use it until _exit(): nothing returns from here on
  std::map<std::int64_t, std::shared_ptr<HostedConnection>> connections;
  while (true) {
    auto frame = socket.Receive();
    if (!frame.ok()) break;
    HostBodyReader body(frame->body);
    switch (static_cast<HostCall>(frame->kind)) {
      case HostCall::kOpen: {
        const auto reply = Open(database, body);
        if (!socket.Send(reply.code, reply.body).ok()) _exit(0);
        break;
      }
      case HostCall::kConnect: {
        std::erase_if(connections, [](const auto& entry) { return entry.second.use_count() == 1; });
        auto connection = std::make_shared<HostedConnection>(database, HostSocket(frame->descriptor));
        connections[body.Number().ValueOr(0)] = connection;
        std::thread([connection = std::move(connection)] { connection->Serve(); }).detach();
        break;
      }
      case HostCall::kCancel: {
        const auto found = connections.find(body.Number().ValueOr(0));
        const auto statement = body.Number().ValueOr(0);
        if (found == connections.end()) break;
        // It may wait for the database, and nobody else's is to wait for it.
        std::thread([cancelled = found->second, statement] { cancelled->Cancel(statement); }).detach();
        break;
      }
      default:
        break;
    }
  }
  _exit(0);
}

}  // namespace hyprstream::backend
