// One client's identity, settings, statements and transactions: what every door (Flight SQL, Flight, CLI) talks to.
//
// A session has a home connection (temporary tables, SET, USE, PREPARE, BEGIN live there); queries outside a
// transaction that need nothing of it may run beside it on further connections with the same settings, so that several
// cursors can be open at once. Inside a transaction results are buffered, never cut off by the next statement.
//
// Data-changing statements and DDL run exactly once, when they are started (Start, Update); reading their ticket gives
// an empty stream. Queries run when their ticket is fetched; inside a transaction when they are started.
//
// Thread safety: all methods, from any thread; calls that need the home connection wait for one another.
// Errors: Invalid (bad SQL, bad values), KeyError (unknown table, ticket, handle, transaction), AlreadyExists,
// NotImplemented, CapacityError (a bound is full), Cancelled, UnknownError. Messages are at most 4 KB, name what to do,
// and never hold a whole statement or a secret.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/position.h"
#include "core/request_context.h"
#include "core/table_ref.h"
#include "session/change_stream.h"

namespace arrow {
class RecordBatch;
class RecordBatchReader;
class Schema;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream {
struct BackendKey;
}

namespace hyprstream::session {

// Handles are 16 random bytes in hex: unguessable, and bound to the session (tickets of finished planning also to its
// user). An empty transaction id means: the session's own transaction if SQL BEGIN opened one, else autocommit. Ingest,
// metadata and prepared statements, for which stock clients cannot name a transaction, run in the only one that is
// open.
using Handle = std::string;

// What can be fetched: a query that is planned, or a statement that has run.
struct Started {
  Handle ticket;
  std::shared_ptr<arrow::Schema> schema;  // equals the stream's, nullability and metadata included
  bool is_query = true;
  std::int64_t rows_changed = -1;  // of a statement that has run
  std::string route;               // aggregate, cache, local, backend, federated
  std::string reason;
};

// The keys of one backend's tables.
struct CatalogKeys {
  std::string catalog;
  std::shared_ptr<const std::vector<BackendKey>> keys;
};

struct PreparedDescription {
  Handle handle;
  std::shared_ptr<arrow::Schema> dataset_schema;    // no fields for statements without rows
  std::shared_ptr<arrow::Schema> parameter_schema;  // unknown, UUID, ENUM, JSON parameters as utf8
  bool is_query = true;
};

enum class IngestIfMissing { kFail, kCreate };
enum class IngestIfExists { kFail, kAppend, kReplace };

struct IngestOptions {
  std::string backend = {};  // whose table it is; empty: a local one
  TableRef table;
  bool schema_given = false;  // else the session's current schema
  bool temporary = false;
  bool in_transaction = false;  // Invalid where the session has none, or several, instead of one of its own
  IngestIfMissing if_missing = IngestIfMissing::kFail;
  IngestIfExists if_exists = IngestIfExists::kAppend;
  Handle transaction;
};

struct PutOptions {
  TableRef table;
  bool create = false;  // make the table from the schema when it is missing
  // The first batch, where it is at hand: one that Write would refuse for what it is leaves no new, empty table behind.
  std::shared_ptr<arrow::RecordBatch> first;
};

// An open DoPut to a table. One thread writes. Every batch is a commit of its own, but several that wait may share one
// of DuckDB's.
class PutStream {
 public:
  struct Ack {
    std::int64_t rows_accepted;  // since the stream began
    Position position;
  };
  virtual ~PutStream() = default;
  // Commits the batches in order and returns an acknowledgement for each that was accepted; on error the
  // acknowledgements of those before the bad batch are in `accepted` and nothing of it or of later ones was applied.
  struct Outcome {
    std::vector<Ack> accepted;
    std::shared_ptr<arrow::Status> error;  // null: all were accepted
  };
  virtual Outcome Write(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) = 0;
  // Rows to collect before Write pays best, and the bytes after which the caller must not wait for more.
  virtual std::int64_t rows_preferred() const = 0;
  virtual std::int64_t bytes_preferred_max() const = 0;
};

class Session {
 public:
  virtual ~Session() = default;

  virtual const Identity& identity() const = 0;
  virtual const std::string& id() const = 0;  // for logs and system tables, not a secret

  // ---- statements
  // Runs a statement that changes something, or plans a query. Exactly one statement; Invalid for several.
  virtual arrow::Result<Started> Start(const RequestContext& context, std::string_view sql,
                                       const Handle& transaction) = 0;
  // The schema of a query's rows without running anything.
  virtual arrow::Result<std::shared_ptr<arrow::Schema>> Describe(const RequestContext& context, std::string_view sql,
                                                                 const Handle& transaction) = 0;
  // Runs one or several statements, all or nothing when there are several (outside a transaction), and returns the sum
  // of changed rows (DDL counts as 0).
  virtual arrow::Result<std::int64_t> Update(const RequestContext& context, std::string_view sql,
                                             const Handle& transaction) = 0;
  // The rows of a ticket, each of which can be redeemed once. The reader polls `context.cancelled` and stops DuckDB; it
  // keeps the session alive, and `context` must outlive it.
  virtual arrow::Result<std::unique_ptr<arrow::RecordBatchReader>> Fetch(const RequestContext& context,
                                                                         const Handle& ticket) = 0;
  // Stops the running query of a ticket, or forgets the ticket. False when it is already finished; KeyError if unknown.
  virtual arrow::Result<bool> Cancel(const Handle& ticket) = 0;

  // ---- prepared statements
  virtual arrow::Result<PreparedDescription> Prepare(const RequestContext& context, std::string_view sql,
                                                     const Handle& transaction) = 0;
  // Describes again what a handle stands for now (tables may have changed since).
  virtual arrow::Result<PreparedDescription> DescribePrepared(const RequestContext& context, const Handle& handle) = 0;
  // Parameters for every StartPrepared from now on, any number of rows: one execution per row, none for no row, results
  // concatenated.
  virtual arrow::Status Bind(const Handle& handle, std::vector<std::shared_ptr<arrow::RecordBatch>> parameters) = 0;
  virtual arrow::Result<Started> StartPrepared(const RequestContext& context, const Handle& handle) = 0;
  // One execution per row of these parameters, none where they have columns but no row, in one transaction; the sum of
  // changed rows. Without any batch: of what Bind() was given. A batch without columns binds nothing.
  virtual arrow::Result<std::int64_t> UpdatePrepared(
      const RequestContext& context, const Handle& handle,
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& parameters) = 0;
  // Stops the update, or the start, that runs under the handle; tickets of queries live on.
  virtual arrow::Status ClosePrepared(const Handle& handle) = 0;

  // ---- transactions
  virtual arrow::Result<Handle> BeginTransaction(const RequestContext& context) = 0;
  virtual arrow::Status EndTransaction(const RequestContext& context, const Handle& transaction, bool commit) = 0;

  // ---- rows in
  virtual arrow::Result<std::int64_t> Ingest(const RequestContext& context, const IngestOptions& options,
                                             arrow::RecordBatchReader& rows) = 0;
  virtual arrow::Result<std::unique_ptr<PutStream>> OpenPut(const RequestContext& context, const PutOptions& options,
                                                            const std::shared_ptr<arrow::Schema>& schema) = 0;

  // ---- rows out as they change
  // A subscription to a materialized view, beside everything else that the session does. Invalid for what cannot be
  // subscribed to like that, KeyError for an unknown view, CapacityError when there are too many.
  virtual arrow::Result<std::unique_ptr<ChangeStream>> Subscribe(const RequestContext& context,
                                                                 const SubscriptionRequest& request) = 0;

  // ---- metadata and settings
  // A trusted query of ours over DuckDB's catalog with text parameters bound to $1, $2, ... ("" for none): for
  // GetTables and its kin. Sees the session's temporary tables.
  virtual arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> Metadata(
      const RequestContext& context, std::string_view sql, const std::vector<std::string>& parameters) = 0;
  // What DuckDB's catalog is not told of backends, because it would believe it: their tables' keys. Of all of them that
  // answer; or of the one that is called `catalog` in any case, where there is one, and then its error.
  virtual arrow::Result<std::vector<CatalogKeys>> BackendKeys(const std::optional<std::string>& catalog) = 0;
  // How SQL names the lasting table or view, whatever temporary one has its name; without a schema that of the session.
  virtual arrow::Result<std::string> LastingName(const RequestContext& context, TableRef table) = 0;
  // Of that table.
  virtual arrow::Result<std::shared_ptr<arrow::Schema>> TableSchema(const RequestContext& context,
                                                                    const TableRef& table) = 0;
  // `catalog`, `schema` and settings of ours and of DuckDB that a client may change. Invalid for an unknown name (with
  // the nearest) or a bad value; then nothing changed.
  virtual arrow::Status SetOption(const RequestContext& context, const std::string& name, const std::string& value) = 0;
  virtual arrow::Result<std::map<std::string, std::string>> Options(const RequestContext& context) = 0;
  virtual Position position() const = 0;
};

}  // namespace hyprstream::session
