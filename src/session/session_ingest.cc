// Rows into tables: Flight SQL ingest and plain DoPut.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "base/batch_bytes.h"
#include "base/batch_read_ahead.h"
#include "commit/view_catalog.h"
#include "ingest/batch_check.h"
#include "ingest/extension_check.h"
#include "ingest/table_writer.h"
#include "session/session_internal.h"

namespace hyprstream::session {

namespace {

// DuckDB merges row groups (122,880 rows) at COMMIT without a copy. Several at once, so that batches of other sizes
// leave few groups that are not full.
constexpr std::int64_t kRowsPreferred = 4 * 122'880;
constexpr std::int64_t kBytesPreferredMax = 64LL << 20;
constexpr std::int64_t kReadAheadBytes = 64LL << 20;  // of an ingest

arrow::Status CheckHasColumns(const arrow::Schema& schema) {
  if (schema.num_fields() > 0) return arrow::Status::OK();
  return arrow::Status::Invalid("The rows have no columns; a table needs at least one");
}

// `CREATE TABLE name AS SELECT * FROM hyprstream_input() LIMIT 0`: DuckDB's own mapping of Arrow's types.
arrow::Status CreateFromSchema(engine::Connection& connection, const std::string& create,
                               const std::shared_ptr<arrow::Schema>& schema) {
  ARROW_RETURN_NOT_OK(CheckHasColumns(*schema));
  return connection.Evaluate(create + " AS SELECT * FROM hyprstream_input() LIMIT 0", schema, {}).status();
}

// Rows that are handed in pass no gate.
arrow::Status CheckTarget(const TableRef& table) {
  if (!commit::IsServersOwn(table)) return arrow::Status::OK();
  return arrow::Status::Invalid("Changing the server's own tables is not allowed here");
}

using ReadBatch = std::function<arrow::Result<std::shared_ptr<arrow::RecordBatch>>()>;
using WriteBatches = std::function<arrow::Status(const Batches&)>;

// What was read already, as far as writing it together pays.
Batches Waiting(BatchReadAhead& ahead, std::shared_ptr<arrow::RecordBatch> next) {
  Batches batches;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  for (; next != nullptr; next = ahead.TryPop()) {
    rows += next->num_rows();
    bytes += BatchBytes(*next);
    batches.push_back(std::move(next));
    if (rows >= kRowsPreferred || bytes >= kBytesPreferredMax) break;
  }
  return batches;
}

// Writes what is read until the end. Few batches, as clients that ingest often have them, start no thread. No batch is
// held while the next is waited for: reading waits for memory, and who holds some would wait for others who do.
arrow::Status CopyAhead(const ReadBatch& read, const WriteBatches& write) {
  constexpr int kBatchesInLockStep = 2;
  for (int i = 0; i < kBatchesInLockStep; ++i) {
    ARROW_ASSIGN_OR_RAISE(auto batch, read());
    if (batch == nullptr) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(write({std::move(batch)}));
  }
  BatchReadAhead ahead({.next = read, .interrupt = {}}, kReadAheadBytes);
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto next, ahead.Pop());
    if (next == nullptr) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(write(Waiting(ahead, std::move(next))));
  }
}

bool IsMissing(engine::Connection& connection, const TableRef& table) {
  return connection.ArrowSchemaOf(table).status().IsKeyError();
}

// Batches as they come from a client, held to what every ingest is held to.
class CheckedRows : public arrow::RecordBatchReader {
 public:
  CheckedRows(arrow::RecordBatchReader& rows, std::int64_t batch_bytes_max, const CancelWatcher::Watch& watch)
      : rows_(rows), batch_bytes_max_(batch_bytes_max), watch_(watch) {}
  std::shared_ptr<arrow::Schema> schema() const override { return rows_.schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_.ReadNext(batch));
    if (*batch == nullptr) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(ingest::CheckBatch(**batch, batch_bytes_max_));
    return watch_.stopped() ? arrow::Status::Cancelled("The ingest was cancelled") : arrow::Status::OK();
  }

 private:
  arrow::RecordBatchReader& rows_;
  const std::int64_t batch_bytes_max_;
  const CancelWatcher::Watch& watch_;
};

engine::BackendTarget TargetOf(const IngestOptions& options) {
  TableRef table = options.table;
  if (!options.schema_given) table.schema.clear();
  return {.backend = options.backend,
          .table = std::move(table),
          .create = options.if_missing == IngestIfMissing::kCreate,
          .append = options.if_exists == IngestIfExists::kAppend,
          .replace = options.if_exists == IngestIfExists::kReplace};
}

// A stream of batches, each a commit of its own; those written together share one of DuckDB's.
class LanePutStream : public PutStream {
 public:
  LanePutStream(commit::CommitPath& commits, LaneLease lease, std::unique_ptr<ingest::TableWriter> writer)
      : commits_(commits), lease_(std::move(lease)), writer_(std::move(writer)) {}

  Outcome Write(const Batches& batches) override {
    Outcome outcome;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const auto checked = writer_->Check(*batches[i]);
      if (checked.ok()) continue;
      if (i > 0) outcome = Write(Batches(batches.begin(), batches.begin() + static_cast<std::ptrdiff_t>(i)));
      if (outcome.error == nullptr) outcome.error = std::make_shared<arrow::Status>(checked);
      return outcome;
    }
    if (WriteTogether(batches, outcome) || batches.size() == 1) return outcome;
    outcome = {};
    for (const auto& batch : batches) {
      if (!WriteTogether({batch}, outcome)) break;
    }
    return outcome;
  }

  std::int64_t rows_preferred() const override { return kRowsPreferred; }
  std::int64_t bytes_preferred_max() const override { return kBytesPreferredMax; }

 private:
  bool WriteTogether(const Batches& batches, Outcome& outcome) {
    auto& connection = lease_.connection();
    const auto written = [&]() -> arrow::Result<commit::CommitReceipt> {
      ARROW_RETURN_NOT_OK(commits_.Begin(connection));
      const auto appended = writer_->Append(connection, batches);
      if (!appended.ok()) {
        ARROW_RETURN_NOT_OK(connection.Rollback());
        return appended;
      }
      return commits_.Commit(connection, static_cast<int>(batches.size()));
    }();
    if (!written.ok()) {
      outcome.error = std::make_shared<arrow::Status>(written.status());
      return false;
    }
    outcome.error = nullptr;
    // Batches without rows take no position: theirs is where the server stands.
    const auto last = written->position.lsn();
    auto lsn = last - std::min<std::uint64_t>(last, batches.size());
    for (const auto& batch : batches) {
      rows_ += batch->num_rows();
      outcome.accepted.push_back({.rows_accepted = rows_, .position = Position(std::min(++lsn, last))});
    }
    return true;
  }

  commit::CommitPath& commits_;
  LaneLease lease_;
  std::unique_ptr<ingest::TableWriter> writer_;
  std::int64_t rows_ = 0;
};

}  // namespace

arrow::Status SessionImpl::RunText(LaneLease& lease, const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(const auto statements, services_.engine.Parse(sql));
  for (const auto& statement : statements) ARROW_RETURN_NOT_OK(RunInTransaction(lease, *statement, {}).status());
  return arrow::Status::OK();
}

// Brings the target into the state that the mode asks for; inside the open transaction.
arrow::Status SessionImpl::PrepareTarget(LaneLease& lease, const IngestOptions& options, const TableRef& table,
                                         const std::shared_ptr<arrow::Schema>& schema, Ingested& done) {
  auto& connection = lease.connection();
  const std::string name = options.temporary ? "temp." + QuoteIdentifier(table.name) : connection.LastingName(table);
  bool missing = false;
  if (options.temporary) {
    ARROW_ASSIGN_OR_RAISE(const auto found,
                          connection.Run("SELECT 1 FROM duckdb_tables() WHERE temporary AND " +
                                         FoldedSql("table_name") + " = " + QuoteLiteral(FoldIdentifier(table.name))));
    ARROW_ASSIGN_OR_RAISE(const auto batches, found.rows->ToRecordBatches());
    missing = batches.empty();
  } else {
    missing = IsMissing(connection, table);
  }
  if (missing && options.if_missing == IngestIfMissing::kFail) {
    if (options.temporary) {
      return arrow::Status::KeyError("Unknown temporary table: ", table.name, "; let the ingest create it");
    }
    return connection.ArrowSchemaOf(table).status();
  }
  if (!missing && options.if_exists == IngestIfExists::kFail) {
    return arrow::Status::AlreadyExists("Table ", table.ToString(), " already exists; append to it or replace it");
  }
  if (!missing && options.if_exists == IngestIfExists::kReplace) {
    done.anything = true;
    ARROW_RETURN_NOT_OK(RunText(lease, "DROP TABLE " + name));
    missing = true;
  }
  if (!missing) return arrow::Status::OK();
  done.anything = true;
  return CreateFromSchema(
      connection, options.temporary ? "CREATE TEMPORARY TABLE " + QuoteIdentifier(table.name) : "CREATE TABLE " + name,
      schema);
}

arrow::Result<std::unique_ptr<ingest::TableWriter>> SessionImpl::MakeWriter(
    engine::Connection& connection, const TableRef& table, const std::shared_ptr<arrow::Schema>& schema) {
  return ingest::TableWriter::Make(
      connection, table, schema,
      {.batch_bytes_max = services_.limits.batch_bytes_max, .keep_rows = services_.commits.KeepsRows(table)});
}

arrow::Status SessionImpl::IngestRows(LaneLease& lease, const IngestOptions& options, arrow::RecordBatchReader& rows,
                                      const CancelWatcher::Watch& watch, Ingested& done) {
  auto& connection = lease.connection();
  const auto schema = rows.schema();
  ARROW_RETURN_NOT_OK(ingest::CheckExtensionTypes(*schema));
  if (!options.backend.empty()) {
    if (options.temporary) return arrow::Status::NotImplemented("Backends take no temporary tables");
    CheckedRows checked(rows, services_.limits.batch_bytes_max, watch);
    return connection.IngestInto(TargetOf(options), checked).Value(&done.rows);
  }
  TableRef table = options.table;
  if (!options.schema_given && !options.temporary) table.schema = connection.CurrentSchema();
  if (!options.temporary) ARROW_RETURN_NOT_OK(CheckTarget(table));
  ARROW_RETURN_NOT_OK(PrepareTarget(lease, options, table, schema, done));
  std::unique_ptr<ingest::TableWriter> writer;
  if (options.temporary) {
    ARROW_RETURN_NOT_OK(CheckHasColumns(*schema));
  } else {
    ARROW_ASSIGN_OR_RAISE(writer, MakeWriter(connection, table, schema));
  }
  const auto read = [&]() -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> {
    ARROW_ASSIGN_OR_RAISE(auto batch, rows.Next());
    if (batch == nullptr) return nullptr;
    ARROW_RETURN_NOT_OK(writer != nullptr ? writer->Check(*batch)
                                          : ingest::CheckBatch(*batch, services_.limits.batch_bytes_max));
    if (watch.stopped()) return arrow::Status::Cancelled("The ingest was cancelled");
    return batch;
  };
  const auto write = [&](const Batches& batches) -> arrow::Status {
    done.anything = true;
    for (const auto& batch : batches) done.rows += batch->num_rows();
    if (writer != nullptr) return writer->Append(connection, batches);
    return connection
        .Evaluate("INSERT INTO temp." + QuoteIdentifier(table.name) + " BY NAME SELECT * FROM hyprstream_input()",
                  schema, batches)
        .status();
  };
  return CopyAhead(read, write);
}

arrow::Result<std::int64_t> SessionImpl::Ingest(const RequestContext& context, const IngestOptions& options,
                                                arrow::RecordBatchReader& rows) {
  // Stock clients leave the transaction out, even inside one.
  const auto transaction = options.transaction.empty() ? OnlyTransaction() : options.transaction;
  if (options.in_transaction && !in_transaction(transaction)) {
    return arrow::Status::Invalid(
        "The ingest belongs to a transaction, and the session has none that it could be: its connection was lost, or "
        "it has several (nothing was written)");
  }
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireFor(context, transaction, Purpose::kStatement));
  auto log = services_.log.Begin(context, id_, "ingest into " + options.table.ToString());
  const auto watch = services_.watcher.Begin(context, lease.connection(), this);
  const bool own = !lease->transaction;
  if (own) ARROW_RETURN_NOT_OK(services_.commits.Begin(lease.connection()));
  Ingested done;
  auto ingested = watch->Explain(IngestRows(lease, options, rows, *watch, done));
  if (own && ingested.ok()) ingested = services_.commits.Commit(lease.connection()).status();
  log->Finish(ingested, ingested.ok() ? done.rows : 0);
  if (!ingested.ok()) {
    if (own) {
      ARROW_RETURN_NOT_OK(lease.connection().Rollback());
    } else if (done.anything) {  // half an ingest must not be committed
      lease.connection().Invalidate("an ingest failed");
    }
    return ingested;
  }
  if (options.temporary) {
    const MutexLock lock(mutex_);
    pinned_home_ = true;
  }
  return done.rows;
}

arrow::Result<std::unique_ptr<PutStream>> SessionImpl::OpenPut(const RequestContext&, const PutOptions& options,
                                                               const std::shared_ptr<arrow::Schema>& schema) {
  ARROW_RETURN_NOT_OK(CheckTarget(options.table));
  ARROW_RETURN_NOT_OK(ingest::CheckExtensionTypes(*schema));
  ARROW_ASSIGN_OR_RAISE(auto extra, AcquireExtra());
  ARROW_ASSIGN_OR_RAISE(auto lease, Ready(std::move(extra)));
  auto& connection = lease.connection();
  ARROW_RETURN_NOT_OK(services_.commits.Begin(connection));
  const auto opened = [&]() -> arrow::Result<std::unique_ptr<ingest::TableWriter>> {
    if (options.create && IsMissing(connection, options.table)) {
      ARROW_RETURN_NOT_OK(
          CreateFromSchema(connection, "CREATE TABLE " + connection.LastingName(options.table), schema));
    }
    ARROW_ASSIGN_OR_RAISE(auto writer, MakeWriter(connection, options.table, schema));
    if (options.first != nullptr) ARROW_RETURN_NOT_OK(writer->Check(*options.first));
    return writer;
  };
  auto writer = opened();
  if (!writer.ok()) {
    ARROW_RETURN_NOT_OK(connection.Rollback());
    return writer.status();
  }
  ARROW_RETURN_NOT_OK(services_.commits.Commit(connection).status());
  return std::make_unique<LanePutStream>(services_.commits, std::move(lease), std::move(writer).ValueUnsafe());
}

}  // namespace hyprstream::session
