// Random transactions of several connections that overlap and edit the same few rows, with an ALTER now and then: after
// every commit each view must have what its SELECT gives. Who commits and who is refused is not foretold; but a
// transaction that met no other must not be. HYPRSTREAM_SEED is the first seed, HYPRSTREAM_SEEDS how many.
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>

#include "commit/commit_path.h"
#include "engine/connection.h"
#include "engine/engine.h"
#include "fuzz/environment.h"
#include "fuzz/random.h"

namespace hyprstream::fuzz {
namespace {

constexpr int kSteps = 80;
constexpr int kConnections = 3;
constexpr int kRows = 12;

// States that subtract, that are recomputed window by window, and that are recomputed whole.
constexpr std::array<std::pair<const char*, const char*>, 4> kViews = {{
    {"subtracted", "SELECT k, count(*) AS n, sum(x) AS s FROM t GROUP BY ALL"},
    {"recomputed",
     "SELECT time_bucket(INTERVAL '1 hour', ts) AS w, k, max(x) AS hi, count(*) AS n FROM t GROUP BY ALL"},
    {"whole", "SELECT min(x) AS lo, count(DISTINCT k) AS kinds FROM t"},
    {"filtered", "SELECT k, sum(x) FILTER (x % 2 = 0) AS s FROM t WHERE id % 3 > 0 GROUP BY ALL"},
}};

class EditFuzz {
 public:
  EditFuzz(const std::string& file, std::uint64_t seed)
      : random_(seed),
        engine_(engine::Engine::Make({.path = file, .threads = 1}).ValueOrDie()),
        path_(commit::CommitPath::Make(*engine_).ValueOrDie()) {
    for (auto& one : connections_) one.connection = engine_->Connect().ValueOrDie();
  }

  std::string Run() {
    Setup();
    for (int step = 0; step < kSteps && failure_.empty(); ++step) {
      auto& one = connections_[static_cast<std::size_t>(random_.Below(kConnections))];
      if (!one.connection->in_transaction()) {
        Begin(one);
      } else if (random_.Chance(25)) {
        random_.Chance(15) ? Rollback(one) : Commit(one);
      } else {
        Do(one, Statement());
      }
    }
    return failure_.empty() ? "" : failure_ + "\n" + script_;
  }

  std::map<std::string, int> tallies;

 private:
  struct One {
    std::unique_ptr<engine::Connection> connection;
    bool alone = false;  // no other was open at any time
    bool failed = false;
  };

  void Setup() {
    const bool keyed = random_.Chance(50);
    auto& one = connections_[0];
    Begin(one);
    Do(one, std::string("CREATE TABLE t (id INTEGER") + (keyed ? " PRIMARY KEY" : "") +
                ", k INTEGER, x INTEGER, ts TIMESTAMP)");
    Do(one, "INSERT INTO t SELECT i, i % 3, i, TIMESTAMP '2024-01-01' + to_minutes(i * 20) FROM range(" +
                std::to_string(kRows) + ") r(i)");
    Commit(one);
    for (const auto& [name, select] : kViews) {
      Begin(one);
      const auto made =
          path_->CreateView(*one.connection, {.view = {.name = name}, .schema_given = true, .select = select}, "UTC");
      if (!made.ok()) failure_ = made.status().ToString();
      Commit(one);
    }
  }

  std::string Statement() {
    const auto id = std::to_string(random_.Below(kRows));
    const auto value = std::to_string(random_.Below(30));
    switch (random_.Below(11)) {
      case 0:
      case 1:
        return "UPDATE t SET k = " + std::to_string(random_.Below(4)) + " WHERE id = " + id;
      case 2:
      case 3:
        return "UPDATE t SET x = " + value + " WHERE id = " + id;
      case 4:
        return "UPDATE t SET ts = TIMESTAMP '2024-01-01' + to_minutes(" + value + " * 10) WHERE id = " + id;
      case 5:
        return "UPDATE t SET x = x + 1 WHERE id % 4 = " + std::to_string(random_.Below(4));
      case 6:
        return "DELETE FROM t WHERE id = " + id;
      case 7:
        return "INSERT INTO t (id, k, x, ts) SELECT " + id + ", 1, " + value +
               ", TIMESTAMP '2024-01-01 01:00:00' WHERE NOT EXISTS (FROM t WHERE id = " + id + ")";
      case 8:
        return "MERGE INTO t USING (SELECT " + id +
               " AS id) s ON t.id = s.id WHEN MATCHED AND x % 3 = 0 THEN DELETE WHEN "
               "MATCHED THEN UPDATE SET k = k + 1, x = " +
               value;
      case 9:
        if (random_.Chance(60)) return "SELECT count(*) FROM t";
        return random_.Chance(50) ? "ALTER TABLE t ADD COLUMN IF NOT EXISTS q INTEGER"
                                  : "ALTER TABLE t DROP COLUMN IF EXISTS q";
      default:
        return "SELECT sum(x) FROM t";
    }
  }

  void Begin(One& one) {
    script_ += Name(one) + ": BEGIN\n";
    const auto begun = path_->Begin(*one.connection);
    if (!begun.ok()) failure_ = begun.ToString();
    one.alone = true;
    one.failed = false;
    for (auto& other : connections_) {
      if (&other == &one || !other.connection->in_transaction()) continue;
      other.alone = one.alone = false;
    }
  }

  void Do(One& one, const std::string& sql) {
    if (one.failed) return;
    const auto ran = one.connection->Run(sql);
    script_ += Name(one) + ": " + sql + (ran.ok() ? "" : "  -- " + ran.status().message()) + "\n";
    one.failed = !ran.ok();
    if (one.failed) ++tallies["refused statement"];
  }

  void Rollback(One& one) {
    script_ += Name(one) + ": ROLLBACK\n";
    ARROW_UNUSED(one.connection->Rollback());
  }

  void Commit(One& one) {
    if (one.failed) return Rollback(one);
    const auto committed = path_->Commit(*one.connection);
    script_ += Name(one) + ": COMMIT" + (committed.ok() ? "" : "  -- " + committed.status().message()) + "\n";
    ++tallies[committed.ok() ? "commit" : "refused commit"];
    if (!committed.ok() && one.alone) failure_ = "it met nobody: " + committed.status().message();
    if (committed.ok()) Compare();
  }

  void Compare() {
    const auto connection = engine_->Connect().ValueOrDie();
    ARROW_UNUSED(path_->Begin(*connection));
    const auto set = connection->Run("SET use_views = false");
    if (!set.ok()) failure_ = set.status().ToString();
    const auto known = path_->Views();
    for (const auto& [name, select] : kViews) {
      if (!std::ranges::any_of(known, [&](const auto& view) { return view.view.name == name; })) continue;
      const auto sql = "SELECT count(*) FROM ((" + std::string(select) + " EXCEPT ALL FROM " + name +
                       ") UNION ALL (FROM " + name + " EXCEPT ALL " + select + "))";
      const auto rows = connection->Run(sql);
      if (!rows.ok()) {
        failure_ = sql + ": " + rows.status().ToString();
        continue;
      }
      const auto batches = rows->rows->ToRecordBatches().ValueOrDie();
      const auto differing = batches.at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString();
      ++tallies["comparison"];
      if (differing != "0") failure_ = std::string(name) + " differs in " + differing + " rows";
    }
    ARROW_UNUSED(connection->Rollback());
  }

  std::string Name(const One& one) const {
    return std::string(1, static_cast<char>('a' + (&one - connections_.data())));
  }

  Random random_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<commit::CommitPath> path_;
  std::array<One, kConnections> connections_;
  std::string failure_;
  std::string script_;
};

TEST(EditFuzz, ViewsAreRightAboutWhatOverlappingTransactionsLeave) {
  const auto first = Number("HYPRSTREAM_SEED", 1);
  const auto seeds = Number("HYPRSTREAM_SEEDS", std::getenv("HYPRSTREAM_LONG") != nullptr ? 1000 : 20);
  const auto folder = ::testing::TempDir() + "hyprstream_edit_fuzz_" + std::to_string(::getpid());
  std::map<std::string, int> tallies;
  for (auto seed = first; seed < first + seeds; ++seed) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    EditFuzz fuzz(seed % 2 == 0 ? folder + "/tables.duckdb" : "", static_cast<std::uint64_t>(seed));
    ASSERT_EQ(fuzz.Run(), "") << "seed " << seed << "; alone: HYPRSTREAM_SEED=" << seed << " HYPRSTREAM_SEEDS=1";
    for (const auto& [kind, count] : fuzz.tallies) tallies[kind] += count;
  }
  std::filesystem::remove_all(folder);
  std::cout << seeds << " seeds from " << first << ";";
  for (const auto& [kind, count] : tallies) std::cout << " " << kind << " " << count;
  std::cout << "\n";
  for (const auto* kind : {"commit", "refused commit", "refused statement"}) {
    EXPECT_GT(tallies[kind], seeds >= 20 ? 0 : -1) << kind << " does not happen";
  }
}

}  // namespace
}  // namespace hyprstream::fuzz
