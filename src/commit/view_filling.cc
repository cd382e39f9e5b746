// CREATE MATERIALIZED VIEW ... WITH (background = true): filled once its CREATE has committed.
//
// The view is there from then on, but cannot be read. It gets the rows that are committed at that moment from a
// snapshot, and from that moment on what every commit adds; windows whose rows change meanwhile are computed again at
// the end, under the gate, where it becomes readable as a whole.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>

#include <mutex>
#include <utility>

#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

namespace {

arrow::Result<std::int64_t> CountRows(engine::Connection& connection, const TableRef& table) {
  ARROW_ASSIGN_OR_RAISE(const auto executed,
                        connection.Run("SELECT count(*) AS n FROM " + connection.LastingName(table)));
  ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
  return static_cast<const arrow::Int64Array&>(*batches.at(0)->column(0)).Value(0);
}

}  // namespace

void CommitPathImpl::FillLater(const std::shared_ptr<MaintainedView>& view) {
  view->status = ViewStatus::kFilling;
  view->problem = "it is being filled; hyprstream.views shows how far it is";
  registry_.Publish(view);
  auto lease = pool_.Begin();  // sees what has been committed so far, and nothing else
  if (!lease.ok()) {
    view->filling = false;
    return view->Break("filling it did not begin (" + lease.status().message() + "); REFRESH it");
  }
  const auto rows = std::make_shared<ConnectionPool::Lease>(std::move(lease).ValueUnsafe());
  filler_.Add([this, view, rows](const std::function<bool()>& stopped) {
    FillInBackground(*view, std::move(*rows), [&] { return stopped() || view->abandoned; });
  });
}

void CommitPathImpl::FillInBackground(MaintainedView& view, ConnectionPool::Lease rows,
                                      const std::function<bool()>& stopped) {
  auto filled = FillFrom(*rows, view, stopped);
  const std::unique_lock gate(gate_);
  if (stopped()) return;
  if (filled.ok()) filled = FinishFilling(view);
  view.filling = false;
  view.touched.clear();
  if (filled.ok()) {
    view.status = ViewStatus::kReady;
    view.problem.clear();
    view.NoteWhatItHas();
    ExpireWindows(view, false);
  } else {
    view.BreakUnfilled(filled);
  }
  ++catalog_version_;
  ++position_;  // readers share what is pinned at one position
  PublishChanges();
}

arrow::Status CommitPathImpl::FillFrom(engine::Connection& rows, MaintainedView& view,
                                       const std::function<bool()>& stopped) {
  ARROW_ASSIGN_OR_RAISE(view.rows_to_fill, CountRows(rows, view.query->base));
  const FoldBounds bounds{.state_bytes_max = limits_.state_bytes_max,
                          .stopped = stopped,
                          .folded = [&](std::int64_t more) { view.rows_filled += more; }};
  ARROW_ASSIGN_OR_RAISE(const auto delta, FoldTable(rows, view, nullptr, bounds));
  view.state->Merge(*delta);
  return LearnEnds(rows, view);
}

arrow::Status CommitPathImpl::FinishFilling(MaintainedView& view) {
  if (!view.fill_problem.empty()) {
    return arrow::Status::Invalid("a row that came meanwhile does not fit: ", view.fill_problem);
  }
  if (view.status == ViewStatus::kBroken) return arrow::Status::Invalid(view.problem);
  std::int64_t bytes = 0;
  for (const auto& other : registry_.Published()) bytes += other->state->Stats().bytes;
  if (bytes > limits_.state_bytes_max) {
    return StatesTooLarge(bytes, limits_.state_bytes_max, "with those of " + view.query->view.ToString());
  }
  if (!view.refill && view.touched.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto now, pool_.Begin());
  if (!view.refill) return RecomputeTouched(*now, view);
  ARROW_ASSIGN_OR_RAISE(const auto delta, FoldTable(*now, view, nullptr, {.state_bytes_max = limits_.state_bytes_max}));
  view.state->ReplaceAll(*delta);
  return LearnEnds(*now, view);
}

}  // namespace hyprstream::commit
