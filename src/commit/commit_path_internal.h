// The commit path and what it is made of; see commit_path.h for the contract.
//
// commit_path.cc holds the life of a transaction, view_statements.cc our DDL, view_checks.cc what it must not do,
// view_saving.cc what the next start finds, and view_loading.cc that start.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/periodic_timer.h"
#include "base/thread_annotations.h"
#include "commit/commit_gate.h"
#include "commit/commit_path.h"
#include "commit/connection_pool.h"
#include "commit/subscription.h"
#include "commit/view_catalog.h"
#include "commit/view_filler.h"
#include "commit/view_maintenance.h"
#include "commit/view_registry.h"
#include "commit/view_snapshots.h"

namespace hyprstream::commit {

// How long, and with how much of replaced states, a transaction may stay at an old position.
struct PinBounds {
  std::chrono::seconds age_max{3600};
  std::int64_t bytes_max = 256LL << 20;
};

// A name as written, with the session's current schema where none is given.
arrow::Result<TableRef> CompleteName(engine::Connection& connection, TableRef ref, bool schema_given);

class CommitPathImpl : public CommitPath {
 public:
  CommitPathImpl(engine::Engine& engine, CommitLimits limits, PinBounds bounds = {}, const Clock* clock = nullptr)
      : engine_(engine),
        limits_(limits),
        pool_(engine),
        pin_bounds_(bounds),
        clock_(clock != nullptr ? *clock : system_clock_) {}

  arrow::Status Open();
  // From now on what has expired goes by itself. Without it ExpireByTime() is its owner's to call.
  void StartTimer() {
    expiry_.Start("expiry", std::chrono::seconds(1), [this] { ExpireByTime(); });
  }
  // Moves the marks of silent tables on and takes away what has expired. One call at a time.
  void ExpireByTime();
  arrow::Status Begin(engine::Connection& connection) override;
  arrow::Result<CommitReceipt> Commit(engine::Connection& connection, int batches) override;
  arrow::Result<bool> CreateView(engine::Connection& connection, const engine::CreateMaterializedView& create,
                                 const std::string& time_zone) override;
  arrow::Result<bool> DropView(engine::Connection& connection, const engine::DropMaterializedView& drop) override;
  arrow::Result<bool> AlterView(engine::Connection& connection, const engine::AlterMaterializedView& alter) override;
  arrow::Result<std::int64_t> MergeStates(engine::Connection& connection, const engine::InsertStates& insert,
                                          arrow::RecordBatchReader& rows) override;
  arrow::Status RefreshView(engine::Connection& connection, const engine::RefreshMaterializedView& refresh) override;
  arrow::Status SetTableOptions(engine::Connection& connection, const engine::CreateTableOptions& options) override;
  arrow::Status CarryOptions(engine::Connection& connection, const engine::Renaming& renaming) override;
  arrow::Status CheckStatement(const engine::Statement& statement, const engine::PreparedInfo& info) override;
  bool KeepsRows(const TableRef& table) const override { return registry_.OptionsOf(table).keep_rows; }
  bool IsView(const TableRef& table) const override { return registry_.Contains(table); }
  Position position() const override { return Position(position_.load()); }
  std::uint64_t catalog_version() const override { return catalog_version_.load(); }
  std::vector<TableInfo> Tables() const override { return registry_.Tables(); }
  std::vector<ViewInfo> Views() const override;
  std::vector<WindowInfo> Windows() const override;
  arrow::Status SaveStates(Saving saving) override;
  arrow::Result<std::unique_ptr<Subscription>> Subscribe(const SubscribeOptions& options) override;
  // Opens the connection's transaction and pins what the subscriber at `place` is to be told of the view.
  arrow::Result<Delivery> BeginDelivery(engine::Connection& connection, const MaintainedView& view,
                                        const ViewChanges::Place& place);
  // Positions that are remembered because somebody may still read there.
  std::size_t pins() const;

  // Everything that a commit publishes once DuckDB has committed.
  struct Staged {
    engine::TransactionFacts facts;
    Position read_at;                             // the transaction's snapshot
    std::shared_ptr<TransactionSnapshot> ddl;     // of ours; empty when there was none
    std::optional<TableOptionsMap> options = {};  // as it sees them, when it changed some
    std::uint64_t registry_version = 0;           // that the rest was made for
    std::set<TableRef> emptied = {};              // they keep no rows: those stored are deleted again
    RowChanges changes = {};
    std::vector<ViewDelta> deltas = {};
    std::map<TableRef, EventTime> newest = {};  // of tables with an event-time column
  };

  // The two halves of Commit(): what can be done before the gate, and what it keeps from others. Between them views may
  // come, go and be filled.
  arrow::Result<Staged> Stage(engine::Connection& connection, engine::TransactionFacts facts);
  arrow::Result<CommitReceipt> CommitStaged(engine::Connection& connection, Staged staged, int batches);

 private:
  // ---- commits (commit_path.cc)
  std::shared_ptr<const PinnedSnapshot> Pin();
  void ExpirePins();
  arrow::Status StageOptions(engine::Connection& connection, Staged& staged);
  arrow::Status StoreWhatIsKept(engine::Connection& connection, Staged& staged);
  arrow::Status CheckTaken(engine::Connection& connection, const Staged& staged);
  arrow::Status Capture(engine::Connection& connection, Staged& staged);
  arrow::Status Fold(Staged& staged);
  arrow::Status RecomputeBefore(engine::Connection& connection, Staged& staged);
  arrow::Status CatchUp(engine::Connection& connection, Staged& staged);
  void Publish(Staged staged, int batches);
  void RedefineTables(const Staged& staged, Position at);
  void PublishDelta(const Staged& staged, const ViewDelta& delta);
  void PublishViews(const Staged& staged, Position at);
  void PublishChanges();
  void EndChanges(const TableRef& view, const std::string& what);
  void Recompute(MaintainedView& view, const std::shared_ptr<arrow::RecordBatch>& windows);
  arrow::Status CheckRead(const TableRef& table, bool edited) const;
  arrow::Status InTransaction(const std::function<arrow::Status(engine::Connection&)>& work);
  bool KeepsRows(const Staged& staged, const TableRef& table) const;
  std::vector<TableRef> ReadersOf(const TransactionSnapshot& ddl, const TableRef& view) const;
  arrow::Status CheckUnread(const TransactionSnapshot& ddl, const TableRef& view, const std::string& what) const;
  engine::ViewSurroundings Surroundings(const TransactionSnapshot* ddl) const;
  // As the transaction sees its tables.
  TableOptions TableOptionsIn(const TransactionSnapshot& ddl, const TableRef& table) const;

  // ---- the bound on states (state_bytes.cc)
  arrow::Status CheckStateBytes(const Staged& staged) const;
  std::int64_t ExpiringBytes(const Staged& staged, const MaintainedView& view) const;

  // ---- event time (event_time_rules.cc)
  EventTime WallNow() const;
  TableOptions OptionsFor(const Staged& staged, const TableRef& table) const;
  arrow::Status FindNewest(engine::Connection& connection, Staged& staged);
  // Marks of silent tables, under the gate; who begins to read then sees windows closed by them.
  void FollowClock();
  std::optional<EventTime> WatermarkOf(const MaintainedView& view) const;
  ClosedWindows ClosedWindowsOf(const MaintainedView& view) const;
  AnsweringView AnsweringOf(const MaintainedView& view, std::shared_ptr<TableSource> source) const;
  // Under the gate, before anything of the commit is applied: which rows do views leave out, and may it commit at all?
  arrow::Status JudgeRows(Staged& staged, bool last_try);
  arrow::Status JudgeDelta(const Staged& staged, ViewDelta& delta);
  static arrow::Status CheckSubtract(const ViewDelta& delta);
  arrow::Status CheckRecompute(const Staged& staged, const ViewDelta& delta) const;
  arrow::Status CheckSessions(const ViewDelta& delta, bool is_last) const;
  // The mark that a row of the time `newest` would raise the table's to.
  EventTime MarkFrom(const TableRef& table, EventTime newest) const;
  void RaiseMarks(const Staged& staged);
  // Up to where windows of a view with a retention have expired, with the mark there is or a newer one.
  EventTime ExpiredTo(const MaintainedView& view, std::optional<EventTime> new_mark) const;
  // Finds out what has expired by now and takes it away, also what had before the view lost its retention; what it was
  // is counted where `counts`. False: nothing.
  bool ExpireWindows(MaintainedView& view, bool counts);
  // Only what was known to have expired, and may have come back.
  static aggregate::ViewStats DropExpired(MaintainedView& view);
  arrow::Status LoadMarks(engine::Connection& connection);

  // ---- expiry by the timer (row_expiry.cc)
  void ExpireWindowsByTime(const std::vector<TableInfo>& tables);
  std::optional<EventTime> RowHorizon(const TableInfo& table) const;
  arrow::Status ExpireRows(const TableInfo& table);
  // `expired`: the condition of the rows that go.
  arrow::Status StoreGoneStates(engine::Connection& connection, const TableRef& table, const std::string& expired);
  static arrow::Status MergeGoneStates(engine::Connection& connection, aggregate::ViewState& state,
                                       const MaintainedView& view);

  // ---- views (view_statements.cc)
  std::shared_ptr<ViewChanges> ChangesOf(const MaintainedView& view) const;
  bool ViewExists(const TransactionSnapshot& ddl, const TableRef& view) const;
  arrow::Result<CreatedView> BuildView(engine::Connection& connection, const TransactionSnapshot& ddl,
                                       const TableRef& view, const engine::CreateMaterializedView& create,
                                       const std::string& time_zone);
  arrow::Status Fill(engine::Connection& connection, const TransactionSnapshot& ddl, CreatedView& created);
  arrow::Status WriteView(engine::Connection& connection, const CreatedView& view, bool replace);
  // The view as a transaction sees it; null when there is none.
  std::shared_ptr<MaintainedView> FindView(const TransactionSnapshot& ddl, const TableRef& view) const;
  // `options` as the transaction has altered them.
  static ViewOptions OptionsIn(const TransactionSnapshot& ddl, const MaintainedView& view);
  arrow::Status UnknownView(const TableRef& view) const;
  // A view that another transaction has made since this one began is not in what it can change.
  arrow::Status CheckSeen(const TransactionSnapshot& ddl, const TableRef& view) const;
  // ---- views of tables that no longer have all rows (view_supply.cc)
  // Empty, or why rows that the view would have are gone from its table; `base`: as it is called where it is committed.
  std::string RowsMissingFor(const MaintainedView& view, const TableRef& base) const;
  std::optional<std::int64_t> NeededAfter(const MaintainedView& view) const;
  arrow::Result<bool> HasSupplier(const MaintainedView& view);
  void NoteNeeded(MaintainedView& view, std::optional<std::int64_t> needed_after);
  arrow::Status FillFromStates(engine::Connection& connection, const TransactionSnapshot& ddl, CreatedView& created,
                               const std::string& missing);
  static arrow::Result<std::shared_ptr<arrow::Buffer>> GoneStateFrom(engine::Connection& connection,
                                                                     const MaintainedView& view,
                                                                     const MaintainedView& supplier);
  // What FillFromStates() leaves to the commit, under the gate.
  arrow::Status CheckFilledFromStates(const Staged& staged, const CreatedView& created);

  // ---- what a start reads (view_loading.cc)
  // `crashed`: rows may have come after its state was saved.
  arrow::Status LoadView(engine::Connection& connection, const StoredView& stored, bool crashed);
  arrow::Result<std::shared_ptr<MaintainedView>> MakeStored(const StoredView& stored);
  arrow::Status RefuseStored(engine::Connection& connection, const StoredView& stored, const arrow::Status& why);
  arrow::Status LoadRowsOf(engine::Connection& connection, const StoredView& stored, MaintainedView& view,
                           bool crashed);
  arrow::Status FillAtStart(MaintainedView& view);
  arrow::Status LearnEndsAtStart(MaintainedView& view);

  // ---- what an orderly end and a flush save (view_saving.cc); where there is nothing, no transaction begins
  arrow::Status SaveView(const MaintainedView& view, bool keeps_rows);
  // Of the tables that keep their rows, or of those that do not.
  arrow::Status SaveMarks(Saving saving, bool keep_rows);
  // Of tables that keep no rows: have any come? Not of those with a view that is not saved.
  arrow::Status SaveRowsGone(const std::set<TableRef>& unsaved);

  // ---- views filled while commits go on (view_filling.cc)
  // Under the gate, once its CREATE has committed.
  void FillLater(const std::shared_ptr<MaintainedView>& view);
  void FillInBackground(MaintainedView& view, ConnectionPool::Lease rows, const std::function<bool()>& stopped);
  arrow::Status FillFrom(engine::Connection& rows, MaintainedView& view, const std::function<bool()>& stopped);
  arrow::Status FinishFilling(MaintainedView& view);

  // ---- states of other servers (view_merging.cc)
  arrow::Status CheckMerged(const Staged& staged) const;
  void PublishMerged(const MergedStates& merged);
  arrow::Status LoadMerged(engine::Connection& connection, MaintainedView& view, bool was_saved);

  static arrow::Result<std::string> RangeOf(engine::Connection& connection,
                                            const engine::RefreshMaterializedView& refresh, RefreshedView& refreshed);
  arrow::Status FillRefreshed(engine::Connection& connection, RefreshedView& refreshed, const std::string& condition);
  arrow::Status CheckBroken(const MaintainedView& view) const;
  // Are the rows of all that is computed again still there?
  arrow::Status CheckRowsOf(const RefreshedView& refreshed) const;
  // May what was computed take its view's place? Under the gate.
  arrow::Status CheckRefreshed(const Staged& staged);
  void PublishRefreshed(const RefreshedView& refreshed);

  // ---- what a commit may not do to views (view_checks.cc)
  // After DDL in the transaction: every view's table and definition must mean what they meant.
  arrow::Status CheckCatalog(engine::Connection& connection, const Staged& staged);
  arrow::Status CheckDefinition(engine::Connection& connection, const AggregateQuery& query);
  // Nobody may have changed the tables of views made by this transaction since its snapshot. Under the gate.
  arrow::Status CheckCreated(const Staged& staged);
  // One that is filled once it has committed (background = true) finds the rows that its CREATE found.
  arrow::Status CheckToBeFilled(const Staged& staged, const CreatedView& created) const;
  arrow::Status CheckMadeOf(const Staged& staged, const CreatedView& created);
  // A table whose options name its event time still has that column, and it is a time.
  static arrow::Status CheckTimeColumns(engine::Connection& connection, const Staged& staged);

  engine::Engine& engine_;
  const CommitLimits limits_;
  ConnectionPool pool_;
  // Alone for a commit's last step and for changes of the registry, shared for a moment by every read.
  mutable CommitGate gate_;
  ViewRegistry registry_;
  std::atomic<std::uint64_t> position_ = 0;
  std::atomic<std::uint64_t> catalog_version_ = 0;

  struct AgingPin {
    std::weak_ptr<const PinnedSnapshot> snapshot;
    Clock::TimePoint since;
  };
  const PinBounds pin_bounds_;
  const SystemClock system_clock_;
  const Clock& clock_;
  mutable Mutex pin_mutex_;
  std::weak_ptr<const PinnedSnapshot> pinned_ GUARDED_BY(pin_mutex_);  // shared by readers, see Pin()
  std::deque<AgingPin> pins_ GUARDED_BY(pin_mutex_);                   // oldest first; some have ended
  static constexpr std::size_t kPinsPrunedAt = 64;
  std::size_t pins_pruned_at_ GUARDED_BY(pin_mutex_) = kPinsPrunedAt;

  bool lasting_ = false;                                          // the database is a file
  std::map<TableRef, std::optional<EventTime>> rows_checked_to_;  // the timer's
  ViewFiller filler_;                                             // these use the rest
  PeriodicTimer expiry_{clock_};
};

}  // namespace hyprstream::commit
