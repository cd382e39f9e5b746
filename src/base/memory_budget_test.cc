#include "base/memory_budget.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace hyprstream {
namespace {

std::unique_ptr<MemoryBudget> TwoShares() {
  return MemoryBudget::Make(100, {{"states", 60}, {"messages", 40}}).ValueOrDie();
}

TEST(MemoryBudget, ReservationsAreReturnedByTheirDestructor) {
  auto budget = TwoShares();
  MemoryShare& messages = budget->share("messages");
  {
    auto first = messages.Reserve(30, {}).ValueOrDie();
    MemoryShare::Reservation second;
    second = std::move(first);
    EXPECT_EQ(second.bytes(), 30);
    EXPECT_EQ(messages.Snapshot().bytes_used, 30);
    EXPECT_EQ(budget->share("states").Snapshot().bytes_used, 0);
  }
  EXPECT_EQ(messages.Snapshot().bytes_used, 0);
}

TEST(MemoryBudget, AFullShareMakesTheNextOneWait) {
  auto budget = TwoShares();
  MemoryShare& messages = budget->share("messages");
  auto held = messages.Reserve(40, {}).ValueOrDie();
  auto waiting = std::async(std::launch::async, [&] { return messages.Reserve(1, {}).ok(); });
  while (messages.Snapshot().waiting == 0) std::this_thread::yield();
  EXPECT_EQ(messages.Snapshot().bytes_used, 40);
  held.Release();
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(messages.Snapshot().bytes_used, 0);
}

TEST(MemoryBudget, AWaitCanBeCancelled) {
  auto budget = TwoShares();
  MemoryShare& messages = budget->share("messages");
  auto held = messages.Reserve(40, {}).ValueOrDie();
  std::atomic<bool> gone = false;
  auto waiting =
      std::async(std::launch::async, [&] { return messages.Reserve(1, [&] { return gone.load(); }).status(); });
  while (messages.Snapshot().waiting == 0) std::this_thread::yield();
  gone = true;
  EXPECT_TRUE(waiting.get().IsCancelled());
  EXPECT_EQ(messages.Snapshot().waiting, 0);
}

TEST(MemoryBudget, WhatCanNeverFitIsRefusedAtOnce) {
  auto budget = TwoShares();
  const arrow::Status status = budget->share("messages").Reserve(41, {}).status();
  EXPECT_TRUE(status.IsCapacityError());
  EXPECT_NE(status.message().find("'messages' of 40 bytes"), std::string::npos) << status.message();
}

TEST(MemoryBudget, SharesMustFitAndDiffer) {
  EXPECT_TRUE(MemoryBudget::Make(10, {{"a", 6}, {"b", 5}}).status().IsInvalid());
  EXPECT_TRUE(MemoryBudget::Make(10, {{"a", 1}, {"a", 1}}).status().IsInvalid());
}

}  // namespace
}  // namespace hyprstream
