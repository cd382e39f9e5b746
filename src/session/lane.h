// A session's way into the engine: one connection, what it knows of the session's settings, and the plans it has made.
//
// A lane is used by one call at a time; the session hands it out (LaneLease) and takes it back.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/connection.h"

namespace hyprstream::session {

// A table of a backend that a plan reads, with the columns that it had then. Null: what a statement of the backend's
// own gives, which is not known before.
struct PlannedTable {
  std::string backend;
  TableRef table;
  std::shared_ptr<arrow::Schema> schema;
};

struct Lane {
  explicit Lane(std::unique_ptr<engine::Connection> c) : connection(std::move(c)) {}

  std::unique_ptr<engine::Connection> connection;
  std::uint64_t settings_applied = 0;               // version of the session's settings
  bool busy = false;                                // guarded by the session's mutex
  bool transaction = false;                         // its client has opened one; begins at the first statement
  std::chrono::steady_clock::time_point used = {};  // given back last; guarded by the session's mutex

  using AreAsPlanned = std::function<bool(const std::vector<PlannedTable>&)>;

  // A plan for this text made earlier on this lane, at this version of the catalog, over tables of backends that are as
  // planned; nullptr when there is none. (DuckDB would bind an older one again by itself, but its description would
  // stay the old one.)
  engine::Prepared* FindPlan(std::string_view sql, std::uint64_t catalog_version, const AreAsPlanned& as_planned);
  // `tables`: of backends.
  engine::Prepared* KeepPlan(std::string sql, std::uint64_t catalog_version, std::vector<PlannedTable> tables,
                             std::unique_ptr<engine::Prepared> plan);
  void ForgetPlans() { plans_.clear(); }

 private:
  static constexpr std::size_t kPlansMax = 32;
  struct Plan {
    std::string sql;
    std::uint64_t catalog_version;
    std::vector<PlannedTable> tables;
    std::unique_ptr<engine::Prepared> prepared;
  };
  std::list<Plan> plans_;  // used last first
};

}  // namespace hyprstream::session
