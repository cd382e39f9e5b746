// How many calls ended how, for /metrics.
//
// Thread safety: all methods, from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "http/metric.h"

namespace hyprstream::server {

class RpcCounts {
 public:
  void Add(const std::string& method, const std::string& status) {
    MutexLock lock(mutex_);
    ++counts_[{method, status}];
  }

  http::Metric Snapshot() const {
    http::Metric metric{.name = "hyprstream_rpcs_total",
                        .help = "Finished calls by method and status.",
                        .kind = http::MetricKind::kCounter,
                        .samples = {}};
    MutexLock lock(mutex_);
    for (const auto& [key, count] : counts_) {
      metric.samples.push_back({{{"method", key.first}, {"status", key.second}}, static_cast<double>(count)});
    }
    return metric;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::int64_t> counts_ GUARDED_BY(mutex_);  // both from fixed sets
};

}  // namespace hyprstream::server
