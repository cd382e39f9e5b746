#include "bench/task.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <thread>
#include <utility>

namespace hyprstream::bench {

double Percentile(std::vector<double> values, double percent) {
  const auto last = static_cast<double>(values.size() - 1);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::lround(last * percent / 100));
  std::ranges::nth_element(values, at);
  return *at;
}

arrow::Result<double> MedianSeconds(int iterations, const std::function<arrow::Status(int)>& statement) {
  std::vector<double> seconds;
  for (int i = 0; i < iterations; ++i) {
    const Stopwatch watch;
    ARROW_RETURN_NOT_OK(statement(i));
    seconds.push_back(watch.seconds());
  }
  return Percentile(std::move(seconds), 50);
}

std::map<std::string, std::string> Throughput::Facts() const {
  return {{"client_min", std::to_string(client_min)}, {"client_max", std::to_string(client_max)}};
}

arrow::Result<Throughput> StatementsOfClients(int clients, double seconds,
                                              const std::function<arrow::Status(std::size_t)>& statement) {
  std::vector<std::int64_t> statements(static_cast<std::size_t>(clients));
  std::vector<arrow::Status> outcomes(static_cast<std::size_t>(clients));
  std::vector<std::thread> threads;
  const Stopwatch watch;
  for (std::size_t client = 0; client < outcomes.size(); ++client) {
    threads.emplace_back([&, client] {
      while (outcomes[client].ok() && watch.seconds() < seconds) {
        outcomes[client] = statement(client);
        ++statements[client];
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const double taken = watch.seconds();
  for (const auto& outcome : outcomes) ARROW_RETURN_NOT_OK(outcome);
  const auto [least, most] = std::ranges::minmax(statements);
  const auto all = std::accumulate(statements.begin(), statements.end(), std::int64_t{0});
  return Throughput{.per_second = static_cast<double>(all) / taken, .client_min = least, .client_max = most};
}

arrow::Status ExpectRows(std::int64_t expected, std::int64_t rows) {
  if (rows == expected) return arrow::Status::OK();
  return arrow::Status::Invalid("expected ", expected, " rows, got ", rows);
}

}  // namespace hyprstream::bench
