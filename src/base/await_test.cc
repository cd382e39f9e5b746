#include "base/await.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>

namespace hyprstream {
namespace {

TEST(Await, GivesWhatTheStepGave) {
  const auto given = Await([] { return arrow::Status::IOError("full"); }, std::chrono::minutes(1));
  ASSERT_TRUE(given);
  EXPECT_EQ(given->message(), "full");
}

TEST(Await, LeavesAStepThatDoesNotEnd) {
  auto gate = std::make_shared<std::promise<void>>();
  auto ended = std::make_shared<std::promise<void>>();
  auto end = ended->get_future();
  const auto step = [gate, ended] {
    gate->get_future().wait();
    ended->set_value();
    return arrow::Status::OK();
  };
  EXPECT_FALSE(Await(step, std::chrono::milliseconds(1)));
  gate->set_value();
  end.wait();
}

}  // namespace
}  // namespace hyprstream
