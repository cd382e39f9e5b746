#include "session/lane.h"

#include <algorithm>

namespace hyprstream::session {

engine::Prepared* Lane::FindPlan(std::string_view sql) {
  const auto found = std::ranges::find_if(plans_, [&](const auto& plan) { return plan.first == sql; });
  if (found == plans_.end()) return nullptr;
  plans_.splice(plans_.begin(), plans_, found);
  return found->second.get();
}

engine::Prepared* Lane::KeepPlan(std::string sql, std::unique_ptr<engine::Prepared> plan) {
  plans_.emplace_front(std::move(sql), std::move(plan));
  if (plans_.size() > kPlansMax) plans_.pop_back();
  return plans_.front().second.get();
}

}  // namespace hyprstream::session
