// Random transactions of several connections that overlap and edit the same few rows, or create, replace, drop and
// refresh views over them; an ALTER or a restart now and then. After every commit each view must have what its SELECT
// gives, and for a transaction that changed nothing what it gave at its begin. Who commits and who is refused is not
// foretold; but a transaction that met no other must not be. HYPRSTREAM_SEED is the first seed, HYPRSTREAM_SEEDS how
// many.
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>

#include "commit/commit_path.h"
#include "engine/connection.h"
#include "engine/engine.h"
#include "fuzz/crash_files.h"
#include "fuzz/environment.h"
#include "fuzz/random.h"

namespace hyprstream::fuzz {
namespace {

constexpr int kSteps = 60;
constexpr int kConnections = 3;
constexpr int kRows = 12;

struct View {
  const char* name;
  const char* select;
  const char* oracle = select;  // the same over the table's rows
};

// States that subtract, that are recomputed window by window, that are recomputed whole; a view of a view's windows.
constexpr std::array<View, 6> kViews = {{
    {"subtracted", "SELECT k, count(*) AS n, sum(x) AS s FROM t GROUP BY ALL"},
    {"recomputed",
     "SELECT time_bucket(INTERVAL '1 hour', ts) AS w, k, max(x) AS hi, count(*) AS n FROM t GROUP BY ALL"},
    {"whole", "SELECT min(x) AS lo, count(DISTINCT k) AS kinds FROM t"},
    {"filtered", "SELECT k, sum(x) FILTER (x % 2 = 0) AS s FROM t WHERE id % 3 > 0 GROUP BY ALL"},
    {"hopping",
     "SELECT window_start AS w, max(x) AS hi, count(*) AS n FROM hop(t, ts, INTERVAL '30 minutes', INTERVAL '1 hour') "
     "GROUP BY ALL",
     "SELECT w, max(x) AS hi, count(*) AS n FROM (SELECT x, unnest([time_bucket(INTERVAL '30 minutes', ts), "
     "time_bucket(INTERVAL '30 minutes', ts) - INTERVAL '30 minutes']) AS w FROM t WHERE ts IS NOT NULL) GROUP BY ALL"},
    {"coarser",
     "SELECT time_bucket(INTERVAL '2 hours', w) AS w, combine(hi) AS hi, combine(n) AS n FROM recomputed GROUP BY ALL",
     "SELECT time_bucket(INTERVAL '2 hours', ts) AS w, max(x) AS hi, count(*) AS n FROM t GROUP BY ALL"},
}};

class EditFuzz {
 public:
  // In memory where the folder has no name.
  EditFuzz(std::string folder, std::uint64_t seed) : random_(seed), folder_(std::move(folder)) { Open(); }

  std::string Run() {
    Setup();
    for (int step = 0; step < kSteps && failure_.empty(); ++step) {
      auto& one = connections_[static_cast<std::size_t>(random_.Below(kConnections))];
      if (!one.connection->in_transaction()) {
        Begin(one);
      } else if (random_.Chance(25)) {
        random_.Chance(15) ? Rollback(one) : Commit(one);
      } else if (random_.Chance(8)) {
        ChangeViews(one);
      } else if (!one.changed && random_.Chance(20)) {
        Compare(one);
      } else {
        Do(one, Statement());
      }
      if (random_.Chance(2)) Restart();
    }
    return failure_.empty() ? "" : failure_ + "\n" + script_;
  }

  std::map<std::string, int> tallies;

 private:
  struct One {
    std::unique_ptr<engine::Connection> connection;
    bool alone = false;  // no other was open at any time
    bool failed = false;
    bool changed = false;  // rows, columns or views
    bool refreshed = false;
    std::vector<commit::ViewInfo> views = {};  // as it sees them
  };

  void Open() {
    const auto path = folder_.empty() ? "" : folder_ + "/data.duckdb";
    engine_ = engine::Engine::Make({.path = path, .threads = 1}).ValueOrDie();
    path_ = commit::CommitPath::Make(*engine_).ValueOrDie();
    for (auto& one : connections_) one.connection = engine_->Connect().ValueOrDie();
  }

  void Restart() {
    if (folder_.empty()) return;
    const bool crash = random_.Chance(50);
    script_ += crash ? "-- crash\n" : "-- restart\n";
    ++tallies[crash ? "crash" : "restart"];
    if (crash) CopyFiles(folder_, folder_ + "/crashed");
    for (auto& one : connections_) one.connection.reset();
    if (!crash) {
      const auto saved = path_->SaveStates(commit::Saving::kAtEnd);
      if (!saved.ok()) failure_ = saved.ToString();
    }
    path_.reset();
    engine_.reset();
    if (crash) CopyFiles(folder_ + "/crashed", folder_);
    Open();
    Compare();
  }

  void Setup() {
    const bool keyed = random_.Chance(50);
    auto& one = connections_[0];
    Begin(one);
    Do(one, std::string("CREATE TABLE t (id INTEGER") + (keyed ? " PRIMARY KEY" : "") +
                ", k INTEGER, x INTEGER, ts TIMESTAMP)");
    Do(one, "INSERT INTO t SELECT i, i % 3, i, TIMESTAMP '2024-01-01' + to_minutes(i * 20) FROM range(" +
                std::to_string(kRows) + ") r(i)");
    Commit(one);
    for (const auto& view : kViews) {
      Begin(one);
      if (!Create(one, view)) failure_ = std::string(view.name) + " is not made";
      Commit(one);
    }
  }

  bool Create(One& one, const View& view) {
    const engine::CreateMaterializedView create{
        .view = {.name = view.name}, .schema_given = true, .or_replace = true, .select = view.select};
    const auto made = path_->CreateView(*one.connection, create, "UTC");
    Note(one, std::string("CREATE OR REPLACE ") + view.name, made.status());
    return made.ok();
  }

  void ChangeViews(One& one) {
    if (one.failed) return;
    const auto& view = kViews[static_cast<std::size_t>(random_.Below(kViews.size()))];
    one.changed = true;
    const std::string name = view.name;
    switch (random_.Below(5)) {
      case 0:
        return Note(one, "DROP IF EXISTS " + name,
                    path_->DropView(*one.connection, {.view = {.name = name}, .schema_given = true, .if_exists = true})
                        .status());
      case 1:
      case 2: {
        one.refreshed = true;
        engine::RefreshMaterializedView refresh{.view = {.name = name}, .schema_given = true};
        const bool windows = random_.Chance(50) && name == "recomputed";
        if (windows) refresh.windows = {.from = "2024-01-01 01:00", .to = "2024-01-01 03:00"};
        return Note(one, "REFRESH " + name + (windows ? " WINDOW" : ""), path_->RefreshView(*one.connection, refresh));
      }
      default:
        Create(one, view);
    }
  }

  std::string Statement() {
    const auto id = std::to_string(random_.Below(kRows));
    const auto value = std::to_string(random_.Below(30));
    switch (random_.Below(13)) {
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
      case 10:
        return "INSERT INTO t (id, k, x, ts) SELECT max(id) + 1, 2, " + value + ", NULL FROM t";
      case 11:
        return random_.Chance(15) ? "TRUNCATE t" : "UPDATE t SET ts = NULL WHERE id = " + id;
      default:
        return "SELECT sum(x) FROM t";
    }
  }

  void Begin(One& one) {
    script_ += Name(one) + ": BEGIN\n";
    const auto begun = path_->Begin(*one.connection);
    if (!begun.ok()) failure_ = begun.ToString();
    one.views = path_->Views();
    one.alone = true;
    one.failed = one.changed = one.refreshed = false;
    for (auto& other : connections_) {
      if (&other == &one || !other.connection->in_transaction()) continue;
      other.alone = one.alone = false;
    }
  }

  void Note(One& one, const std::string& what, const arrow::Status& status) {
    script_ += Name(one) + ": " + what + (status.ok() ? "" : "  -- " + status.message()) + "\n";
    one.failed = !status.ok();
    ++tallies[status.ok() ? what.substr(0, what.find(' ')) : "refused statement"];
  }

  void Do(One& one, const std::string& sql) {
    if (one.failed) return;
    if (!sql.starts_with("SELECT")) one.changed = true;
    Note(one, sql, one.connection->Run(sql).status());
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
    if (!committed.ok() && one.alone && !one.refreshed) failure_ = "it met nobody: " + committed.status().message();
    if (committed.ok()) Compare();
  }

  void Compare() {
    One one{.connection = engine_->Connect().ValueOrDie()};
    ARROW_UNUSED(path_->Begin(*one.connection));
    one.views = path_->Views();
    Compare(one);
    ARROW_UNUSED(one.connection->Rollback());
  }

  // As a transaction sees them that has changed nothing.
  void Compare(const One& one) {
    if (one.failed) return;
    if (const auto set = one.connection->Run("SET use_views = false"); !set.ok()) failure_ = set.status().ToString();
    for (const auto& [name, select, oracle] : kViews) {
      const auto is_it = [&](const auto& view) { return view.view.name == name; };
      const auto known = std::ranges::find_if(one.views, is_it);
      if (known == one.views.end()) continue;
      if (known->status != commit::ViewStatus::kReady) failure_ = std::string(name) + " is " + known->problem;
      const std::string expected = oracle;
      const auto sql = "SELECT count(*) FROM ((" + expected + " EXCEPT ALL FROM " + name + ") UNION ALL (FROM " + name +
                       " EXCEPT ALL " + expected + "))";
      const auto rows = one.connection->Run(sql);
      if (!rows.ok()) {
        failure_ = sql + ": " + rows.status().ToString();
        continue;
      }
      const auto batches = rows->rows->ToRecordBatches().ValueOrDie();
      const auto differing = batches.at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString();
      ++tallies["comparison"];
      if (differing != "0") failure_ = std::string(name) + " differs in " + differing + " rows for " + Name(one);
    }
  }

  std::string Name(const One& one) const {
    const auto same = std::ranges::find_if(connections_, [&](const One& other) { return &other == &one; });
    return same == connections_.end() ? "another"
                                      : std::string(1, static_cast<char>('a' + (same - connections_.begin())));
  }

  Random random_;
  const std::string folder_;
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
    EditFuzz fuzz(seed % 2 == 0 ? folder : "", static_cast<std::uint64_t>(seed));
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
