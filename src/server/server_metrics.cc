#include "server/server_metrics.h"

#include <map>

#include "base/memory_budget.h"
#include "base/process_memory.h"
#include "commit/commit_path.h"
#include "session/session_registry.h"

namespace hyprstream::server {
namespace {

using http::Metric;
using http::MetricKind;

Metric One(std::string name, std::string help, MetricKind kind, double value) {
  return {.name = std::move(name), .help = std::move(help), .kind = kind, .samples = {{.labels = {}, .value = value}}};
}

Metric RowsAccepted(const commit::CommitPath& commits) {
  Metric metric{.name = "hyprstream_rows_accepted_total",
                .help = "Rows that a table has accepted since the start.",
                .kind = MetricKind::kCounter,
                .samples = {}};
  for (const commit::TableInfo& table : commits.Tables()) {
    metric.samples.push_back({{{"table", table.table.ToString()}}, static_cast<double>(table.rows_accepted)});
  }
  return metric;
}

void AddViews(const commit::CommitPath& commits, std::vector<Metric>& metrics) {
  Metric windows{.name = "hyprstream_view_windows", .help = "Windows that a view holds.", .samples = {}};
  Metric groups{.name = "hyprstream_view_groups", .help = "Groups that a view holds.", .samples = {}};
  Metric bytes{.name = "hyprstream_view_bytes", .help = "Bytes of a view's states.", .samples = {}};
  for (const commit::ViewInfo& view : commits.Views()) {
    const std::vector<std::pair<std::string, std::string>> labels = {{"view", view.view.ToString()}};
    windows.samples.push_back({labels, static_cast<double>(view.windows)});
    groups.samples.push_back({labels, static_cast<double>(view.groups)});
    bytes.samples.push_back({labels, static_cast<double>(view.bytes)});
  }
  metrics.insert(metrics.end(), {std::move(windows), std::move(groups), std::move(bytes)});
}

Metric QueriesByState(const session::SessionRegistry& sessions) {
  std::map<std::string, int> counts;
  for (const session::QueryInfo& query : sessions.Queries()) ++counts[query.state];
  Metric metric{.name = "hyprstream_recent_queries", .help = "The last 1,000 statements by state.", .samples = {}};
  for (const auto& [state, count] : counts) metric.samples.push_back({{{"state", state}}, static_cast<double>(count)});
  return metric;
}

void AddSubscriptions(const session::SessionRegistry& sessions, std::vector<Metric>& metrics) {
  const auto totals = sessions.TotalsOfSubscriptions();
  const auto counter = [&](const char* name, const char* help, std::int64_t value) {
    metrics.push_back(One(name, help, MetricKind::kCounter, static_cast<double>(value)));
  };
  metrics.push_back(One("hyprstream_subscriptions", "Open subscriptions.", MetricKind::kGauge,
                        static_cast<double>(sessions.Subscriptions().size())));
  counter("hyprstream_subscription_messages_total", "Messages sent to subscribers.", totals.messages);
  counter("hyprstream_subscription_rows_total", "Rows sent to subscribers.", totals.rows);
  counter("hyprstream_subscription_resets_total",
          "Subscribers that were sent the whole view, because the updates they had missed were dropped.",
          totals.resets);
  counter("hyprstream_subscriptions_stalled_total", "Subscriptions ended because their client took nothing.",
          totals.stalled);
}

void AddMemory(const MetricSources& sources, std::vector<Metric>& metrics) {
  Metric used{.name = "hyprstream_memory_bytes", .help = "Bytes in use of a memory share.", .samples = {}};
  Metric bound{.name = "hyprstream_memory_bytes_max", .help = "Bound of a memory share.", .samples = {}};
  Metric waiting{
      .name = "hyprstream_memory_waiting", .help = "Calls that wait for room in a memory share.", .samples = {}};
  for (const MemoryShare::Usage& share : sources.memory.Snapshot()) {
    used.samples.push_back({{{"share", share.name}}, static_cast<double>(share.bytes_used)});
    bound.samples.push_back({{{"share", share.name}}, static_cast<double>(share.bytes_max)});
    waiting.samples.push_back({{{"share", share.name}}, static_cast<double>(share.waiting)});
  }
  std::int64_t states = 0;
  for (const commit::ViewInfo& view : sources.commits.Views()) states += view.bytes;
  used.samples.push_back({{{"share", "states"}}, static_cast<double>(states)});
  bound.samples.push_back({{{"share", "states"}}, static_cast<double>(sources.state_bytes_max)});
  used.samples.push_back({{{"share", "engine"}}, static_cast<double>(sources.engine_bytes)});
  bound.samples.push_back({{{"share", "engine"}}, static_cast<double>(sources.engine_bytes_max)});
  metrics.insert(metrics.end(), {std::move(used), std::move(bound), std::move(waiting)});
}

}  // namespace

std::vector<Metric> CollectMetrics(const MetricSources& sources) {
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - sources.started;
  std::vector<Metric> metrics;
  metrics.push_back({.name = "hyprstream_build_info",
                     .help = "The version that runs.",
                     .samples = {{{{"version", sources.version}}, 1}}});
  metrics.push_back(One("hyprstream_uptime_seconds", "Seconds since the start.", MetricKind::kGauge, up.count()));
  metrics.push_back(RowsAccepted(sources.commits));
  metrics.push_back(One("hyprstream_batches_accepted_total", "Position of the last accepted batch.",
                        MetricKind::kCounter, static_cast<double>(sources.commits.position().lsn())));
  metrics.push_back(QueriesByState(sources.sessions));
  metrics.push_back(One("hyprstream_sessions", "Open sessions.", MetricKind::kGauge,
                        static_cast<double>(sources.sessions.Sessions().size())));
  AddSubscriptions(sources.sessions, metrics);
  AddViews(sources.commits, metrics);
  AddMemory(sources, metrics);
  metrics.push_back(One("process_resident_memory_bytes", "Memory of the process.", MetricKind::kGauge,
                        static_cast<double>(ResidentBytes())));
  return metrics;
}

}  // namespace hyprstream::server
