// The session and what it shares with its registry; see session.h for the contract.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/random_handle.h"
#include "base/thread_annotations.h"
#include "commit/commit_path.h"
#include "session/backend_attachments.h"
#include "session/cancel_watcher.h"
#include "session/lane.h"
#include "session/open_subscriptions.h"
#include "session/query_log.h"
#include "session/session.h"
#include "session/session_registry.h"

namespace hyprstream::ingest {
class TableWriter;
}

namespace hyprstream::session {

// What every session is made of; owned by the registry.
struct SessionServices {
  engine::Engine& engine;
  commit::CommitPath& commits;
  const SessionLimits limits;
  BackendAttachments* const backends = nullptr;
  CancelWatcher watcher{limits.statement_max, limits.memory_is_short};
  QueryLog log = QueryLog(1000);
  OpenSubscriptions subscriptions{limits.subscriptions_max, limits.subscription_stall_max};
};

// The setting that USE and SET schema change.
inline constexpr const char* kSearchPath = "search_path";

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

// A lane in use; gives it back when it ends.
class LaneLease {
 public:
  LaneLease(std::shared_ptr<class SessionImpl> session, Lane& lane) : session_(std::move(session)), lane_(&lane) {}
  LaneLease(LaneLease&& other) noexcept : session_(std::move(other.session_)), lane_(other.lane_) {}
  ~LaneLease();
  Lane& operator*() const { return *lane_; }
  Lane* operator->() const { return lane_; }
  engine::Connection& connection() const { return *lane_->connection; }

 private:
  std::shared_ptr<class SessionImpl> session_;
  Lane* lane_;
};

// What answers a query, and why.
struct Provenance {
  std::string route = "local";
  std::string reason = "local tables";
};

// What a ticket stands for.
struct Ticket {
  std::shared_ptr<const engine::Statement> statement;
  Handle transaction;
  Batches parameters;  // each row is one execution; no batch at all: one without parameters
  std::shared_ptr<arrow::Schema> schema;
  std::shared_ptr<arrow::RecordBatchReader> result;  // already run: its rows
  bool shared = false;                               // another session of the user may fetch it
  Provenance provenance = {};
  std::unique_ptr<QueryLog::Entry> log = nullptr;  // of a planned query
  std::chrono::steady_clock::time_point made = std::chrono::steady_clock::now();
};

struct PreparedHandle {
  std::shared_ptr<const engine::Statement> statement;
  Handle transaction;
  PreparedDescription description;
  bool follows = false;  // in no transaction yet, or its own has ended: runs in the one that the session has open then
  std::uint64_t catalog_version = 0;
  std::uint64_t meaning = 0;  // of the session, when it was described
  bool open_types = false;    // some parameter's type, and so perhaps the schema, depends on the value
  std::vector<PlannedTable> backend_tables = {};
  std::uint64_t failures = 0;  // of the session's fetches, when it was described
  Provenance provenance = {};
  Batches parameters = {};
  std::chrono::steady_clock::time_point used = std::chrono::steady_clock::now();
};

// The settings by which a condition means what it does, as the session had them when it subscribed.
struct SubscribedSettings {
  std::uint64_t version = 0;  // of the session's settings
  std::string search_path = {};
  std::vector<std::string> statements = {};  // that set the others
};

class SessionImpl : public Session, public std::enable_shared_from_this<SessionImpl> {
 public:
  SessionImpl(SessionServices& services, Identity identity, std::string id, std::string peer);
  arrow::Status Open();

  const Identity& identity() const override { return identity_; }
  const std::string& id() const override { return id_; }
  arrow::Result<Started> Start(const RequestContext& context, std::string_view sql, const Handle& transaction) override;
  arrow::Result<std::shared_ptr<arrow::Schema>> Describe(const RequestContext& context, std::string_view sql,
                                                         const Handle& transaction) override;
  arrow::Result<std::int64_t> Update(const RequestContext& context, std::string_view sql,
                                     const Handle& transaction) override;
  arrow::Result<std::unique_ptr<arrow::RecordBatchReader>> Fetch(const RequestContext& context,
                                                                 const Handle& ticket) override;
  arrow::Result<bool> Cancel(const Handle& ticket) override;
  arrow::Result<PreparedDescription> Prepare(const RequestContext& context, std::string_view sql,
                                             const Handle& transaction) override;
  arrow::Result<PreparedDescription> DescribePrepared(const RequestContext& context, const Handle& handle) override;
  arrow::Status Bind(const Handle& handle, Batches parameters) override;
  arrow::Result<Started> StartPrepared(const RequestContext& context, const Handle& handle) override;
  arrow::Result<std::int64_t> UpdatePrepared(const RequestContext& context, const Handle& handle,
                                             const Batches& parameters) override;
  arrow::Status ClosePrepared(const Handle& handle) override;
  arrow::Result<Handle> BeginTransaction(const RequestContext& context) override;
  arrow::Status EndTransaction(const RequestContext& context, const Handle& transaction, bool commit) override;
  arrow::Result<std::int64_t> Ingest(const RequestContext& context, const IngestOptions& options,
                                     arrow::RecordBatchReader& rows) override;
  arrow::Result<std::unique_ptr<PutStream>> OpenPut(const RequestContext& context, const PutOptions& options,
                                                    const std::shared_ptr<arrow::Schema>& schema) override;
  arrow::Result<std::unique_ptr<ChangeStream>> Subscribe(const RequestContext& context,
                                                         const SubscriptionRequest& request) override;
  arrow::Result<Batches> Metadata(const RequestContext& context, std::string_view sql,
                                  const std::vector<std::string>& parameters) override;
  arrow::Result<std::vector<CatalogKeys>> BackendKeys(const std::optional<std::string>& catalog) override;
  arrow::Result<std::string> LastingName(const RequestContext& context, TableRef table) override;
  arrow::Result<std::shared_ptr<arrow::Schema>> TableSchema(const RequestContext& context,
                                                            const TableRef& table) override;
  arrow::Status SetOption(const RequestContext& context, const std::string& name, const std::string& value) override;
  arrow::Result<std::map<std::string, std::string>> Options(const RequestContext& context) override;
  Position position() const override { return services_.commits.position(); }

  // ---- for the registry
  // A ticket that the user's other sessions may fetch, or one that is being read.
  bool HasSharedTicket(const Handle& ticket) const;
  SessionInfo Info() const;
  std::chrono::steady_clock::time_point last_used() const;
  void Touch();
  // Could it end without anybody's losing uncommitted work, or a subscription?
  bool idle() const;
  // Forgets tickets and prepared statements that nobody used since then, and rolls back such transactions.
  void Expire(std::chrono::steady_clock::time_point unused_since);
  // Interrupts what runs; later calls fail; open transactions are rolled back as their lanes come free.
  void Close();
  void GiveBack(Lane& lane);

 private:
  friend class SubscriptionStream;  // reads on lanes of its own
  enum class Purpose { kQuery, kStatement };

  struct Setting {
    std::uint64_t version;
    std::string text;  // of the statement; of the search path itself
  };

  // What running one statement gave.
  struct Outcome {
    std::shared_ptr<arrow::RecordBatchReader> rows;
    std::shared_ptr<arrow::Schema> schema;
    std::int64_t rows_changed = 0;
  };

  // How far an ingest came.
  struct Ingested {
    std::int64_t rows = 0;
    bool anything = false;  // was changed in its transaction
  };

  // ---- lanes (session_lanes.cc)
  arrow::Result<LaneLease> AcquireFor(const RequestContext& context, const Handle& transaction, Purpose purpose);
  using FindLane = std::function<arrow::Result<Lane*>()>;  // called with mutex_ held
  arrow::Result<LaneLease> Acquire(const RequestContext& context, const FindLane& find);
  arrow::Result<LaneLease> AcquireTransaction(const RequestContext& context, const Handle& transaction);
  bool HomeIsTaken() const REQUIRES(mutex_);
  Handle OpenOn(Lane& lane) REQUIRES(mutex_);
  arrow::Result<std::unique_ptr<Lane>> MakeLane();
  arrow::Result<LaneLease> AcquireExtra();
  arrow::Result<LaneLease> Ready(LaneLease lease);
  arrow::Status BeginIfOpened(LaneLease& lease);
  bool in_transaction(const Handle& transaction) const;
  Handle OnlyTransaction() const;
  Handle TransactionOf(const PreparedHandle& prepared) const;

  // ---- running (session_statements.cc)
  // Runs a statement on the lane; opens and commits a transaction of its own unless the lane is inside one.
  arrow::Result<Outcome> RunStatement(LaneLease& lease, const engine::Statement& statement, const Batches& parameters);
  arrow::Result<Outcome> InsertStates(engine::Connection& connection, const engine::InsertStates& insert);
  arrow::Result<Outcome> RunBackendStatement(LaneLease& lease, const engine::Statement& statement);
  arrow::Result<Outcome> RunViewStatement(engine::Connection& connection, const engine::Statement& statement);
  arrow::Result<Outcome> RunInTransaction(LaneLease& lease, const engine::Statement& statement,
                                          const Batches& parameters);
  arrow::Result<Outcome> RunTransactionStatement(LaneLease& lease, const engine::Statement& statement);
  arrow::Result<Outcome> RunRows(LaneLease& lease, engine::Prepared& plan, const Batches& parameters);
  arrow::Status NoteEffects(Lane& lane, const engine::Statement& statement, const engine::PreparedInfo& info);
  arrow::Result<engine::PreparedInfo> DescribeOn(LaneLease& lease, const engine::Statement& statement);
  // The tables of backends that a plan reads, as they are now; and whether they still are that. Nobody tells when they
  // change.
  std::vector<PlannedTable> PlannedTables(const engine::PreparedInfo& info) const;
  bool AreAsPlanned(const std::vector<PlannedTable>& tables) const;
  std::uint64_t Meaning() const EXCLUDES(mutex_);
  void NoteTransactionEnd(Lane& lane) REQUIRES(mutex_);
  bool IsStillDescribed(const PreparedHandle& prepared, const Handle& transaction) const;
  arrow::Result<engine::Prepared*> PlanQuery(Lane& lane, const engine::Statement& statement,
                                             std::uint64_t catalog_version);
  arrow::Result<std::shared_ptr<const engine::Statement>> ParseOne(std::string_view sql);
  arrow::Result<Started> StartStatement(const RequestContext& context,
                                        const std::shared_ptr<const engine::Statement>& statement,
                                        const Handle& transaction, const Batches& parameters,
                                        const PreparedHandle* prepared);
  arrow::Result<std::int64_t> UpdateSeveral(const RequestContext& context,
                                            const std::vector<std::shared_ptr<const engine::Statement>>& statements,
                                            LaneLease& lease);
  Provenance ProvenanceOf(const engine::PreparedInfo& info) const;
  arrow::Result<Handle> KeepTicket(Ticket ticket);
  void NoteRunning(const Handle& handle, const CancelWatcher::Name& name);
  arrow::Status NoteRunningPrepared(const Handle& handle, const CancelWatcher::Name& name);
  arrow::Result<PreparedHandle> FindPrepared(const Handle& handle);
  arrow::Result<PreparedHandle> DescribeHandle(const RequestContext& context,
                                               const std::shared_ptr<const engine::Statement>& statement,
                                               const Handle& transaction);
  arrow::Result<std::unique_ptr<arrow::RecordBatchReader>> FetchQuery(const RequestContext& context,
                                                                      const Handle& handle, Ticket ticket);
  arrow::Result<std::string> TimeZone(engine::Connection& connection);
  arrow::Result<std::unique_ptr<ingest::TableWriter>> MakeWriter(engine::Connection& connection, const TableRef& table,
                                                                 const std::shared_ptr<arrow::Schema>& schema);
  arrow::Status IngestRows(LaneLease& lease, const IngestOptions& options, arrow::RecordBatchReader& rows,
                           const CancelWatcher::Watch& watch, Ingested& done);
  arrow::Status PrepareTarget(LaneLease& lease, const IngestOptions& options, const TableRef& table,
                              const std::shared_ptr<arrow::Schema>& schema, Ingested& done);
  arrow::Status RunText(LaneLease& lease, const std::string& sql);
  arrow::Result<commit::SubscribeOptions> ReadRequest(LaneLease& lease, const SubscriptionRequest& request);
  static arrow::Result<SubscribedSettings> SettingsOf(LaneLease& lease);

  SessionServices& services_;
  const Identity identity_;
  const std::string id_;
  const std::string peer_;

  // Fetches that failed: a table of a backend may have changed between its planning and the look at its columns.
  std::atomic<std::uint64_t> fetch_failures_ = 0;
  mutable Mutex mutex_;
  CondVar lane_free_;
  std::unique_ptr<Lane> home_;  // set once, in Open()
  std::vector<std::unique_ptr<Lane>> extras_ GUARDED_BY(mutex_);
  std::vector<Lane*> idle_ GUARDED_BY(mutex_);                  // of extras_, used last at the back
  std::map<std::string, Setting> settings_ GUARDED_BY(mutex_);  // the last SET or USE of each, by its name
  std::uint64_t names_version_ GUARDED_BY(mutex_) = 0;          // of temporary ones
  std::uint64_t settings_version_ GUARDED_BY(mutex_) = 0;       // of the latest
  bool pinned_home_ GUARDED_BY(mutex_) = false;      // temporary tables or PREPARE: statements must run at home
  bool sql_transaction_ GUARDED_BY(mutex_) = false;  // BEGIN by SQL, on home
  std::map<Handle, Lane*> transactions_ GUARDED_BY(mutex_);
  std::map<Handle, Ticket> tickets_ GUARDED_BY(mutex_);
  std::list<Handle> ticket_order_ GUARDED_BY(mutex_);
  std::map<Handle, CancelWatcher::Name> running_ GUARDED_BY(mutex_);  // by ticket or prepared handle
  std::map<Handle, PreparedHandle> prepared_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  std::int64_t statements_ GUARDED_BY(mutex_) = 0;
  std::int64_t subscriptions_ GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point last_used_ GUARDED_BY(mutex_) = std::chrono::steady_clock::now();
};

}  // namespace hyprstream::session
