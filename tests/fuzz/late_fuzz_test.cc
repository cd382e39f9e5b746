// Random batches, in and out of time, into views with lateness, late policies and retention. A plain DuckDB replays the
// rule over the accepted batches: which rows each view must have, and how each counter must stand. HYPRSTREAM_SEED is
// the first seed, HYPRSTREAM_SEEDS how many.
#include <arrow/array.h>
#include <arrow/status.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>

#include "fuzz/door.h"
#include "fuzz/environment.h"
#include "fuzz/oracle.h"
#include "fuzz/random.h"
#include "fuzz/row_comparison.h"

namespace hyprstream::fuzz {
namespace {

constexpr int kSteps = 40;
constexpr const char* kStart = "TIMESTAMP '2024-03-30 20:00:00'";

// Of a row: its window or, where it is in several, the last one.
struct Window {
  const char* start;  // over ts
  const char* width;
  const char* zone = "";    // whose days they are
  bool local = false;       // the start is the time there
  const char* slide = "";   // of windows that hop
  const char* call = "";    // with it
  bool needs_zone = false;  // over a TIMESTAMPTZ only
};

constexpr Window kWindows[] = {{"time_bucket(INTERVAL '5 minutes', ts)", "INTERVAL '5 minutes'"},
                               {"time_bucket(INTERVAL '1 hour', ts)", "INTERVAL '1 hour'"},
                               {"time_bucket(INTERVAL '7 minutes', ts, INTERVAL '2 minutes')", "INTERVAL '7 minutes'"},
                               {"date_trunc('hour', ts)", "INTERVAL '1 hour'"},
                               {"date_trunc('day', ts)", "INTERVAL '1 day'"},
                               {"date_trunc('month', ts)", "INTERVAL '1 month'"},
                               {.start = "time_bucket(INTERVAL '5 minutes', ts)",
                                .width = "INTERVAL '20 minutes'",
                                .slide = "INTERVAL '5 minutes'",
                                .call = "hop(t, ts, INTERVAL '5 minutes', INTERVAL '20 minutes')"},
                               {.start = "time_bucket(INTERVAL '1 hour', ts)",
                                .width = "INTERVAL '150 minutes'",
                                .slide = "INTERVAL '1 hour'",
                                .call = "hop(t, ts, INTERVAL '1 hour', INTERVAL '150 minutes')"},
                               {.start = "time_bucket(INTERVAL '1 day', ts)",  // of UTC, whatever the session's zone
                                .width = "INTERVAL '1 day'",
                                .zone = "UTC",
                                .needs_zone = true},
                               {.start = "time_bucket(INTERVAL '1 day', ts, 'Europe/Berlin')",
                                .width = "INTERVAL '1 day'",
                                .zone = "Europe/Berlin",
                                .needs_zone = true},
                               {.start = "date_trunc('day', timezone('Australia/Lord_Howe', ts))",
                                .width = "INTERVAL '1 day'",
                                .zone = "Australia/Lord_Howe",
                                .local = true,
                                .needs_zone = true}};

// Of windows of a view whose own fit into them.
constexpr Window kOfWindows{"time_bucket(INTERVAL '2 hours', ts)", "INTERVAL '2 hours'"};

struct LateView {
  std::string name;
  std::string source;  // a view of windows that its own are made of; empty: the table
  Window window;
  std::string where;
  std::string time_zone;
  std::string late;  // the policy
  std::int64_t lateness_minutes = 0;
  std::int64_t retention_minutes = 0;  // 0: none
  std::int64_t updated = 0, dropped = 0, rejected = 0, expired = 0;
  bool changed = false;  // rows of it were changed or deleted: counters no longer add up to the rows sent

  bool hops() const { return *window.call != '\0'; }
  // Of others, those made of them are not known to be over the event time.
  bool fits() const {
    const std::string start = window.start;
    return !hops() && *window.zone == '\0' &&
           (start == kWindows[0].start || start == kWindows[1].start || start == kOfWindows.start);
  }
  // Its rows are the table's, whatever the other view has left out or let go.
  std::string Definition() const {
    if (source.empty()) return Select("", window.call);
    return "SELECT time_bucket(INTERVAL '2 hours', w) AS w, k, combine(c) AS c, combine(s) AS s, combine(m) AS m "
           "FROM " +
           source + " GROUP BY ALL";
  }
  std::string End() const {
    const auto zone = std::string("timezone('") + window.zone + "', ";
    const std::string start = window.start;
    if (*window.zone == '\0') return "(" + start + " + " + window.width + ")";
    return zone + (window.local ? start : zone + start + ")") + " + " + window.width + ")";
  }
  std::string Select(const std::string& condition, const std::string& call) const {
    std::string sql = std::string("SELECT ") + (hops() ? "window_start" : window.start) +
                      " AS w, k, count(*) AS c, sum(id) AS s, max(ts) AS m FROM " + (hops() ? call : "t");
    std::string all = where;
    if (!condition.empty()) all += (all.empty() ? "" : " AND ") + condition;
    return sql + (all.empty() ? "" : " WHERE " + all) + " GROUP BY ALL";
  }
};

// The oracle's table t has the columns of the server's, and `left_out` what each view must not have.
class LateFuzz {
 public:
  LateFuzz(Door& door, std::uint64_t seed) : door_(door), random_(seed) {}

  std::string Run() {
    Create();
    for (int step = 0; step < kSteps && failure_.empty(); ++step) {
      Step();
      if (random_.Chance(40)) CompareAll();
    }
    CompareAll();
    return failure_.empty() ? "" : failure_ + "\n" + script_;
  }

  void CleanUp() {
    for (const auto& view : views_)
      EXPECT_TRUE(door_.Update("DROP MATERIALIZED VIEW IF EXISTS " + view.name + " CASCADE").ok());
    EXPECT_TRUE(door_.Update("DROP TABLE t").ok());
    ARROW_UNUSED(door_.Update("SET TimeZone = 'UTC'"));
  }

  std::map<std::string, int> tallies;

 private:
  void Fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
  }
  void Both(const std::string& sql, const std::string& oracle_sql) {
    script_ += sql + ";\n";
    if (const auto done = door_.Update(sql); !done.ok()) Fail(sql + "\n" + done.ToString());
    if (!oracle_sql.empty()) Tell(oracle_sql);
  }
  void Tell(const std::string& sql) {
    if (const auto told = oracle_.Update(sql); !told.ok()) Fail("the oracle refuses " + sql + "\n" + told.ToString());
  }
  std::string One(const std::string& sql) {
    const auto rows = oracle_.Query(sql);
    if (!rows.ok()) {
      Fail(sql + "\n" + rows.status().ToString());
      return "";
    }
    return rows->empty() ? "" : rows->at(0).at(0).text.value_or("");
  }
  std::int64_t Count(const std::string& sql) {
    const auto text = One("SELECT (" + sql + ")::VARCHAR");
    return text.empty() ? 0 : std::stoll(text);
  }

  void Create() {
    const auto type =
        random_.Text({"TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPTZ", "TIMESTAMP_NS", "TIMESTAMP_S", "TIMESTAMP_MS"});
    const auto columns = "CREATE TABLE t (ts " + type + ", k INTEGER, id BIGINT)";
    keeps_rows_ = random_.Chance(70);
    if (keeps_rows_ && random_.Chance(40)) table_retention_ = 30 + random_.Below(600);
    Both(columns + " WITH (time = 'ts'" + (keeps_rows_ ? "" : ", keep_rows = false") +
             (table_retention_ > 0 ? ", retention = '" + std::to_string(table_retention_) + " minutes'" : "") + ")",
         columns);
    Tell("CREATE TABLE left_out (view VARCHAR, id BIGINT)");
    Tell("CREATE TABLE mark (newest TIMESTAMP)");
    zoned_ = type == "TIMESTAMPTZ";
    if (keeps_rows_ && table_retention_ == 0 && random_.Chance(30)) {  // what is there is not late
      Insert();
      counts_from_the_start_ = false;
    }
    const auto views = 1 + random_.Below(4);
    for (std::int64_t i = 0; i < views; ++i) CreateView("v" + std::to_string(i));
  }

  void CreateView(const std::string& name) {
    const auto choice = static_cast<std::size_t>(random_.Below(std::size(kWindows)));
    const bool fits = zoned_ ? choice != 2 : !kWindows[choice].needs_zone;
    LateView view{.name = name, .window = kWindows[fits ? choice : 0]};
    view.where = random_.Chance(30) ? "k <> 1" : "";
    // Rows without a time are in no window that hops.
    if (view.hops()) view.where += std::string(view.where.empty() ? "" : " AND ") + "isfinite(ts)";
    view.time_zone = random_.Text({"UTC", "Europe/Berlin", "America/St_Johns"});
    if (!views_.empty() && random_.Chance(40)) {
      const auto& finer = random_.Pick(views_);
      if (finer.fits()) {
        view.source = finer.name;
        view.window = kOfWindows;
        view.where = finer.where;
        view.time_zone = finer.time_zone;
        ++tallies["view on view"];
      }
    }
    view.late = random_.Text({"update", "drop", "drop", "reject"});
    view.lateness_minutes = random_.Chance(40) ? 0 : random_.Below(90);
    if (random_.Chance(50)) view.retention_minutes = 1 + view.lateness_minutes + random_.Below(500);
    Both("SET TimeZone = '" + view.time_zone + "'", "");
    Both("CREATE MATERIALIZED VIEW " + name + " WITH (late = '" + view.late + "', lateness = '" +
             std::to_string(view.lateness_minutes) + " minutes'" +
             (view.retention_minutes > 0 ? ", retention = '" + std::to_string(view.retention_minutes) + " minutes'"
                                         : "") +
             ") AS " + view.Definition(),
         "");
    Both("SET TimeZone = 'UTC'", "");
    views_.push_back(view);
  }

  void Step() {
    const auto choice = random_.Below(100);
    if (choice < 75) return Insert();
    if (choice < 85) return Change("DELETE FROM t WHERE " + Condition());
    if (choice < 93) return Change("UPDATE t SET id = id + 1000000 WHERE " + Condition());
    const auto restarted = door_.Restart(Ending::kOrderly);
    if (!restarted.ok()) return Fail("it does not start again: " + restarted.status().ToString());
    if (!*restarted) return;
    script_ += "-- restart\n";
    ++tallies["restart"];
  }

  std::string Condition() {
    const auto minute = std::to_string(now_ - random_.Below(300));
    return std::string("ts BETWEEN ") + kStart + " + INTERVAL (" + minute + ") MINUTE AND " + kStart + " + INTERVAL (" +
           minute + " + " + std::to_string(random_.Below(40)) +
           ") MINUTE AND id % 3 = " + std::to_string(random_.Below(3));
  }

  // Mostly in time; some late, some far ahead, a few without a time.
  std::string Rows() {
    now_ += random_.Below(15);
    if (random_.Chance(4)) now_ += random_.Below(3000);
    std::string rows;
    const auto count = 1 + random_.Below(12);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = now_ - (random_.Chance(75) ? random_.Below(5) : random_.Below(400));
      std::string ts = std::string(kStart) + " + INTERVAL (" + std::to_string(at * 60 + random_.Below(60)) + ") SECOND";
      if (random_.Chance(3)) ts = random_.Text({"NULL", "'infinity'::TIMESTAMP", "'-infinity'::TIMESTAMP"});
      rows += (rows.empty() ? "(" : ", (") + ts + ", " + std::to_string(random_.Below(4)) + ", " +
              std::to_string(next_id_++) + ")";
    }
    return rows;
  }

  void Insert() {
    const auto first = next_id_;
    const auto values = "VALUES " + Rows();
    Tell("BEGIN");
    Tell("INSERT INTO t " + values);
    const auto fresh = "id >= " + std::to_string(first) + " AND id < 1000000";
    bool rejected = false;
    std::vector<LateView> judged = views_;
    for (auto& view : judged) rejected |= Judge(view, fresh);
    Tell("SET TimeZone = 'UTC'");
    Tell("INSERT INTO mark SELECT max(ts)::TIMESTAMP FROM t WHERE isfinite(ts) AND " + fresh);
    const auto status = Send(values);
    script_ += "INSERT INTO t " + values + ";" + (status.ok() ? "" : "  -- " + status.message()) + "\n";
    ++tallies[status.ok() ? "insert" : "rejected insert"];
    if (status.ok() == rejected)
      Fail(rejected ? "a late row was not rejected" : "no late row, but " + status.message());
    if (rejected) {
      Tell("ROLLBACK");
      for (std::size_t i = 0; i < views_.size(); ++i) views_[i].rejected = judged[i].rejected;
      return;
    }
    Tell("COMMIT");
    for (std::size_t i = 0; i < views_.size(); ++i) {
      const auto count = views_[i].rejected;
      views_[i] = judged[i];
      views_[i].rejected = count;
    }
  }

  arrow::Status Send(const std::string& values) {
    if (random_.Chance(50)) return door_.Update("INSERT INTO t " + values);
    const auto made = door_.Query("SELECT ts, k::INTEGER AS k, id::BIGINT AS id FROM (" + values + ") r(ts, k, id)");
    if (!made.ok()) return made.status();
    ARROW_ASSIGN_OR_RAISE(auto batch, (*made)->CombineChunksToBatch());
    return random_.Chance(50) ? door_.Put("t", {batch}).status : door_.Ingest("t", {batch});
  }

  std::string Mark() { return One("SELECT max(newest)::VARCHAR FROM mark"); }

  // What a view that hops reads, in DuckDB's own words.
  std::string WrittenOut(const LateView& view) const {
    const std::string back = zoned_ ? " AT TIME ZONE 'UTC'" : "";
    const std::string time = zoned_ ? "ts AT TIME ZONE 'UTC'" : "ts::TIMESTAMP";
    const std::string slide = view.window.slide;
    return "(SELECT *, (unnest(range(time_bucket(" + slide + ", moment), moment - " + view.window.width + ", -" +
           slide + ")))" + back + " AS window_start FROM (SELECT *, " + time + " AS moment FROM t WHERE isfinite(ts)))";
  }

  // Up to where the view's windows have gone, as a condition on a window's end; empty: nowhere.
  std::string Expired(const LateView& view) {
    const auto mark = Mark();
    if (view.retention_minutes == 0 || mark.empty()) return "";
    return Ends(view) + " <= TIMESTAMP '" + mark + "' - INTERVAL (" + std::to_string(view.retention_minutes) +
           ") MINUTE";
  }
  // A window's end as a TIMESTAMP in UTC; infinite windows have none.
  static std::string Ends(const LateView& view) {
    return "make_timestamp(CASE WHEN isfinite(ts) THEN epoch_us(" + view.End() + ") END)";
  }

  // Leaves out what the view must not have of the rows; true when it refuses them.
  bool Judge(LateView& view, const std::string& fresh) {
    Tell("SET TimeZone = '" + view.time_zone + "'");
    const auto mark = Mark();
    if (mark.empty()) return false;
    const auto taken = fresh + (view.where.empty() ? "" : " AND " + view.where);
    const auto late =
        Ends(view) + " <= TIMESTAMP '" + mark + "' - INTERVAL (" + std::to_string(view.lateness_minutes) + ") MINUTE";
    const auto rows = [&](const std::string& condition) {
      return Count("SELECT count(*) FROM t WHERE " + taken + " AND coalesce(" + condition + ", false)");
    };
    if (view.late == "reject") {
      const auto refused = rows(late);
      view.rejected += refused;
      return refused > 0;
    }
    const auto expired = Expired(view).empty() ? "false" : Expired(view);
    const auto in_time = "NOT coalesce(" + expired + ", false) AND " + late;
    view.expired += rows(expired);
    if (view.late == "update") view.updated += rows(in_time);
    if (view.late == "drop") view.dropped += rows(in_time);
    Tell("INSERT INTO left_out SELECT '" + view.name + "', id FROM t WHERE " + taken + " AND coalesce(" +
         (view.late == "drop" ? "(" + expired + ") OR (" + late + ")" : expired) + ", false)");
    return false;
  }

  void Change(const std::string& sql) {
    if (!keeps_rows_ || table_retention_ > 0) return;  // what is gone when is the timer's to say
    const auto status = door_.Update(sql);
    script_ += sql + ";" + (status.ok() ? "" : "  -- " + status.message()) + "\n";
    ++tallies[status.ok() ? "change" : "refused change"];
    if (!status.ok()) {
      const auto& message = status.message();
      if (message.find("left late rows out") == std::string::npos &&
          message.find("takes no late rows") == std::string::npos) {
        Fail(sql + "\n" + message);
      }
      if (sql.starts_with("DELETE") && message.find("takes no late rows") != std::string::npos) {
        Fail("a DELETE has no late rows: " + message);
      }
    } else {
      Tell(sql);
      if (sql.starts_with("UPDATE"))
        Tell(
            "UPDATE left_out SET id = id + 1000000 WHERE id NOT IN (SELECT id FROM t) AND "
            "id + 1000000 IN (SELECT id FROM t)");
    }
    for (auto& view : views_) view.changed = true;
  }

  void CompareAll() {
    if (!failure_.empty()) return;
    for (const auto& view : views_) {
      if (failure_.empty()) Compare(view);
    }
    Tell("SET TimeZone = 'UTC'");
    ARROW_UNUSED(door_.Update("SET TimeZone = 'UTC'"));
  }

  void Compare(const LateView& view) {
    Tell("SET TimeZone = '" + view.time_zone + "'");
    ARROW_UNUSED(door_.Update("SET TimeZone = '" + view.time_zone + "'"));
    std::string has = "id NOT IN (SELECT id FROM left_out WHERE view = '" + view.name + "')";
    if (const auto expired = Expired(view); !expired.empty()) has += " AND NOT coalesce(" + expired + ", false)";
    if (view.hops() && view.retention_minutes > 0 && !Mark().empty()) {  // earlier windows of a row expire earlier
      has += std::string(" AND epoch_us(window_start + ") + view.window.width + ") > epoch_us(TIMESTAMP '" + Mark() +
             "' - INTERVAL (" + std::to_string(view.retention_minutes) + ") MINUTE)";
    }
    const auto select = view.Select(has, WrittenOut(view));
    const auto head = "view " + view.name + ": " + select + "\n";
    const auto columns = oracle_.Describe(select);
    if (!columns.ok()) return Fail(head + columns.status().ToString());
    const auto expected = oracle_.Query(SelectCells(*columns, "(" + select + ") s"));
    const auto actual = door_.Query(SelectCells(*columns, view.name));
    if (!expected.ok() || !actual.ok()) {
      return Fail(head + expected.status().ToString() + "\n" + actual.status().ToString());
    }
    if (const auto difference = Difference(*expected, RowsOf(**actual)); !difference.empty())
      return Fail(head + difference);
    ++tallies["comparison"];
    CompareCounters(view);
  }

  void CompareCounters(const LateView& view) {
    const auto facts = door_.Late(view.name);
    if (!facts.ok()) return Fail(facts.status().ToString());
    const auto expect = [&](const char* name, std::int64_t actual, std::int64_t wanted) {
      if (actual == wanted) return;
      Fail(view.name + ": " + name + " is " + std::to_string(actual) + " instead of " + std::to_string(wanted));
    };
    if (facts->mark != Mark()) Fail("the mark is " + facts->mark + " instead of " + Mark());
    expect("late_dropped", facts->dropped, view.dropped);
    if (view.changed) return;
    expect("late_updated", facts->updated, view.updated);
    expect("late_rejected", facts->rejected, view.rejected);
    expect("late_expired", facts->expired, view.expired);
    if (!counts_from_the_start_) return;
    const auto came = Count("SELECT count(*) FROM t" + (view.where.empty() ? "" : " WHERE " + view.where));
    expect("all that came", facts->all, came);
  }

  Door& door_;
  Oracle oracle_;
  Random random_;
  std::vector<LateView> views_;
  bool keeps_rows_ = true;
  std::int64_t table_retention_ = 0;  // minutes
  std::int64_t now_ = 0;              // minutes since kStart
  std::int64_t next_id_ = 0;
  bool zoned_ = false;
  bool counts_from_the_start_ = true;
  std::string failure_;
  std::string script_;
};

TEST(LateFuzz, ViewsAndCountersFollowTheRule) {
  const auto first = Number("HYPRSTREAM_SEED", 1);
  const auto seeds = Number("HYPRSTREAM_SEEDS", std::getenv("HYPRSTREAM_LONG") != nullptr ? 500 : 20);
  const auto folder = ::testing::TempDir() + "hyprstream_late_fuzz_" + std::to_string(::getpid());
  std::map<std::string, int> tallies;
  for (auto seed = first; seed < first + seeds; ++seed) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const auto door = MakeLocalDoor(seed % 2 == 0 ? folder : "");
    LateFuzz fuzz(*door, static_cast<std::uint64_t>(seed));
    ASSERT_EQ(fuzz.Run(), "") << "seed " << seed << "; alone: HYPRSTREAM_SEED=" << seed << " HYPRSTREAM_SEEDS=1";
    for (const auto& [kind, count] : fuzz.tallies) tallies[kind] += count;
  }
  std::filesystem::remove_all(folder);
  std::cout << seeds << " seeds from " << first << ";";
  for (const auto& [kind, count] : tallies) std::cout << " " << kind << " " << count;
  std::cout << "\n";
  if (seeds < 50) return;  // what is rare may not come in a few
  for (const auto* kind : {"insert", "rejected insert", "change", "refused change", "restart", "view on view"}) {
    EXPECT_GT(tallies[kind], 0) << kind << " does not happen";
  }
}

}  // namespace
}  // namespace hyprstream::fuzz
