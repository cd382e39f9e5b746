#include "session/lane.h"

#include <algorithm>
#include <utility>

namespace hyprstream::session {

engine::Prepared* Lane::FindPlan(std::string_view sql, std::uint64_t catalog_version, const AreAsPlanned& as_planned) {
  const auto found = std::ranges::find_if(plans_, [&](const auto& plan) { return plan.sql == sql; });
  if (found == plans_.end()) return nullptr;
  if (found->catalog_version != catalog_version || !as_planned(found->tables)) {
    plans_.erase(found);
    return nullptr;
  }
  plans_.splice(plans_.begin(), plans_, found);
  return found->prepared.get();
}

engine::Prepared* Lane::KeepPlan(std::string sql, std::uint64_t catalog_version, std::vector<PlannedTable> tables,
                                 std::unique_ptr<engine::Prepared> plan) {
  plans_.push_front({.sql = std::move(sql),
                     .catalog_version = catalog_version,
                     .tables = std::move(tables),
                     .prepared = std::move(plan)});
  if (plans_.size() > kPlansMax) plans_.pop_back();
  return plans_.front().prepared.get();
}

}  // namespace hyprstream::session
