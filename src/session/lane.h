// A session's way into the engine: one connection, what it knows of the session's settings, and the plans it has made.
//
// A lane is used by one call at a time; the session hands it out (LaneLease) and takes it back.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/connection.h"

namespace hyprstream::session {

struct Lane {
  explicit Lane(std::unique_ptr<engine::Connection> c) : connection(std::move(c)) {}

  std::unique_ptr<engine::Connection> connection;
  std::size_t settings_applied = 0;                 // of the session's list
  bool busy = false;                                // guarded by the session's mutex
  bool transaction = false;                         // BEGIN or BeginTransaction opened one that its client will end
  std::chrono::steady_clock::time_point used = {};  // given back last; guarded by the session's mutex

  // A plan for this text made earlier on this lane; nullptr when there is none. DuckDB binds it again by itself when
  // the catalog has changed.
  engine::Prepared* FindPlan(std::string_view sql);
  engine::Prepared* KeepPlan(std::string sql, std::unique_ptr<engine::Prepared> plan);
  void ForgetPlans() { plans_.clear(); }

 private:
  static constexpr std::size_t kPlansMax = 32;
  std::list<std::pair<std::string, std::unique_ptr<engine::Prepared>>> plans_;  // used last first
};

}  // namespace hyprstream::session
