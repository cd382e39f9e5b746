#include "base/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>

namespace hyprstream {
namespace {

TEST(BoundedQueue, KeepsOrderAndCountsBytes) {
  BoundedQueue<int> queue(100);
  EXPECT_TRUE(queue.Push(1, 40));
  EXPECT_TRUE(queue.Push(2, 60));
  EXPECT_EQ(queue.bytes(), 100);
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.TryPop(), 2);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
  EXPECT_EQ(queue.bytes(), 0);
}

TEST(BoundedQueue, AnItemBeyondTheBoundPassesAlone) {
  BoundedQueue<std::unique_ptr<int>> queue(10);
  EXPECT_TRUE(queue.Push(std::make_unique<int>(7), 1000));
  EXPECT_EQ(*queue.Pop().value(), 7);
}

TEST(BoundedQueue, AFullQueueSlowsItsWriterDown) {
  BoundedQueue<int> queue(8);
  auto writer = std::async(std::launch::async, [&] {
    for (int i = 0; i < 1000; ++i) queue.Push(i, 4);
    queue.Close();
  });
  std::int64_t sum = 0;
  while (auto item = queue.Pop()) {
    EXPECT_LE(queue.bytes(), 8);
    sum += *item;
  }
  EXPECT_EQ(sum, 999 * 1000 / 2);
}

TEST(BoundedQueue, CloseWakesWhoWaits) {
  BoundedQueue<int> queue(4);
  ASSERT_TRUE(queue.Push(1, 4));
  auto writer = std::async(std::launch::async, [&] { return queue.Push(2, 4); });
  queue.Close();
  EXPECT_FALSE(writer.get());
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), std::nullopt);
  EXPECT_FALSE(queue.Push(3, 1));
}

TEST(BoundedQueue, WaitsCanBeCancelled) {
  BoundedQueue<int> queue(4);
  std::atomic<bool> gone = false;
  auto reader = std::async(std::launch::async, [&] { return queue.Pop([&] { return gone.load(); }); });
  gone = true;
  EXPECT_EQ(reader.get(), std::nullopt);
  ASSERT_TRUE(queue.Push(1, 4));
  EXPECT_FALSE(queue.Push(2, 4, [] { return true; }));
}

}  // namespace
}  // namespace hyprstream
