#include "commit/view_registry.h"

#include <algorithm>
#include <utility>

namespace hyprstream::commit {

std::uint64_t ViewRegistry::version() const {
  const MutexLock lock(mutex_);
  return version_;
}

Views ViewRegistry::Published() const {
  const MutexLock lock(mutex_);
  Views views;
  for (const auto& [ref, view] : views_) views.push_back(view);
  return views;
}

Views ViewRegistry::Maintained() const {
  const MutexLock lock(mutex_);
  Views views;
  for (const auto& [ref, view] : views_) views.push_back(view);
  for (const auto& filling : filling_) {
    if (auto view = filling.lock()) views.push_back(std::move(view));
  }
  return views;
}

bool ViewRegistry::Contains(const TableRef& view) const {
  const MutexLock lock(mutex_);
  return views_.contains(view) || refused_.contains(view);
}

std::vector<RefusedView> ViewRegistry::Refused() const {
  const MutexLock lock(mutex_);
  std::vector<RefusedView> refused;
  for (const auto& [ref, view] : refused_) refused.push_back(view);
  return refused;
}

std::shared_ptr<MaintainedView> ViewRegistry::Find(const TableRef& view) const {
  const MutexLock lock(mutex_);
  const auto found = views_.find(view);
  return found == views_.end() ? nullptr : found->second;
}

std::vector<TableRef> ViewRegistry::ViewsOf(const TableRef& table) const {
  const MutexLock lock(mutex_);
  std::vector<TableRef> names;
  for (const auto& [ref, view] : views_) {
    if (view->query->base == table) names.push_back(ref);
  }
  return names;
}

std::vector<std::string> ViewRegistry::ViewNames() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [ref, view] : views_) names.push_back(ref.ToString());
  for (const auto& [ref, view] : refused_) names.push_back(ref.ToString());
  return names;
}

TableOptions ViewRegistry::OptionsOf(const TableRef& table) const {
  const MutexLock lock(mutex_);
  const auto found = options_.find(table);
  return found == options_.end() ? TableOptions{} : found->second;
}

bool ViewRegistry::RowsGone(const TableRef& table) const {
  const MutexLock lock(mutex_);
  const auto options = options_.find(table);
  if (options == options_.end() || options->second.keep_rows) return false;
  const auto progress = progress_.find(table);
  return rows_gone_.contains(table) || (progress != progress_.end() && progress->second.rows_accepted > 0);
}

Position ViewRegistry::ChangedAt(const TableRef& table) const {
  const MutexLock lock(mutex_);
  const auto found = progress_.find(table);
  return found == progress_.end() ? Position() : found->second.changed_at;
}

Position ViewRegistry::AlteredAt(const TableRef& table) const {
  const MutexLock lock(mutex_);
  const auto found = altered_.find(table);
  return found == altered_.end() ? Position() : found->second;
}

std::optional<EventTime> ViewRegistry::MarkOf(const TableRef& table) const {
  const MutexLock lock(mutex_);
  const auto found = progress_.find(table);
  return found == progress_.end() ? std::nullopt : found->second.mark;
}

std::optional<EventTime> ViewRegistry::RowsBefore(const TableRef& table) const {
  const MutexLock lock(mutex_);
  const auto found = progress_.find(table);
  return found == progress_.end() ? std::nullopt : found->second.rows_before;
}

std::vector<TableInfo> ViewRegistry::Tables() const {
  const MutexLock lock(mutex_);
  std::map<TableRef, TableInfo> tables;
  for (const auto& [table, options] : options_) tables[table].options = options;
  for (const auto& [table, progress] : progress_) {
    if (table.schema == kCatalogSchema) continue;
    tables[table].rows_accepted = progress.rows_accepted;
    tables[table].mark = progress.mark;
    tables[table].rows_before = progress.rows_before;
    tables[table].problem = progress.problem;
  }
  for (const auto& [ref, view] : views_) tables[view->query->base].views.push_back(ref);
  std::vector<TableInfo> infos;
  for (auto& [table, info] : tables) {
    info.table = table;
    infos.push_back(std::move(info));
  }
  return infos;
}

void ViewRegistry::AddFilling(const std::shared_ptr<MaintainedView>& view) {
  const MutexLock lock(mutex_);
  std::erase_if(filling_, [](const auto& filling) { return filling.expired(); });
  filling_.push_back(view);
  ++version_;
}

void ViewRegistry::Publish(const std::shared_ptr<MaintainedView>& view) {
  const MutexLock lock(mutex_);
  std::erase_if(filling_, [&](const auto& filling) { return filling.lock() == view; });
  views_.erase(view->query->view);  // so that the name is spelled as the new one spells it
  views_[view->query->view] = view;
  ++version_;
}

void ViewRegistry::AddRefused(RefusedView view) {
  const MutexLock lock(mutex_);
  refused_[view.stored.view] = std::move(view);
  ++version_;
}

void ViewRegistry::Remove(const TableRef& view) {
  const MutexLock lock(mutex_);
  views_.erase(view);
  refused_.erase(view);
  ++version_;
}

void ViewRegistry::SetOptions(TableOptionsMap options) {
  const MutexLock lock(mutex_);
  options_ = std::move(options);
}

void ViewRegistry::ChangeOptions(const std::vector<TableRef>& tables, const TableOptionsMap& options) {
  const MutexLock lock(mutex_);
  for (const auto& table : tables) {
    options_.erase(table);  // so that the name is spelled as the new one spells it
    if (const auto found = options.find(table); found != options.end()) options_.insert(*found);
  }
}

void ViewRegistry::SetRowsGone(std::set<TableRef> tables) {
  const MutexLock lock(mutex_);
  rows_gone_ = std::move(tables);
}

void ViewRegistry::AddRows(const TableRef& table, std::int64_t rows, Position at) {
  const MutexLock lock(mutex_);
  auto& progress = progress_[table];
  progress.rows_accepted += rows;
  progress.changed_at = at;
}

void ViewRegistry::RaiseMark(const TableRef& table, EventTime mark, Clock::TimePoint now) {
  const MutexLock lock(mutex_);
  auto& progress = progress_[table];
  const auto raised = std::min(mark, EventTime::max() - Micros(1));
  progress.mark = std::max(progress.mark.value_or(raised), raised);
  progress.heard_at = now;
}

bool ViewRegistry::FollowClock(Clock::TimePoint now, EventTime wall) {
  const MutexLock lock(mutex_);
  bool moved = false;
  for (const auto& [table, options] : options_) {
    if (!options.idle_timeout.has_value()) continue;
    const auto found = progress_.find(table);
    if (found == progress_.end() || !found->second.mark.has_value()) continue;
    auto& progress = found->second;
    if (now - progress.heard_at < *options.idle_timeout) continue;
    const auto mark = Minus(wall, *options.idle_timeout);
    if (mark <= *progress.mark) continue;
    progress.mark = mark;
    moved = true;
  }
  return moved;
}

void ViewRegistry::SetProblem(const TableRef& table, std::string problem) {
  const MutexLock lock(mutex_);
  const auto found = progress_.find(table);
  if (found != progress_.end()) found->second.problem = std::move(problem);
}

void ViewRegistry::SetRowsBefore(const TableRef& table, EventTime rows_before, Position at) {
  const MutexLock lock(mutex_);
  auto& progress = progress_[table];
  progress.rows_before = rows_before;
  progress.changed_at = at;
}

void ViewRegistry::Redefine(const std::vector<TableRef>& redefined, const std::map<TableRef, TableRef>& renamed) {
  const MutexLock lock(mutex_);
  const auto progress = progress_;
  const auto rows_gone = rows_gone_;
  for (const auto& table : redefined) {
    progress_.erase(table);
    rows_gone_.erase(table);
    altered_.erase(table);
  }
  for (const auto& [now, before] : renamed) {
    if (const auto found = progress.find(before); found != progress.end()) progress_[now] = found->second;
    if (rows_gone.contains(before)) rows_gone_.insert(now);
  }
}

void ViewRegistry::NoteAltered(const std::vector<TableRef>& tables, Position at) {
  const MutexLock lock(mutex_);
  for (const auto& table : tables) altered_[table] = at;
}

}  // namespace hyprstream::commit
