#include "base/await.h"

#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace hyprstream {

std::optional<arrow::Status> Await(std::function<arrow::Status()> step, std::chrono::milliseconds bound) {
  auto given = std::make_shared<std::promise<arrow::Status>>();
  auto result = given->get_future();
  std::thread([given = std::move(given), step = std::move(step)] { given->set_value(step()); }).detach();
  if (result.wait_for(bound) != std::future_status::ready) return std::nullopt;
  return result.get();
}

}  // namespace hyprstream
