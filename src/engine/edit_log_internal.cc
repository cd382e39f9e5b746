#include "engine/edit_log_internal.h"

#include <ranges>
#include <utility>

namespace hyprstream::engine {

namespace {

constexpr std::size_t kEntryCost = 16;  // what a commit takes beside its ranges, in ranges

bool Overlap(const std::vector<RowRange>& left, const std::vector<RowRange>& right) {
  auto l = left.begin();
  auto r = right.begin();
  while (l != left.end() && r != right.end()) {
    if (l->last < r->first) {
      ++l;
    } else if (r->last < l->first) {
      ++r;
    } else {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string EditConflict(const TableRef& table) {
  return "Conflict: rows of table " + table.ToString() +
         " that this transaction changes were changed by another one that has committed since it began; nothing of it "
         "stays: run it again";
}

std::uint64_t EditLog::now() const {
  const MutexLock lock(mutex_);
  return now_;
}

arrow::Status EditLog::Check(const EditedRows& edited, std::uint64_t begun) const {
  const auto refuse = [](const TableEdits& edits) { return arrow::Status::Invalid(EditConflict(edits.table)); };
  for (const auto& [table, edits] : edited) {
    const auto forgotten = forgotten_.find(table);
    if (forgotten != forgotten_.end() && forgotten->second > begun) return refuse(edits);
  }
  for (const auto& entry : std::views::reverse(entries_)) {
    if (entry.at <= begun) break;
    for (const auto& [table, edits] : edited) {
      const auto theirs = entry.rows.find(table);
      if (theirs != entry.rows.end() && Overlap(edits.rows, theirs->second.rows)) return refuse(edits);
    }
  }
  return arrow::Status::OK();
}

arrow::Status EditLog::Commit(EditedRows edited, std::uint64_t begun, const std::function<arrow::Status()>& commit) {
  if (edited.empty()) return commit();
  const MutexLock lock(mutex_);
  ARROW_RETURN_NOT_OK(Check(edited, begun));
  ARROW_RETURN_NOT_OK(commit());
  Entry entry{.at = ++now_, .ranges = kEntryCost, .rows = std::move(edited)};
  for (const auto& [_, edits] : entry.rows) entry.ranges += edits.rows.size();
  ranges_ += entry.ranges;
  entries_.push_back(std::move(entry));
  while (ranges_ > ranges_max_) {
    const auto& oldest = entries_.front();
    for (const auto& [table, _] : oldest.rows) forgotten_[table] = oldest.at;
    ranges_ -= oldest.ranges;
    entries_.pop_front();
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::engine
