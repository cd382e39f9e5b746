// Random tables, views and changes; each view equals its SELECT over raw rows. HYPRSTREAM_SEED is the first seed (a
// failing one alone: HYPRSTREAM_SEED=<it> HYPRSTREAM_SEEDS=1), HYPRSTREAM_LONG=1 runs 2,000, of them 200 over the port.
#include "fuzz/view_fuzz.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>

namespace hyprstream::fuzz {
namespace {

constexpr int kSteps = 30;
constexpr int kFailuresMax = 3;
constexpr int kSeedsPerReport = 50;

std::uint64_t Number(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct Budget {
  int seeds_long;
  int seeds_min;
  int seeds_max;
  std::chrono::seconds time;
};

using MakeDoor = std::unique_ptr<Door> (*)(const std::string&);

// One server for many seeds, each of which cleans up behind itself.
class Doors {
 public:
  Doors(std::string name, MakeDoor make_door) : name_(std::move(name)), make_door_(make_door) {}
  ~Doors() { std::filesystem::remove_all(folder_); }
  Doors(const Doors&) = delete;
  Doors& operator=(const Doors&) = delete;

  // Every fourth seed has a database file, so that it can be restarted.
  Door& For(std::uint64_t seed) {
    auto& door = seed % 4 == 0 ? on_file_ : in_memory_;
    if (door != nullptr) return *door;
    if (seed % 4 != 0) {
      door = make_door_("");
    } else {
      std::filesystem::remove_all(folder_);
      std::filesystem::create_directories(folder_);
      door = make_door_(folder_);
    }
    return *door;
  }
  void Close(std::uint64_t seed) { (seed % 4 == 0 ? on_file_ : in_memory_).reset(); }

 private:
  const std::string name_;
  const MakeDoor make_door_;
  const std::string folder_ = ::testing::TempDir() + "hyprstream_fuzz_" + std::to_string(::getpid()) + "_" + name_;
  std::unique_ptr<Door> in_memory_;
  std::unique_ptr<Door> on_file_;
};

void RunSeeds(const std::string& name, MakeDoor make_door, Budget budget) {
  const auto first = Number("HYPRSTREAM_SEED", 1);
  const bool is_long = std::getenv("HYPRSTREAM_LONG") != nullptr;
  if (is_long) budget = {.seeds_min = budget.seeds_long, .seeds_max = budget.seeds_long, .time = {}};
  budget.seeds_min = static_cast<int>(Number("HYPRSTREAM_SEEDS", static_cast<std::uint64_t>(budget.seeds_min)));
  if (std::getenv("HYPRSTREAM_SEEDS") != nullptr) budget.seeds_max = budget.seeds_min;
  const auto deadline = std::chrono::steady_clock::now() + budget.time;
  Doors doors(name, make_door);
  std::map<std::string, Tally> tallies;
  int seeds = 0;
  int failed = 0;
  for (; seeds < budget.seeds_max; ++seeds) {
    if (seeds >= budget.seeds_min && std::chrono::steady_clock::now() > deadline) break;
    const auto seed = first + static_cast<std::uint64_t>(seeds);
    ViewFuzz fuzz(doors.For(seed), seed);
    const auto difference = fuzz.Run(kSteps);
    EXPECT_EQ(difference, "") << "seed " << seed << "; alone: HYPRSTREAM_SEED=" << seed
                              << " HYPRSTREAM_SEEDS=1 ./dev test unit " << name << "\n"
                              << fuzz.script();
    if (!difference.empty() && ++failed == kFailuresMax) break;
    if (!difference.empty() || !fuzz.CleanUp()) doors.Close(seed);
    for (const auto& [kind, tally] : fuzz.tallies()) {
      tallies[kind].done += tally.done;
      tallies[kind].refused += tally.refused;
    }
    if ((seeds + 1) % kSeedsPerReport == 0) {
      std::cout << name << ": " << seeds + 1 << " seeds, " << tallies["comparison"].done << " comparisons, "
                << tallies["roll-up"].done << " roll-ups, " << tallies["combine"].done << " combines, " << failed
                << " failed" << std::endl;
    }
  }
  if (failed > 0) return;
  std::cout << name << ": " << seeds << " seeds from " << first << ";";
  for (const auto& [kind, tally] : tallies) std::cout << " " << kind << " " << tally.done << "/" << tally.refused;
  std::cout << "\n";
  if (seeds < 10) return;
  for (const auto* kind : {"insert", "put", "ingest", "update", "delete", "merge", "writing cte", "view",
                           "view on view", "view in the background", "commit"}) {
    const auto& tally = tallies[kind];
    if (seeds < 100 && tally.done + tally.refused < 10) continue;  // too few to tell
    EXPECT_GT(tally.done * 2, tally.refused) << kind << " is hardly ever accepted";
  }
  EXPECT_GT(tallies["comparison"].done, seeds * 4);
}

TEST(ViewFuzz, SessionsInThisProcess) {
  RunSeeds("SessionsInThisProcess", MakeLocalDoor,
           {.seeds_long = 1800, .seeds_min = 20, .seeds_max = 200, .time = std::chrono::seconds(20)});
}

TEST(ViewFuzz, TheServerOverItsPort) {
  RunSeeds("TheServerOverItsPort", MakeRemoteDoor,
           {.seeds_long = 200, .seeds_min = 3, .seeds_max = 50, .time = std::chrono::seconds(10)});
}

}  // namespace
}  // namespace hyprstream::fuzz
