// What /metrics shows.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "http/metric.h"

namespace hyprstream {
class MemoryBudget;
}
namespace hyprstream::commit {
class CommitPath;
}
namespace hyprstream::session {
class SessionRegistry;
}

namespace hyprstream::server {

struct MetricSources {
  const commit::CommitPath& commits;
  const session::SessionRegistry& sessions;
  const MemoryBudget& memory;
  std::int64_t state_bytes_max = 0;  // of the views together
  std::int64_t engine_bytes = 0;     // of DuckDB
  std::int64_t engine_bytes_max = 0;
  std::string version;
  std::chrono::steady_clock::time_point started;
};

std::vector<http::Metric> CollectMetrics(const MetricSources& sources);

}  // namespace hyprstream::server
