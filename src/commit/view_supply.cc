// Views made on tables that no longer have all rows they accepted: their states come from those of another view.
//
// The view that has them is pinned at one position, and what every commit adds from there on is merged as into any view
// that is being filled: no row is missing, and none counts twice. Which view has them is the roll-up's to say
// (engine::Connection::ReadStates).
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <mutex>
#include <span>
#include <utility>

#include "commit/commit_path_internal.h"
#include "commit/in_zone.h"

namespace hyprstream::commit {

namespace {

using States = std::span<aggregate::ViewState* const>;

// Merges the states that the connection's snapshot has for the view into each of `into`; tells whose they were.
arrow::Result<TableRef> MergeSupplied(engine::Connection& connection, const MaintainedView& view,
                                      std::optional<std::int64_t> needed_after, States into, const FoldBounds& bounds) {
  const auto merge = [&](const std::shared_ptr<arrow::RecordBatch>& batch) -> arrow::Status {
    if (bounds.stopped && bounds.stopped()) return arrow::Status::Cancelled("Filling the view was cancelled");
    ARROW_ASSIGN_OR_RAISE(const auto delta, view.state->FoldScannedStates(batch));
    for (auto* state : into) state->Merge(*delta);
    if (bounds.folded) bounds.folded(batch->num_rows());
    const auto bytes = into.front()->Stats().bytes;
    if (bytes <= bounds.state_bytes_max) return arrow::Status::OK();
    return StatesTooLarge(bytes, bounds.state_bytes_max,
                          "those that " + view.query->view.ToString() + " is being filled with");
  };
  return InZone(connection, view.query->time_zone,
                [&] { return connection.ReadStates(*view.query, needed_after, merge); });
}

void DropExpiredFrom(aggregate::ViewState& state, const MaintainedView& view) {
  if (view.ends == nullptr || view.late.expired_to == EventTime::min()) return;
  ARROW_UNUSED(state.DropOldest([&](aggregate::WindowStart window) { return view.ExpiryOf(window); }));
}

// `why`: no view can supply them; empty where there is no other view.
arrow::Status RefuseToFill(const MaintainedView& view, const std::string& missing, const std::string& why) {
  return arrow::Status::Invalid("Table ", view.query->base.ToString(), " no longer has the rows it accepted (", missing,
                                ")", why.empty() ? "" : ", and ", why,
                                "; create the view WITH (backfill = false) to count from now on");
}

// Of windows over `time` alone, in its unit; nullopt where they are of other units or have several lengths.
std::optional<aggregate::WindowStart> WindowBefore(const AggregateQuery& query, EventTime time) {
  if (!query.fixed_window || query.window_key < 0) return std::nullopt;
  const auto& type = *query.evaluated_schema->field(query.window_key)->type();
  const bool in_micros = type.id() == arrow::Type::TIMESTAMP &&
                         static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::MICRO;
  const auto last = time.time_since_epoch().count() - 1;
  std::int64_t since = 0;
  if (!in_micros || __builtin_sub_overflow(last, query.fixed_window->origin, &since)) return std::nullopt;
  const auto size = query.fixed_window->size;
  return aggregate::WindowStart{.start = last - ((since % size) + size) % size};
}

}  // namespace

std::string CommitPathImpl::RowsMissingFor(const MaintainedView& view, const TableRef& base) const {
  if (registry_.RowsGone(base)) return "keep_rows = false";
  const auto rows_before = registry_.RowsBefore(base);
  if (!rows_before.has_value()) return "";
  if (view.ends != nullptr && view.options.retention.has_value()) {  // what would have had them may have expired
    const auto window = WindowBefore(*view.query, *rows_before);
    if (window.has_value() && view.ends->EndOf(*window) <= ExpiredTo(view, std::nullopt)) return "";
  }
  return "its retention has deleted those before " + ToText(*rows_before);
}

// Windows that are over by then have expired; nullopt: all are needed.
std::optional<std::int64_t> CommitPathImpl::NeededAfter(const MaintainedView& view) const {
  if (view.ends == nullptr || !view.options.retention.has_value()) return std::nullopt;
  const auto expired_to = ExpiredTo(view, std::nullopt);
  if (expired_to == EventTime::min()) return std::nullopt;
  return expired_to.time_since_epoch().count();
}

// On a connection of its own, as what fails there ends its transaction.
arrow::Result<bool> CommitPathImpl::HasSupplier(const MaintainedView& view) {
  ARROW_ASSIGN_OR_RAISE(auto look, pool_.Begin());
  {
    const std::unique_lock gate(gate_);
    look->Attach(Pin());
  }
  const auto any =
      InZone(*look, view.query->time_zone, [&] { return look->ReadStates(*view.query, NeededAfter(view), {}); });
  if (any.status().IsInvalid() || any.status().IsNotImplemented()) return false;
  ARROW_RETURN_NOT_OK(any.status());
  return true;
}

arrow::Status CommitPathImpl::FillFromStates(engine::Connection& connection, const TransactionSnapshot& ddl,
                                             CreatedView& created, const std::string& missing) {
  auto& view = *created.view;
  const auto& base = view.query->base;
  ARROW_ASSIGN_OR_RAISE(const auto facts, connection.Facts());
  const bool keeps_rows = TableOptionsIn(ddl, base).keep_rows;
  const auto made_here = ddl.created.find(view.query->source);
  const auto source = made_here != ddl.created.end() ? made_here->second.view : registry_.Find(view.query->source);
  if (source != nullptr && source->partial) {  // another view may have more than the one that it reads
    return RefuseToFill(
        view, missing,
        "materialized view " + view.query->source.ToString() +
            ", which it reads, does not have all rows of the table either (backfill = false, or a crash)");
  }
  // Its rows that are left are what it still means (a window at the edge lacks some, as it does in a query).
  if (keeps_rows) {
    ARROW_ASSIGN_OR_RAISE(const bool any, HasSupplier(view));
    if (!any) return Fill(connection, ddl, created);
  }
  const bool redefined = std::ranges::any_of(facts.entries, [&](const auto& entry) { return entry.entry == base; });
  const bool edited = std::ranges::any_of(facts.tables, [&](const auto& changed) { return changed.table == base; });
  if (redefined || (edited && keeps_rows)) {
    return RefuseToFill(view, missing,
                        "the transaction has changed it, so that no materialized view has their states: COMMIT first");
  }
  std::optional<ConnectionPool::Lease> lease;
  std::shared_ptr<const PinnedSnapshot> pinned;
  std::vector<std::shared_ptr<MaintainedView>> views;
  {
    const std::unique_lock gate(gate_);
    ARROW_ASSIGN_OR_RAISE(auto begun, pool_.Begin());
    lease.emplace(std::move(begun));
    pinned = Pin();
    views = registry_.Published();
    registry_.AddFilling(created.view);
  }
  const FoldBounds bounds{.state_bytes_max = limits_.state_bytes_max,
                          .stopped = [&connection] { return connection.interrupted(); }};
  const auto needed_after = NeededAfter(view);  // once the supplier is pinned, who may let more windows go by then
  ARROW_ASSIGN_OR_RAISE(const auto seen, aggregate::ViewState::Make(view.query));
  const bool seen_is_now = pinned->position() == ddl.position();
  std::vector<aggregate::ViewState*> into = {view.state.get()};
  if (seen_is_now) into.push_back(seen.get());
  (*lease)->Attach(pinned);
  auto from = MergeSupplied(**lease, view, needed_after, into, bounds);
  if (from.status().IsInvalid() || from.status().IsNotImplemented()) {
    return RefuseToFill(view, missing, from.status().message());
  }
  ARROW_ASSIGN_OR_RAISE(view.filled_from, std::move(from));
  ARROW_RETURN_NOT_OK(LearnEnds(connection, view));
  NoteNeeded(view, needed_after);
  if (lasting_ && keeps_rows) {
    const auto supplier = std::ranges::find(views, view.filled_from, [](const auto& one) { return one->query->view; });
    ARROW_ASSIGN_OR_RAISE(created.gone_state, GoneStateFrom(**lease, view, **supplier));
  }
  if (!seen_is_now) {  // the last use of the lease: what fails ends its transaction
    into = {seen.get()};
    (*lease)->Attach(connection.snapshot());
    const auto then = MergeSupplied(**lease, view, needed_after, into, bounds);
    if (!then.ok()) created.problem = "its transaction began before " + view.filled_from.ToString() + " had its states";
  }
  if (edited) {
    ARROW_ASSIGN_OR_RAISE(const auto own, FoldTable(connection, view, nullptr, bounds));
    seen->Merge(*own);
  }
  DropExpiredFrom(*seen, view);
  created.seen = aggregate::MakeViewSource(seen->Pin());
  return arrow::Status::OK();
}

// The view has no state of a window that is over by then, or not all of it: such windows have expired, also where its
// retention is taken from it before it is there.
void CommitPathImpl::NoteNeeded(MaintainedView& view, std::optional<std::int64_t> needed_after) {
  view.lost_before.reset();
  if (!needed_after) return;
  const std::unique_lock gate(gate_);  // commits merge into it already
  view.lost_before = view.late.expired_to = EventTime(Micros(*needed_after));
  ARROW_UNUSED(DropExpired(view));
}

// What was saved of the supplier for rows that are gone, as the view's own.
arrow::Result<std::shared_ptr<arrow::Buffer>> CommitPathImpl::GoneStateFrom(engine::Connection& connection,
                                                                            const MaintainedView& view,
                                                                            const MaintainedView& supplier) {
  const auto gone = supplier.state->MakeEmpty();
  ARROW_RETURN_NOT_OK(MergeGoneStates(connection, *gone, supplier));
  const auto version = gone->Pin();
  const auto source = aggregate::MakeViewSource(version);
  auto snapshot = std::make_shared<PinnedSnapshot>(Position());
  snapshot->Add(supplier.query->view,
                {.source = source,
                 .problem = "",
                 .answering = {.query = supplier.query, .source = source, .partial = {}, .whole_from = {}},
                 .version = version});
  connection.Attach(snapshot);
  const auto own = view.state->MakeEmpty();
  const std::vector<aggregate::ViewState*> into = {own.get()};
  ARROW_RETURN_NOT_OK(MergeSupplied(connection, view, std::nullopt, into, {}).status());
  DropExpiredFrom(*own, view);
  if (own->Stats().rows == 0) return nullptr;
  return own->Serialize();
}

arrow::Status CommitPathImpl::CheckFilledFromStates(const Staged& staged, const CreatedView& created) {
  const auto& view = *created.view;
  if (view.filled_from.name.empty()) return arrow::Status::OK();
  const auto& base = view.query->base;
  const auto edits = [&](const ViewDelta& delta) { return delta.view == created.view && delta.recompute; };
  if (std::ranges::any_of(staged.deltas, edits)) {
    return arrow::Status::Invalid("Rows of table ", base.ToString(),
                                  " are changed by the transaction that creates materialized view ",
                                  view.query->view.ToString(),
                                  ", which rows that are gone are part of; COMMIT one "
                                  "before the other");
  }
  if (!view.refill && view.touched.empty()) return arrow::Status::OK();
  return arrow::Status::Invalid("Rows of table ", base.ToString(), " were changed by others while materialized view ",
                                view.query->view.ToString(), " was filled from the states of ",
                                view.filled_from.ToString(), "; create it again");
}

}  // namespace hyprstream::commit
