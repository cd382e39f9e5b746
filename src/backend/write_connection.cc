#include "backend/write_connection.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/byte_size.h>

#include <deque>
#include <optional>

#include "backend/background_cancel.h"

namespace hyprstream::backend {
namespace {

// `connection_does_not_exist`: what was asked was not sent.
constexpr const char* kNoConnectionState = "08003";

// Has the database answered that it has not committed?
bool RefusesCommit(const Dialect& dialect, const arrow::Status& committed) {
  if (dialect.begins_by_statement()) {  // what it answers to a statement has a state; the driver's of class 08 are none
    const auto state = SqlStateOf(committed);
    return !state.empty() && !state.starts_with("08");
  }
  const auto* writing = dialect.writing();
  return writing == nullptr ? !IsConnectionFailure(committed) : writing->IsRefusal(committed);
}

// What the driver takes its rows from. Waiting for the source is not waiting for the database.
class WatchedSource final : public arrow::RecordBatchReader {
 public:
  WatchedSource(std::shared_ptr<arrow::RecordBatchReader> rows, std::shared_ptr<WatchedStatement> watched)
      : rows_(std::move(rows)), watched_(std::move(watched)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    batch->reset();
    if (!status_.ok()) return status_;
    watched_->Leave();
    status_ = rows_->ReadNext(batch);
    // A query that fails looks cancelled to the watch for a moment.
    failed_ = !status_.ok() && (!status_.IsCancelled() || watched_->end() == WatchedStatement::End::kNone);
    watched_->Enter();
    if (status_.ok() && watched_->end() != WatchedStatement::End::kNone) status_ = arrow::Status::Cancelled("");
    if (status_.ok() && *batch != nullptr) count_ += (*batch)->num_rows();
    return status_;
  }

  const arrow::Status& status() const { return status_; }
  // By an error of its own, not because the write has ended.
  bool failed() const { return failed_; }
  std::int64_t count() const { return count_; }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  const std::shared_ptr<WatchedStatement> watched_;
  arrow::Status status_;
  bool failed_ = false;
  std::int64_t count_ = 0;
};

}  // namespace

// Around the calls of one statement.
class WriteConnection::Step {
 public:
  // Without a statement nothing cancels it but the end of the connection.
  Step(WriteConnection& connection, DriverStatement* statement, BackendCore::Cancelled cancelled) {
    if (statement != nullptr) cancel_.emplace(*statement);
    WatchedCalls calls{.cancel =
                           [this] {
                             if (cancel_) cancel_->Start();
                           },
                       .cancelled = std::move(cancelled),
                       .abort = [&connection] { BackendCore::Cut(connection.lease_); }};
    watched_ = connection.core_->watch().Add(std::move(calls), connection.core_->spec().statement_timeout);
    watched_->Enter();
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  ~Step() { End(); }

  // Nothing cancels the statement any more, which may go now.
  void End() {
    watched_->Release();
    if (cancel_) cancel_->Finish();
  }

  const std::shared_ptr<WatchedStatement>& watched() const { return watched_; }

 private:
  std::optional<BackgroundCancel> cancel_;
  std::shared_ptr<WatchedStatement> watched_;
};

// A stream of the connection, or what was held of it when something else was asked.
class WriteConnection::Rows final : public StatementRows {
 public:
  Rows(std::shared_ptr<WriteConnection> connection, std::unique_ptr<DriverStatement> statement)
      : connection_(std::move(connection)), statement_(std::move(statement)) {}
  ~Rows() override {
    const MutexLock lock(connection_->mutex_);
    Close();
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  // For the connection, whose mutex it is: clang does not see that.
  void AssertHeld() const HYPRSTREAM_THREAD_ANNOTATION(assert_capability(connection_->mutex_)) {}

  arrow::Status Open() REQUIRES(connection_->mutex_) {
    step_.emplace(*connection_, statement_.get(), connection_->cancelled_);
    const auto run = [&] {
      ARROW_ASSIGN_OR_RAISE(stream_, statement_->ExecuteQuery());
      return stream_.ReadSchema().Value(&schema_);
    };
    const auto status = run();
    step_->watched()->Leave();
    if (!status.ok()) return FailNow(status);
    connection_->open_rows_ = this;
    return status;
  }

  arrow::Status Next(ArrowArray& array) override {
    const MutexLock lock(connection_->mutex_);
    array = {};
    if (!held_.empty()) {
      const auto batch = std::move(held_.front());
      held_.pop_front();
      return arrow::ExportRecordBatch(*batch, &array);
    }
    if (!step_) return failure_;
    ARROW_RETURN_NOT_OK(connection_->CheckOpen());
    return Read(array);
  }

  // To its end, into memory.
  arrow::Status Hold() REQUIRES(connection_->mutex_) {
    std::int64_t bytes = 0;
    while (step_) {
      ArrowArray array{};
      ARROW_RETURN_NOT_OK(Read(array));
      if (array.release == nullptr) break;
      ARROW_ASSIGN_OR_RAISE(auto batch, arrow::ImportRecordBatch(&array, schema_));
      bytes += arrow::util::TotalBufferSize(*batch);
      held_.push_back(std::move(batch));
      if (bytes > kHeldBytesMax) {
        return FailNow(arrow::Status::CapacityError(
            "a transaction reads what it has written over one connection, and so one table after the other: the rows "
            "of the first are more than ",
            kHeldBytesMax, " bytes; read less in one statement, or COMMIT first"));
      }
    }
    return arrow::Status::OK();
  }

  // The connection is gone.
  void Abandon(const arrow::Status& why) REQUIRES(connection_->mutex_) {
    if (step_) failure_ = why;
    Close();
  }

 private:
  arrow::Status Read(ArrowArray& array) REQUIRES(connection_->mutex_) {
    step_->watched()->Enter();
    auto status = stream_.Next(array);
    step_->watched()->Leave();
    if (status.ok() && step_->watched()->end() != WatchedStatement::End::kNone) {
      if (array.release != nullptr) array.release(&array);
      array = {};
      status = arrow::Status::Cancelled("");
    }
    if (!status.ok()) return FailNow(status);
    if (array.release == nullptr) Close();
    return status;
  }

  arrow::Status FailNow(const arrow::Status& status) REQUIRES(connection_->mutex_) {
    const auto watched = step_->watched();
    connection_->open_rows_ = nullptr;
    Close();
    failure_ = connection_->Fail(status, watched.get());
    return failure_;
  }

  // Not cancelled: that would end the transaction. The driver skips what is left.
  void Close() REQUIRES(connection_->mutex_) {
    if (connection_->open_rows_ == this) connection_->open_rows_ = nullptr;
    step_.reset();
    stream_ = DriverStream();
    statement_.reset();
  }

  const std::shared_ptr<WriteConnection> connection_;
  std::unique_ptr<DriverStatement> statement_;
  DriverStream stream_;
  std::optional<Step> step_;  // while the stream is open
  std::shared_ptr<arrow::Schema> schema_;
  std::deque<std::shared_ptr<arrow::RecordBatch>> held_;
  arrow::Status failure_;
};

arrow::Result<std::shared_ptr<WriteConnection>> WriteConnection::Begin(std::shared_ptr<BackendCore> core,
                                                                       BackendCore::Cancelled cancelled) {
  for (int attempt = 0;; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(auto lease, core->Lease(cancelled));
    const bool is_new = lease.is_new();
    std::shared_ptr<WriteConnection> connection(new WriteConnection(core, std::move(lease), cancelled));
    const auto opened = connection->Open();
    if (opened.ok()) return connection;
    // Most likely it had died while it was idle; nothing has been done yet.
    if (attempt > 0 || is_new || !IsConnectionFailure(opened)) return opened;
  }
}

WriteConnection::~WriteConnection() { End(); }

arrow::Status WriteConnection::Open() {
  const MutexLock lock(mutex_);
  {
    const Step step(*this, nullptr, {});
    const auto began = core_->dialect().begins_by_statement()
                           ? driver().Run("BEGIN")
                           : driver().SetOption(ADBC_CONNECTION_OPTION_AUTOCOMMIT, ADBC_OPTION_VALUE_DISABLED);
    if (!began.ok()) return Fail(began, step.watched().get());
  }
  const auto* writing = core_->dialect().writing();
  if (writing == nullptr) return arrow::Status::OK();
  for (const auto& statement : writing->BeginStatements()) ARROW_RETURN_NOT_OK(RunLocked(statement).status());
  return arrow::Status::OK();
}

arrow::Status WriteConnection::CheckOpen() const {
  if (!ended_) return arrow::Status::OK();
  return arrow::Status::Cancelled(core_->name(), ": the transaction has ended there by an error before; begin again");
}

arrow::Status WriteConnection::Fail(const arrow::Status& status, const WatchedStatement* watched) {
  auto explained = core_->Explain(status, watched);
  // Not that there is no such table, which is found by asking for it.
  if (explained.IsKeyError()) {
    explained = arrow::Status(arrow::StatusCode::Invalid, explained.message(), explained.detail());
  }
  if (ended_) return explained;
  if (open_rows_ != nullptr) {
    open_rows_->AssertHeld();
    open_rows_->Abandon(explained);
  }
  ended_ = true;
  BackendCore::Cut(lease_);
  lease_ = ConnectionPool::Lease();
  return explained;
}

arrow::Status WriteConnection::HoldOpenRows() {
  if (open_rows_ == nullptr) return arrow::Status::OK();
  open_rows_->AssertHeld();
  return open_rows_->Hold();
}

arrow::Result<std::int64_t> WriteConnection::RunLocked(const std::string& sql) {
  ARROW_RETURN_NOT_OK(CheckOpen());
  ARROW_RETURN_NOT_OK(HoldOpenRows());
  core_->NoteStatement();
  auto statement = driver().Prepare(sql);
  if (!statement.ok()) return Fail(statement.status(), nullptr);
  Step step(*this, statement->get(), cancelled_);
  auto changed = (*statement)->ExecuteUpdate();
  step.watched()->Leave();
  if (!changed.ok()) {
    step.End();
    statement->reset();
    return Fail(changed.status(), step.watched().get());
  }
  return changed;
}

arrow::Result<std::int64_t> WriteConnection::Run(const std::string& sql) {
  const MutexLock lock(mutex_);
  return RunLocked(sql);
}

arrow::Result<std::unique_ptr<StatementRows>> WriteConnection::Start(const std::string& sql) {
  std::unique_ptr<Rows> rows;  // whose end takes the lock
  const MutexLock lock(mutex_);
  ARROW_RETURN_NOT_OK(CheckOpen());
  ARROW_RETURN_NOT_OK(HoldOpenRows());
  core_->NoteStatement();
  auto statement = driver().Prepare(sql);
  if (!statement.ok()) return Fail(statement.status(), nullptr);
  for (const auto& [name, value] : core_->dialect().StatementOptions()) {
    const auto set = (*statement)->SetOption(name, value);
    if (set.ok()) continue;
    statement->reset();
    return Fail(set, nullptr);
  }
  rows = std::make_unique<Rows>(shared_from_this(), std::move(statement).ValueUnsafe());
  rows->AssertHeld();
  ARROW_RETURN_NOT_OK(rows->Open());
  return std::unique_ptr<StatementRows>(std::move(rows));
}

arrow::Result<TextRows> WriteConnection::ReadTexts(const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, Start(sql));
  return BackendCore::AllTexts(*rows);
}

arrow::Result<std::int64_t> WriteConnection::Ingest(const Options& options,
                                                    std::shared_ptr<arrow::RecordBatchReader> rows) {
  const MutexLock lock(mutex_);
  ARROW_RETURN_NOT_OK(CheckOpen());
  ARROW_RETURN_NOT_OK(HoldOpenRows());
  return Feed(driver().MakeStatement(), options, std::move(rows));
}

arrow::Result<std::int64_t> WriteConnection::RunBound(const std::string& sql,
                                                      std::shared_ptr<arrow::RecordBatchReader> rows) {
  const MutexLock lock(mutex_);
  ARROW_RETURN_NOT_OK(CheckOpen());
  ARROW_RETURN_NOT_OK(HoldOpenRows());
  return Feed(driver().Prepare(sql), {}, std::move(rows));
}

arrow::Result<std::shared_ptr<arrow::Schema>> WriteConnection::Describe(const std::string& table) {
  const MutexLock lock(mutex_);
  ARROW_RETURN_NOT_OK(CheckOpen());
  ARROW_RETURN_NOT_OK(HoldOpenRows());
  Step step(*this, nullptr, {});
  auto schema = driver().TableSchema(table);
  step.watched()->Leave();
  if (schema.ok() || schema.status().IsKeyError()) return schema;
  step.End();
  return Fail(schema.status(), step.watched().get());
}

arrow::Result<std::int64_t> WriteConnection::Feed(arrow::Result<std::unique_ptr<DriverStatement>> made,
                                                  const Options& options,
                                                  std::shared_ptr<arrow::RecordBatchReader> rows) {
  core_->NoteStatement();
  if (!made.ok()) return Fail(made.status(), nullptr);
  auto statement = std::move(made).ValueUnsafe();
  Step step(*this, statement.get(), cancelled_);
  const auto source = std::make_shared<WatchedSource>(std::move(rows), step.watched());
  const auto run = [&]() -> arrow::Result<std::int64_t> {
    for (const auto& [name, value] : options) ARROW_RETURN_NOT_OK(statement->SetOption(name, value));
    ArrowArrayStream stream{};
    ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(source, &stream));
    ARROW_RETURN_NOT_OK(statement->Bind(&stream));
    return statement->ExecuteUpdate();
  };
  auto changed = run();
  step.watched()->Leave();
  if (changed.ok() && source->status().ok()) return *changed < 0 ? source->count() : *changed;
  step.End();
  statement.reset();  // before its connection
  // What ended the source is what ended the ingest; its own end by the watch is told by the watch.
  if (!source->failed()) return Fail(changed.ok() ? source->status() : changed.status(), step.watched().get());
  static_cast<void>(Fail(arrow::Status::Cancelled("its rows ended with an error"), nullptr));
  return source->status();
}

arrow::Status WriteConnection::Commit() {
  const MutexLock lock(mutex_);
  ARROW_RETURN_NOT_OK(CheckOpen());
  ARROW_RETURN_NOT_OK(HoldOpenRows());
  const auto* writing = core_->dialect().writing();
  const std::string status_option = writing == nullptr ? "" : writing->StatusOption();
  if (!status_option.empty() && driver().Option(status_option) == "inerror") {
    return Fail(arrow::Status::Invalid("the database has rolled the transaction back because of an error before"),
                nullptr);
  }
  arrow::Status committed;
  {
    Step step(*this, nullptr, {});
    const bool by_statement = core_->dialect().begins_by_statement();
    committed = by_statement ? driver().Run("COMMIT") : driver().Commit();
    step.watched()->Leave();
    const auto state = SqlStateOf(committed);
    const bool answered = state == kNoConnectionState || RefusesCommit(core_->dialect(), committed);
    const bool unknown = !answered || step.watched()->end() != WatchedStatement::End::kNone;
    if (!committed.ok()) {
      step.End();
      const auto explained = Fail(committed, step.watched().get());
      if (!unknown) return explained;
      return explained.WithMessage(explained.message(),
                                   ": the connection ended during COMMIT, so that it is not known whether it was "
                                   "carried out; look before you repeat it");
    }
  }
  EndLocked();
  return arrow::Status::OK();
}

// It goes back as it was found, or not at all.
void WriteConnection::EndLocked() {
  if (ended_) return;
  const auto restore = [&] {
    if (core_->dialect().begins_by_statement()) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(driver().SetOption(ADBC_CONNECTION_OPTION_AUTOCOMMIT, ADBC_OPTION_VALUE_ENABLED));
    const auto* writing = core_->dialect().writing();
    if (writing == nullptr) return arrow::Status::OK();
    for (const auto& statement : writing->EndStatements()) ARROW_RETURN_NOT_OK(driver().Run(statement));
    return arrow::Status::OK();
  };
  arrow::Status restored;
  {
    const Step step(*this, nullptr, {});
    restored = restore();
  }
  ended_ = true;
  if (restored.ok()) {
    lease_.Return();
  } else {
    lease_ = ConnectionPool::Lease();
  }
}

void WriteConnection::End() {
  const MutexLock lock(mutex_);
  if (ended_) return;
  const auto gone = arrow::Status::Cancelled(core_->name(), ": the transaction has ended");
  const bool reading = open_rows_ != nullptr;
  if (reading) {
    open_rows_->AssertHeld();
    open_rows_->Abandon(gone);
  }
  arrow::Status rolled_back;
  if (!reading) {
    const Step step(*this, nullptr, {});
    rolled_back = core_->dialect().begins_by_statement() ? driver().Run("ROLLBACK") : driver().Rollback();
  }
  if (!reading && rolled_back.ok()) return EndLocked();
  ended_ = true;
  BackendCore::Cut(lease_);
  lease_ = ConnectionPool::Lease();
}

}  // namespace hyprstream::backend
