// What is stored of views, read at a start; see commit_path.h for the contract.
#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>

#include "commit/commit_path_internal.h"
#include "commit/in_zone.h"

namespace hyprstream::commit {

namespace {

// An error of the definition, not of reading it.
bool IsRefusal(const arrow::Status& status) {
  return status.IsInvalid() || status.IsNotImplemented() || status.IsKeyError() || status.IsTypeError();
}

}  // namespace

arrow::Status CommitPathImpl::LoadView(engine::Connection& connection, const StoredView& stored, bool crashed) {
  auto made = MakeStored(stored);
  if (IsRefusal(made.status())) return RefuseStored(connection, stored, made.status());
  ARROW_ASSIGN_OR_RAISE(const auto view, std::move(made));
  ARROW_RETURN_NOT_OK(LoadRowsOf(connection, stored, *view, crashed));
  ARROW_RETURN_NOT_OK(LearnEndsAtStart(*view));
  ExpireWindows(*view, false);
  view->NoteWhatItHas();
  registry_.Publish(view);
  return arrow::Status::OK();
}

// On a connection of its own, as what fails there ends its transaction.
arrow::Result<std::shared_ptr<MaintainedView>> CommitPathImpl::MakeStored(const StoredView& stored) {
  ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
  auto view = std::make_shared<MaintainedView>();
  ARROW_ASSIGN_OR_RAISE(auto query, InZone(*lease, stored.time_zone, [&] {
                          return engine_.AnalyzeView(*lease, stored.view, stored.definition, stored.time_zone,
                                                     Surroundings(nullptr), stored.source);
                        }));
  view->query = std::make_shared<const AggregateQuery>(std::move(query));
  ARROW_ASSIGN_OR_RAISE(view->state, aggregate::ViewState::Make(view->query));
  view->options = stored.options;
  view->merged = stored.merged;
  view->filled_from = stored.filled_from;
  view->lost_before = stored.lost_before;
  std::string why;
  ARROW_ASSIGN_OR_RAISE(view->ends,
                        WindowEnds::Make(*lease, *view->query, registry_.OptionsOf(stored.base).time_column, why));
  view->changes = ChangesOf(*view);
  return view;
}

// The server starts without it. What is stored of it stays for who can read it, but for what is soon out of date.
arrow::Status CommitPathImpl::RefuseStored(engine::Connection& connection, const StoredView& stored,
                                           const arrow::Status& why) {
  if (registry_.OptionsOf(stored.base).keep_rows) ARROW_RETURN_NOT_OK(RemoveSaved(connection, stored.view));
  registry_.AddRefused({.stored = stored,
                        .problem = "its definition is not one that this version takes (" + why.message() +
                                   "); drop it, or start the version that made it"});
  return arrow::Status::OK();
}

// What was saved of rows that are kept is soon out of date, and forgotten at once; what was saved of others is all
// there is of them, until it is saved again.
arrow::Status CommitPathImpl::LoadRowsOf(engine::Connection& connection, const StoredView& stored, MaintainedView& view,
                                         bool crashed) {
  ARROW_ASSIGN_OR_RAISE(const auto late_rows, LoadLateRows(connection, stored.view));
  ARROW_ASSIGN_OR_RAISE(view.late, LateRows::Load(late_rows));
  ARROW_ASSIGN_OR_RAISE(const auto saved, LoadState(connection, stored.view));
  const bool keeps_rows = registry_.OptionsOf(stored.base).keep_rows;
  if (keeps_rows) ARROW_RETURN_NOT_OK(RemoveSaved(connection, stored.view));
  if (keeps_rows && !saved.has_value()) {
    ARROW_RETURN_NOT_OK(FillAtStart(view));
    const auto gone = MergeGoneStates(connection, *view.state, view);
    if (!gone.ok()) view.Break("its saved state cannot be read: " + gone.message());
  } else if (!saved.has_value()) {  // the server ended without ever saving it: it counts from now on
    view.partial = stored.partial || registry_.RowsGone(stored.base);
  } else {
    view.partial = stored.partial || crashed;
    const auto restored = view.state->Restore(*saved);
    if (!restored.ok()) view.Break("its saved state cannot be read: " + restored.message());
    if (!restored.ok()) view.partial = true;  // for who can read it: it gets no rows now
  }
  if (view.partial != stored.partial) ARROW_RETURN_NOT_OK(StorePartial(connection, stored.view, view.partial));
  return LoadMerged(connection, view, saved.has_value());
}

// A row that it cannot take may have come while it was broken: then it is again, and the server starts. On connections
// of their own, as what fails there ends its transaction.
arrow::Status CommitPathImpl::FillAtStart(MaintainedView& view) {
  ARROW_ASSIGN_OR_RAISE(auto rows, pool_.Begin());
  const auto delta = FoldTable(*rows, view, nullptr);
  if (delta.ok()) {
    view.state->Merge(**delta);
  } else {
    view.BreakUnfilled(delta.status());
  }
  return arrow::Status::OK();
}

arrow::Status CommitPathImpl::LearnEndsAtStart(MaintainedView& view) {
  ARROW_ASSIGN_OR_RAISE(auto rows, pool_.Begin());
  const auto learnt = LearnEnds(*rows, view);
  if (!learnt.ok()) view.BreakUnfilled(learnt);
  return arrow::Status::OK();
}

}  // namespace hyprstream::commit
