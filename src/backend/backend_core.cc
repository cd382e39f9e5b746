#include "backend/backend_core.h"

#include <arrow/array/array_binary.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <random>
#include <utility>

#include "backend/connect_timeout.h"
#include "backend/duckdb_opening.h"

namespace hyprstream::backend {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLatenciesMax = 1'024;
constexpr milliseconds kBusyPoll{20};
constexpr milliseconds kIdlePoll{200};
constexpr milliseconds kSweepPeriod{1'000};
constexpr milliseconds kCheckTimeout{5'000};
constexpr milliseconds kConnectPatience{3'000};  // a driver ends its own waiting first, in whole seconds

class Session final : public PooledConnection {
 public:
  // `isolated`: the driver has a process of its own, and the socket is that one's.
  Session(std::unique_ptr<DriverConnection> connection, SocketId socket, bool isolated, const Dialect& dialect,
          StatementWatch& watch)
      : connection_(std::move(connection)), socket_(socket), isolated_(isolated), dialect_(dialect), watch_(watch) {}

  arrow::Status Check() override {
    ARROW_ASSIGN_OR_RAISE(const auto statement, connection_->Prepare(dialect_.CheckQuery()));
    BackgroundCancel cancel(*statement);
    const auto watched =
        watch_.Add({.cancel = [&] { cancel.Start(); }, .cancelled = {}, .abort = [&] { End(); }}, kCheckTimeout);
    watched->Enter();
    const auto status = statement->ExecuteUpdate().status();
    watched->Release();
    const bool answered = status.IsKeyError() || (dialect_.connects_late() && !IsConnectionFailure(status));
    return answered && watched->end() == WatchedStatement::End::kNone ? arrow::Status::OK() : status;
  }

  DriverConnection& connection() { return *connection_; }
  // Whoever waits in the driver sees the end of the connection.
  void End() const {
    if (isolated_) {
      connection_->CutOff();
    } else {
      ShutDownSocket(socket_);
    }
  }

 private:
  const std::unique_ptr<DriverConnection> connection_;
  const SocketId socket_;
  const bool isolated_;
  const Dialect& dialect_;
  StatementWatch& watch_;
};

// The rows of a short answer, all of them texts.
arrow::Result<TextRows> TextsOf(ArrowArray& array, const std::shared_ptr<arrow::Schema>& schema) {
  ARROW_ASSIGN_OR_RAISE(const auto batch, arrow::ImportRecordBatch(&array, schema));
  TextRows rows;
  for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
    TextRow texts;
    for (const auto& column : batch->columns()) {
      if (column->type_id() != arrow::Type::STRING) {
        return arrow::Status::Invalid("The catalog answered with ", column->type()->ToString());
      }
      const auto& values = static_cast<const arrow::StringArray&>(*column);
      texts.push_back(values.IsNull(row) ? std::nullopt : std::optional(values.GetString(row)));
    }
    rows.push_back(std::move(texts));
  }
  return rows;
}

PoolOptions PoolOptionsOf(const BackendSpec& spec) {
  return {.name = spec.name,
          .connections_max = spec.pool_max,
          .connections_min = spec.pool_min,
          .wait_max = spec.pool_wait,
          .idle_max = spec.idle_max,
          .life_max = spec.life_max};
}

arrow::Status WithName(const std::string& name, const arrow::Status& status) {
  return status.ok() ? status : status.WithMessage(name, ": ", status.message());
}

}  // namespace

RunningStatement::~RunningStatement() {
  if (!finished_) Finish(false);
}

void RunningStatement::Finish(bool reusable) {
  finished_ = true;
  if (watched_ != nullptr) watched_->Release();
  if (cancel_ != nullptr) {
    // Rows that nobody wants would else be read to their end.
    if (!reusable && !cancel_->was_sent()) cancel_->Start();
    cancel_->Finish();
  }
  if (!reusable && statement_ != nullptr) static_cast<const Session&>(lease_.connection()).End();
  stream_ = DriverStream();
  cancel_.reset();
  statement_.reset();
  if (reusable && !is_clients_) {
    lease_.Return();
  } else {
    lease_ = ConnectionPool::Lease();
  }
}

arrow::Status RunningStatement::Next(ArrowArray& array) {
  if (finished_) {
    array = {};
    return arrow::Status::OK();
  }
  watched_->Enter();
  auto status = stream_.Next(array);
  watched_->Leave();
  if (status.ok() && watched_->end() != WatchedStatement::End::kNone) {
    if (array.release != nullptr) array.release(&array);
    status = arrow::Status::Cancelled("");
  }
  if (status.ok() && array.release != nullptr) return status;
  Finish(status.ok());
  return core_.Explain(status, watched_.get());
}

BackendCore::BackendCore(BackendSpec spec, std::string library, std::unique_ptr<const Dialect> dialect,
                         std::shared_ptr<OpenFiles> files, std::string host)
    : spec_(std::move(spec)),
      library_(std::move(library)),
      dialect_(std::move(dialect)),
      files_(std::move(files)),
      host_(spec_.isolate ? std::move(host) : std::string()),
      breaker_({}, clock_, std::random_device{}()),
      watch_(clock_),
      pool_(
          PoolOptionsOf(spec_), [this] { return Connect(); }, clock_),
      watcher_([this] { Watch(); }),
      tender_([this] { Tend(); }) {
  pthread_setname_np(watcher_.native_handle(), "backend-watch");
  pthread_setname_np(tender_.native_handle(), "backend-tend");
}

BackendCore::~BackendCore() {
  Close();
  const auto end = [&](bool& stopped, std::thread& thread) {
    {
      MutexLock lock(mutex_);
      stopped = true;
      stop_.NotifyAll();
    }
    thread.join();
  };
  end(tending_stopped_, tender_);
  end(watching_stopped_, watcher_);  // it may have had to free the other one
}

arrow::Status BackendCore::Open() {
  const auto open = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Acquire({}));
    ARROW_RETURN_NOT_OK(AskVersion(lease.connection()));
    lease.Return();
    return arrow::Status::OK();
  };
  const auto status = open();
  if (!status.ok()) breaker_.Open();
  return WithName(spec_.name, status);
}

void BackendCore::Close() {
  watch_.Close();
  pool_.Close();
  std::shared_ptr<DriverDatabase> last;  // closed after the lock is given back
  MutexLock lock(mutex_);
  closed_ = true;
  last.swap(database_);
}

bool BackendCore::is_closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

arrow::Result<std::shared_ptr<DriverDatabase>> BackendCore::OpenDatabase() {
  {
    MutexLock lock(mutex_);
    const bool another = opening_;
    while (opening_) opening_ended_.Wait(mutex_);
    if (database_ != nullptr) return database_;
    if (closed_) return arrow::Status::Cancelled(spec_.name, " was detached");
    if (another) return opened_;
    opening_ = true;
  }
  auto database = OpenAnew();
  MutexLock lock(mutex_);
  opening_ = false;
  opened_ = database.status();
  if (database.ok() && !closed_) database_ = *database;
  opening_ended_.NotifyAll();
  return database;
}

arrow::Result<std::shared_ptr<DriverDatabase>> BackendCore::OpenAnew() {
  if (library_ != kDuckdb) return DriverDatabase::Open(spec_, library_, host_);
  ARROW_ASSIGN_OR_RAISE(const auto path, DuckdbFile(spec_));
  // The file is given back when nothing of its database is left.
  struct OpenFile {
    OpenFiles::Claim file;
    std::shared_ptr<DriverDatabase> database;
  };
  const auto open = std::make_shared<OpenFile>();
  ARROW_ASSIGN_OR_RAISE(open->file, files_->Take(path, spec_.name));
  ARROW_ASSIGN_OR_RAISE(open->database, DriverDatabase::Open(spec_, library_));
  return std::shared_ptr<DriverDatabase>(open, open->database.get());
}

arrow::Status BackendCore::BeginSession(DriverConnection& connection, SocketId socket) {
  // It has been let in; that is no promise that anything else is answered.
  const auto abort = [&] {
    if (host_.empty()) {
      ShutDownSocket(socket);
    } else {
      connection.CutOff();
    }
  };
  const auto watched = watch_.Add({.cancel = [] {}, .cancelled = {}, .abort = abort}, kCheckTimeout);
  watched->Enter();
  const auto run = [&]() -> arrow::Status {
    for (const auto& statement : dialect_->SessionStatements()) ARROW_RETURN_NOT_OK(connection.Run(statement));
    if (const auto own = dialect_->OwnQuery(); !own.empty()) ARROW_RETURN_NOT_OK(connection.Ask(own));
    if (!dialect_->connects_late()) return arrow::Status::OK();
    const auto answer = connection.Run(dialect_->CheckQuery());
    return IsConnectionFailure(answer) ? answer : arrow::Status::OK();
  };
  auto status = run();
  watched->Release();
  return status;
}

arrow::Result<std::unique_ptr<DriverConnection>> BackendCore::OpenConnection(ConnectedSocket& socket) {
  // A driver has a bound for connecting, but none for what it then asks the database by itself.
  const auto connecting = ConnectTimeoutOf(spec_);
  const auto limit = connecting + kConnectPatience;
  const auto is_overdue = [&] { return socket.age().value_or(milliseconds(0)) >= limit; };
  const auto cut = [&] {
    if (is_overdue() || is_closed()) socket.ShutDown();
  };
  const auto watched = watch_.Add({.cancel = cut, .cancelled = is_overdue}, spec_.connect_timeout);
  const auto open = [&]() -> arrow::Result<std::unique_ptr<DriverConnection>> {
    const NotesConnects noting(socket);
    ARROW_ASSIGN_OR_RAISE(auto database, OpenDatabase());
    return DriverConnection::Connect(std::move(database));
  };
  auto opened = open();
  watched->Release();
  if (!opened.ok() && watched->end() == WatchedStatement::End::kClosed) {
    return arrow::Status::Cancelled(spec_.name, " was detached while it was connected");
  }
  if (!opened.ok() && watched->end() == WatchedStatement::End::kCancelled) {
    return arrow::Status::IOError(
        "The database let the connection in and had not answered within the connect_timeout of ", connecting.count(),
        " ms");
  }
  return opened;
}

arrow::Status BackendCore::AskVersion(PooledConnection& connection) {
  auto& session = static_cast<Session&>(connection);
  const auto watched =
      watch_.Add({.cancel = [] {}, .cancelled = {}, .abort = [&session] { session.End(); }}, kCheckTimeout);
  watched->Enter();
  auto version = session.connection().ProductVersion();
  watched->Release();
  if (watched->end() != WatchedStatement::End::kNone) {
    return arrow::Status::IOError("The database let the connection in and had not said its version within ",
                                  kCheckTimeout.count(), " ms");
  }
  MutexLock lock(mutex_);
  version_ = std::move(version);
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<PooledConnection>> BackendCore::ConnectOnce() {
  ConnectedSocket socket(clock_);  // none of an isolated driver's
  ARROW_ASSIGN_OR_RAISE(auto connection, OpenConnection(socket));
  ARROW_RETURN_NOT_OK(BeginSession(*connection, socket.id()));
  return std::make_unique<Session>(std::move(connection), socket.id(), !host_.empty(), *dialect_, watch_);
}

arrow::Result<std::unique_ptr<PooledConnection>> BackendCore::Connect() {
  auto connection = ConnectOnce();
  if (!host_.empty() && IsConnectionFailure(connection.status())) {
    // The process of the driver may have ended; then another is started.
    const bool had_one = [&] {
      MutexLock lock(mutex_);
      return std::exchange(database_, nullptr) != nullptr;
    }();
    if (had_one) connection = ConnectOnce();
  }
  if (connection.ok()) {
    breaker_.Succeeded();
  } else {
    breaker_.Failed();
    NoteError(connection.status());
  }
  MutexLock lock(mutex_);
  reachable_ = connection.ok();
  return connection;
}

arrow::Status BackendCore::Unavailable() const {
  const auto pause = breaker_.pause();
  MutexLock lock(mutex_);
  return arrow::Status::IOError(spec_.name, " is unavailable", last_error_.empty() ? std::string() : ": " + last_error_,
                                " (it is tried again in ", pause.count(), " ms)");
}

void BackendCore::NoteError(const arrow::Status& status) {
  MutexLock lock(mutex_);
  ++errors_;
  last_error_ = status.message();
}

void BackendCore::NoteLatency(std::chrono::microseconds latency) {
  MutexLock lock(mutex_);
  if (latencies_.size() < kLatenciesMax) {
    latencies_.push_back(latency);
  } else {
    latencies_[latency_at_++ % kLatenciesMax] = latency;
  }
}

arrow::Status BackendCore::Explain(const arrow::Status& status, const WatchedStatement* watched) {
  if (status.ok()) return status;
  switch (watched == nullptr ? WatchedStatement::End::kNone : watched->end()) {
    case WatchedStatement::End::kCancelled:
      return arrow::Status::Cancelled("Cancelled while ", spec_.name, " answered");
    case WatchedStatement::End::kClosed:
      return arrow::Status::Cancelled(spec_.name, " was detached while it answered");
    case WatchedStatement::End::kTimedOut: {
      breaker_.TimedOut();
      auto late = arrow::Status::IOError(spec_.name, " had not answered within its statement_timeout of ",
                                         spec_.statement_timeout.count(), " ms");
      NoteError(late);
      return late;
    }
    case WatchedStatement::End::kNone:
      break;
  }
  if (status.IsCancelled()) return WithName(spec_.name, status);
  if (IsConnectionFailure(status)) pool_.Suspect();
  NoteError(status);
  return WithName(spec_.name, status);
}

arrow::Result<ConnectionPool::Lease> BackendCore::Lease(const Cancelled& cancelled) {
  if (!breaker_.is_closed()) return Unavailable();
  auto leased = pool_.Acquire(cancelled);
  if (leased.ok() || leased.status().IsCancelled() || leased.status().IsCapacityError()) return leased;
  return WithName(spec_.name, leased.status());
}

DriverConnection& BackendCore::ConnectionOf(const ConnectionPool::Lease& lease) {
  return static_cast<Session&>(lease.connection()).connection();
}

void BackendCore::Cut(const ConnectionPool::Lease& lease) { static_cast<const Session&>(lease.connection()).End(); }

void BackendCore::NoteStatement() {
  MutexLock lock(mutex_);
  ++statements_;
}

arrow::Result<std::unique_ptr<RunningStatement>> BackendCore::Prepare(const std::string& sql, Cancelled cancelled,
                                                                      Author author, Reads reads) {
  // Nothing has run yet: on a connection that turns out to be dead it is prepared anew, once.
  std::unique_ptr<RunningStatement> running;
  for (int attempt = 0; running == nullptr; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(auto leased, Lease(cancelled));
    auto statement = [&]() -> arrow::Result<std::unique_ptr<DriverStatement>> {
      auto& connection = ConnectionOf(leased);
      if (author == Author::kClient) {
        for (const auto& first : dialect_->PassedOnSession()) ARROW_RETURN_NOT_OK(connection.Run(first));
      }
      ARROW_ASSIGN_OR_RAISE(auto prepared, connection.Prepare(sql));
      const auto options = reads == Reads::kByKey ? dialect_->LookUpOptions() : dialect_->StatementOptions();
      for (const auto& [name, value] : options) {
        ARROW_RETURN_NOT_OK(prepared->SetOption(name, value));
      }
      return prepared;
    }();
    if (statement.ok()) {
      running.reset(new RunningStatement(*this, std::move(leased)));
      running->statement_ = std::move(statement).ValueUnsafe();
    } else if (attempt > 0 || leased.is_new() || !IsConnectionFailure(statement.status())) {
      return Explain(statement.status(), nullptr);
    } else {
      pool_.Suspect();
    }
  }
  auto& session = static_cast<Session&>(running->lease_.connection());
  running->cancel_ = std::make_unique<BackgroundCancel>(*running->statement_);
  running->watched_ = watch_.Add({.cancel = [cancel = running->cancel_.get()] { cancel->Start(); },
                                  .cancelled = std::move(cancelled),
                                  .abort = [&session] { session.End(); }},
                                 spec_.statement_timeout);
  return running;
}

arrow::Result<std::unique_ptr<RunningStatement>> BackendCore::Start(const std::string& sql, Cancelled cancelled,
                                                                    Author author, Reads reads) {
  NoteStatement();
  for (int attempt = 0;; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(auto running, Prepare(sql, cancelled, author, reads));
    running->is_clients_ = author == Author::kClient;
    const auto began = clock_.Now();
    running->watched_->Enter();
    const auto run = [&] {
      ARROW_ASSIGN_OR_RAISE(running->stream_, running->statement_->ExecuteQuery());
      return running->stream_.ReadSchema().Value(&running->schema_);
    };
    const auto status = run();
    running->watched_->Leave();
    if (status.ok()) {
      breaker_.Succeeded();
      NoteLatency(std::chrono::duration_cast<std::chrono::microseconds>(clock_.Now() - began));
      return running;
    }
    // Most likely it had died while it was idle.
    const bool stale = author == Author::kServer && attempt == 0 && IsConnectionFailure(status) &&
                       !running->lease_.is_new() && running->watched_->end() == WatchedStatement::End::kNone;
    const auto watched = running->watched_;
    running.reset();
    if (!stale) return Explain(status, watched.get());
    pool_.Suspect();
  }
}

arrow::Result<std::shared_ptr<arrow::Schema>> BackendCore::SchemaOf(const std::string& sql, Cancelled cancelled) {
  if (!dialect_->describes_statements()) {
    ARROW_ASSIGN_OR_RAISE(const auto running, Start(sql, cancelled, Author::kClient));
    return running->schema();
  }
  for (int attempt = 0;; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(auto running, Prepare(sql, cancelled, Author::kServer, Reads::kRows));
    running->watched_->Enter();
    auto schema = running->statement_->ExecuteSchema();
    running->watched_->Leave();
    if (schema.ok()) {
      running->Finish(true);
      return schema;
    }
    if (schema.status().IsNotImplemented()) {
      running->Finish(true);
      ARROW_ASSIGN_OR_RAISE(const auto run, Start(sql, cancelled, Author::kClient));
      return run->schema();
    }
    const bool stale = attempt == 0 && IsConnectionFailure(schema.status()) && !running->lease_.is_new();
    const auto watched = running->watched_;
    running.reset();
    if (!stale) return Explain(schema.status(), watched.get());
    pool_.Suspect();
  }
}

arrow::Result<TextRows> BackendCore::ReadTexts(const std::string& sql, Author author) {
  ARROW_ASSIGN_OR_RAISE(const auto running, Start(sql, {}, author));
  return AllTexts(*running);
}

arrow::Result<TextRows> BackendCore::AllTexts(StatementRows& running) {
  TextRows rows;
  while (true) {
    ArrowArray array{};
    ARROW_RETURN_NOT_OK(running.Next(array));
    if (array.release == nullptr) return rows;
    ARROW_ASSIGN_OR_RAISE(auto more, TextsOf(array, running.schema()));
    std::ranges::move(more, std::back_inserter(rows));
  }
}

template <class Ask>
auto BackendCore::AskDriver(const Ask& ask) -> decltype(ask(std::declval<DriverConnection&>())) {
  for (int attempt = 0;; ++attempt) {
    if (!breaker_.is_closed()) return Unavailable();
    auto lease = pool_.Acquire({});
    if (!lease.ok()) return WithName(spec_.name, lease.status());
    auto& session = static_cast<Session&>(lease->connection());
    const auto watched =
        watch_.Add({.cancel = [] {}, .cancelled = {}, .abort = [&session] { session.End(); }}, spec_.statement_timeout);
    watched->Enter();
    auto answer = ask(session.connection());
    watched->Release();
    if (answer.ok() || answer.status().IsKeyError()) {
      breaker_.Succeeded();
      lease->Return();
      return answer.ok() ? std::move(answer) : WithName(spec_.name, answer.status());
    }
    const bool stale = attempt == 0 && IsConnectionFailure(answer.status()) && !lease->is_new() &&
                       watched->end() == WatchedStatement::End::kNone;
    if (!stale) return Explain(answer.status(), watched.get());
    pool_.Suspect();
  }
}

arrow::Result<std::map<std::string, NamedSchema>> BackendCore::ReadSchemas() {
  return AskDriver([](DriverConnection& connection) -> arrow::Result<std::map<std::string, NamedSchema>> {
    ARROW_ASSIGN_OR_RAISE(const auto schemas, connection.Schemas());
    return NamesOf(schemas, connection.Option(ADBC_CONNECTION_OPTION_CURRENT_CATALOG));
  });
}

arrow::Result<std::vector<NamedTable>> BackendCore::ReadTables(const NamedSchema* schema) {
  return AskDriver([&](DriverConnection& connection) { return connection.Tables(schema); });
}

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> BackendCore::ReadKeys() {
  return AskDriver([](DriverConnection& connection) { return connection.Everything(); });
}

arrow::Result<std::shared_ptr<arrow::Schema>> BackendCore::ReadTableSchema(const std::string& table) {
  return AskDriver([&](DriverConnection& connection) { return connection.TableSchema(table); });
}

arrow::Result<DriverAbilities> BackendCore::Abilities() {
  auto lease = pool_.Acquire({});
  if (!lease.ok()) return WithName(spec_.name, lease.status());
  const auto abilities = static_cast<Session&>(lease->connection()).connection().Abilities();
  lease->Return();
  return abilities;
}

BackendInfo BackendCore::info() const {
  const auto counts = pool_.counts();
  const auto breaker = breaker_.state();
  BackendInfo info{.name = spec_.name,
                   .driver = spec_.driver,
                   .driver_version = {},
                   .target = Describe(spec_),
                   .state = BackendState::kUnavailable,
                   .breaker = std::string(ToString(breaker)),
                   .pool_in_use = counts.in_use,
                   .pool_idle = counts.idle,
                   .statements = 0,
                   .errors = 0,
                   .latency_p50 = {},
                   .latency_p99 = {},
                   .last_error = {}};
  MutexLock lock(mutex_);
  info.driver_version = version_;
  if (reachable_ && breaker == Breaker::State::kClosed) info.state = BackendState::kAvailable;
  info.statements = statements_;
  info.errors = errors_;
  info.last_error = last_error_;
  if (!latencies_.empty()) {
    auto sorted = latencies_;
    std::ranges::sort(sorted);
    info.latency_p50 = sorted[sorted.size() / 2];
    info.latency_p99 = sorted[sorted.size() * 99 / 100];
  }
  return info;
}

void BackendCore::Probe() {
  // The connection closes the breaker, or opens it for longer.
  auto connection = Connect();
  // One that says none is noted as a failure by whoever asks it for more.
  if (connection.ok()) static_cast<void>(AskVersion(**connection));
}

void BackendCore::Watch() {
  while (true) {
    watch_.Poll();
    MutexLock lock(mutex_);
    if (watching_stopped_) return;
    stop_.WaitUntil(mutex_, clock_.Now() + (watch_.empty() ? kIdlePoll : kBusyPoll));
    if (watching_stopped_) return;
  }
}

void BackendCore::Tend() {
  auto sweep_at = clock_.Now() + kSweepPeriod;
  while (true) {
    if (breaker_.BeginProbe()) Probe();
    if (clock_.Now() >= sweep_at) {
      // What it says of connections that cannot be made has been noted where they were tried.
      if (breaker_.is_closed()) static_cast<void>(pool_.Sweep());
      sweep_at = clock_.Now() + kSweepPeriod;
    }
    MutexLock lock(mutex_);
    if (tending_stopped_) return;
    stop_.WaitUntil(mutex_, clock_.Now() + kIdlePoll);
    if (tending_stopped_) return;
  }
}

}  // namespace hyprstream::backend
