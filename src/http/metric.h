// A measurement as the server's rooms report it; how it is written down is the HTTP server's business.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace hyprstream::http {

enum class MetricKind { kCounter, kGauge };

struct Metric {
  struct Sample {
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
  };
  std::string name;  // Prometheus' style: hyprstream_rows_accepted_total
  std::string help;
  MetricKind kind = MetricKind::kGauge;
  std::vector<Sample> samples;
};

// Prometheus' text format.
std::string RenderMetrics(const std::vector<Metric>& metrics);

}  // namespace hyprstream::http
