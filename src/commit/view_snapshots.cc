#include "commit/view_snapshots.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <utility>

namespace hyprstream::commit {

namespace {

arrow::Status UnknownView(const TableRef& view) {
  return arrow::Status::KeyError("Unknown materialized view: ", view.ToString());
}

}  // namespace

arrow::Result<std::shared_ptr<TableSource>> PinnedSnapshot::View(const TableRef& view) const {
  const MutexLock lock(mutex_);
  if (!expired_.empty()) return arrow::Status::Invalid(expired_);
  const auto found = views_.find(view);
  if (found == views_.end()) return UnknownView(view);
  if (!found->second.problem.empty()) {
    return arrow::Status::Invalid("Materialized view ", view.ToString(), " cannot be read: ", found->second.problem);
  }
  return found->second.source;
}

std::vector<AnsweringView> PinnedSnapshot::ViewsOver(const TableRef& table) const {
  const MutexLock lock(mutex_);
  std::vector<AnsweringView> views;
  for (const auto& [ref, pinned] : views_) {
    const auto& query = pinned.answering.query;
    if (query != nullptr && query->base == table && pinned.problem.empty()) views.push_back(pinned.answering);
  }
  return views;
}

arrow::Result<ClosedWindows> PinnedSnapshot::Closed(const TableRef& view) const {
  ARROW_RETURN_NOT_OK(View(view).status());
  const MutexLock lock(mutex_);
  const auto found = views_.find(view);
  if (found == views_.end()) return UnknownView(view);
  if (found->second.closed.type != nullptr) return found->second.closed;
  return arrow::Status::Invalid("No window of ", view.ToString(),
                                " is ever closed: it has none over the event-time column of its table");
}

arrow::Result<std::shared_ptr<const aggregate::ViewVersion>> PinnedSnapshot::Version(const TableRef& view) const {
  ARROW_RETURN_NOT_OK(View(view).status());
  const MutexLock lock(mutex_);
  const auto found = views_.find(view);
  if (found == views_.end()) return UnknownView(view);
  return found->second.version;
}

void PinnedSnapshot::Expire(std::string why) const {
  std::map<TableRef, Pinned> released;  // ends without the lock
  const MutexLock lock(mutex_);
  released.swap(views_);
  expired_ = std::move(why);
}

arrow::Result<std::shared_ptr<TableSource>> TransactionSnapshot::View(const TableRef& view) const {
  if (const auto found = created.find(view); found != created.end()) {
    if (found->second.problem.empty()) return found->second.seen;
    return arrow::Status::Invalid("Materialized view ", view.ToString(), " cannot be read: ", found->second.problem);
  }
  if (dropped.contains(view) || below_ == nullptr) return UnknownView(view);
  return below_->View(view);
}

std::vector<AnsweringView> TransactionSnapshot::ViewsOver(const TableRef& table) const {
  if (below_ == nullptr) return {};
  auto views = below_->ViewsOver(table);
  std::erase_if(views, [this](const AnsweringView& view) {
    return dropped.contains(view.query->view) || created.contains(view.query->view);
  });
  return views;
}

arrow::Result<ClosedWindows> TransactionSnapshot::Closed(const TableRef& view) const {
  if (created.contains(view)) {
    return arrow::Status::Invalid("Which windows of ", view.ToString(),
                                  " are closed is known when its CREATE has committed");
  }
  if (dropped.contains(view) || below_ == nullptr) return UnknownView(view);
  return below_->Closed(view);
}

bool TransactionSnapshot::Fills(const MaintainedView& view) const {
  return std::ranges::any_of(created, [&](const auto& entry) { return entry.second.view.get() == &view; }) ||
         std::ranges::any_of(refreshed, [&](const auto& entry) { return entry.second.fresh.get() == &view; });
}

std::optional<TableRef> TransactionSnapshot::CommittedName(const TableRef& table) const {
  if (const auto before = renamed.find(table); before != renamed.end()) return before->second;
  if (options.contains(table)) return std::nullopt;
  return table;
}

std::shared_ptr<TransactionSnapshot> CopyDdl(engine::Connection& connection) {
  const auto snapshot = connection.snapshot();
  if (const auto ddl = std::dynamic_pointer_cast<const TransactionSnapshot>(snapshot)) {
    return std::make_shared<TransactionSnapshot>(*ddl);
  }
  return std::make_shared<TransactionSnapshot>(snapshot);
}

}  // namespace hyprstream::commit
