#include "fuzz/view_fuzz.h"

#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "fuzz/random_look_up.h"
#include "fuzz/row_comparison.h"

namespace hyprstream::fuzz {

namespace {

// Where DuckDB's SELECT fails though its result exists, which the view has.
bool FailsOnTheWay(const std::string& why, const std::string& select) {
  const auto says = [&](const char* text) { return why.find(text) != std::string::npos; };
  // Its partial sums may overflow where the whole does not.
  if (says("Overflow in HUGEINT") || says("Overflow in SUM of DECIMAL")) return true;
  // It makes one BETWEEN of two comparisons of lists, and has none of lists.
  if (says("Invalid type for BETWEEN")) return true;
  // It evaluates expressions for rows, too, that the WHERE leaves out. Their times may be at the ends of their type.
  const bool at_the_ends = says("can't be cast to") || says("Date out of range") || says("not in timestamp range") ||
                           says("Overflow in subtraction of INT64");
  return at_the_ends && select.find(" WHERE ") != std::string::npos;
}

}  // namespace

void ViewFuzz::Fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
}

void ViewFuzz::Note(const std::string& kind, const std::string& what, const arrow::Status& status) {
  script_ += what + ";" + (status.ok() ? "" : "  -- " + status.message().substr(0, 300)) + "\n";
  auto& tally = tallies_[kind];
  ++(status.ok() ? tally.done : tally.refused);
}

// What the server accepted a plain DuckDB accepts, too. But a change of keys that passes through duplicates, as id +
// 1000 of several ids does, is accepted or not by how the rows lie; the oracle has lost track then, and the seed ends.
void ViewFuzz::Tell(const arrow::Status& told, const std::string& what) {
  if (told.ok()) return;
  const bool by_order = what.starts_with("UPDATE ") && told.message().find("violates primary key") != std::string::npos;
  if (by_order) {
    oracle_has_ended_ = true;
    ++tallies_["end of the oracle"].refused;
    return;
  }
  Fail("only DuckDB refuses: " + what + "\n" + told.message());
}

// DuckDB ends a transaction on its first error.
void ViewFuzz::RollBack() {
  if (!in_transaction_) return;
  in_transaction_ = false;
  views_ = views_before_;
  ARROW_UNUSED(door_.Update("ROLLBACK"));
  ARROW_UNUSED(oracle_.Update("ROLLBACK"));
  script_ += "ROLLBACK;\n";
}

bool ViewFuzz::Do(const std::string& kind, const std::string& sql) { return DoAs(kind, sql, sql); }

bool ViewFuzz::DoAs(const std::string& kind, const std::string& sql, const std::string& oracle_sql) {
  const auto status = door_.Update(sql);
  Note(kind, sql, status);
  if (status.ok()) {
    if (!oracle_sql.empty()) Tell(oracle_.Update(oracle_sql), sql);
  } else {
    RollBack();
  }
  return status.ok();
}

std::string ViewFuzz::Run(int steps) {
  Do("type", kTypesSql);
  CreateTable();
  if (tables_.empty()) return "The first table was refused:\n" + script_;
  for (int step = 0; step < steps && failure_.empty() && !oracle_has_ended_; ++step) {
    Step();
    if (!in_transaction_ && random_.Chance(30)) CompareAll();
  }
  if (oracle_has_ended_) return "";
  if (in_transaction_) Transaction();
  CompareAll();
  if (failure_.empty() && !oracle_has_ended_) RestartAtEnd();
  return oracle_has_ended_ ? "" : failure_;
}

bool ViewFuzz::CleanUp() {
  RollBack();
  bool clean = true;
  for (const auto& view : views_)
    clean &= door_.Update("DROP MATERIALIZED VIEW IF EXISTS " + view.name + " CASCADE").ok();
  for (const auto& table : tables_) clean &= door_.Update("DROP TABLE " + table.name).ok();
  return clean && door_.Update("DROP TYPE mood").ok() && door_.Update("SET TimeZone = 'UTC'").ok();
}

void ViewFuzz::Step() {
  const auto& table = random_.Pick(tables_);
  const auto choice = random_.Below(100);
  if (choice < 20) return Insert(table);
  if (choice < 35) return Put(table);
  if (choice < 50) return Ingest(table);
  if (choice < 71) return Change(table);
  if (choice < 83) return Transaction();
  if (choice < 97) return ChangeViews();
  if (in_transaction_) return;
  if (choice < 98 && tables_.size() < 3) return CreateTable();
  Restart(Ending::kOrderly);
}

// False: the server has nothing to be started on, or did not start.
bool ViewFuzz::Restart(Ending ending) {
  const auto restarted = door_.Restart(ending);
  if (!restarted.ok()) Fail("it does not start again: " + restarted.status().ToString());
  if (!restarted.ValueOr(false)) return false;
  const std::string what = ending == Ending::kCrash ? "restart after a crash" : "restart";
  script_ += "-- " + what + "\n";
  ++tallies_[what].done;
  types_compared_.clear();
  return true;
}

// After a crash views of tables that keep no rows lack what came since the last orderly end; the oracle has it.
void ViewFuzz::RestartAtEnd() {
  const auto ending = random_.Chance(50) ? Ending::kCrash : Ending::kOrderly;
  if (!Restart(ending)) return;
  const auto is_gone = [&](const auto& view) { return ending == Ending::kCrash && !TableOf(view).keeps_rows; };
  for (auto gone = std::ranges::find_if(views_, is_gone); gone != views_.end();
       gone = std::ranges::find_if(views_, is_gone)) {
    const auto name = gone->name;
    Drop(name, true);
    if (std::ranges::contains(views_, name, &RandomView::name)) return Fail(name + " is not dropped");
  }
  CompareAll();
}

// A row that the server does not take is one with which some view's SELECT fails, or that the table itself refuses.
void ViewFuzz::ExpectRefusal(const RandomTable& table, const std::string& insert, const arrow::Status& refusal) {
  if (in_transaction_ || refusal.IsCapacityError()) return;
  ARROW_UNUSED(oracle_.Update("SET TimeZone = 'UTC'"));
  if (!oracle_.Try(insert).ok()) return;
  // A view over hop or tumble may refuse times near the ends of their type that its SELECT leaves out, see docs/sql.md,
  // and decayed aggregates those that are no TIMESTAMP; the oracle's formula does not look at what they do not count.
  const auto has = [&](const char* text) { return insert.find(text) != std::string::npos; };
  const bool at_the_ends = has("(BC)") || has("294247-") || has("5881580-");
  for (const auto& view : views_) {
    if (view.table != table.name) continue;
    if (at_the_ends && (!view.oracle_from.empty() || view.Decays())) return;
    // The conditions of a view and of the one that it reads are one AND, whose order is DuckDB's.
    if (at_the_ends && !view.source.empty() && !view.where.empty()) return;
    const auto zone = "SET TimeZone = '" + view.time_zone + "'; ";
    const auto fails = oracle_.Try(insert, zone + view.Oracle());
    ARROW_UNUSED(oracle_.Update("SET TimeZone = 'UTC'"));
    if (!fails.ok()) return;
  }
  Fail("only the server refuses: " + insert + "\n" + refusal.message());
}

void ViewFuzz::Insert(const RandomTable& table) {
  const auto rows = RowTexts(random_, table, static_cast<int>(1 + random_.Below(30)));
  auto sql = "INSERT INTO " + table.name + " VALUES " + Joined(rows, 0, rows.size());
  if (random_.Chance(25)) {
    sql = "INSERT INTO " + table.name + " (id, ts) SELECT 1000000 + " + std::to_string(random_.Below(1'000'000'000)) +
          " + i, TIMESTAMP '2024-03-30 23:00:00' + " + "INTERVAL (i) MINUTE FROM range(" +
          std::to_string(random_.Below(3000)) + ") t(i)";
  }
  const bool alone = !in_transaction_;
  const auto status = door_.Update(sql);
  Note("insert", sql, status);
  if (status.ok()) return Tell(oracle_.Update(sql), sql);
  if (alone) return ExpectRefusal(table, sql, status);
  RollBack();
}

// Rows up to `outcome.rows` were accepted, whatever the open transaction.
void ViewFuzz::PutInto(const RandomTable& table, const Load& load, const PutOutcome& outcome) {
  const auto insert = "INSERT INTO " + table.name + " VALUES ";
  const auto accepted = static_cast<std::size_t>(outcome.rows);
  std::string shown =
      "-- put " + std::to_string(accepted) + " of these rows\n" + insert + Joined(load.texts, 0, load.texts.size());
  Note("put", shown, outcome.status);
  if (accepted > 0) {
    const auto sql = insert + Joined(load.texts, 0, accepted);
    Tell(oracle_.UpdateApart(sql), sql);
  }
  if (outcome.status.ok()) {
    if (accepted != load.texts.size()) Fail("put acknowledged " + std::to_string(accepted) + " rows");
    return;
  }
  std::int64_t next = 0;  // the batch after those that were accepted is the bad one
  for (const auto& batch : load.batches) {
    next += batch->num_rows();
    if (next <= outcome.rows) continue;
    const auto bad = insert + Joined(load.texts, accepted, static_cast<std::size_t>(next));
    return ExpectRefusal(table, bad, outcome.status);
  }
}

void ViewFuzz::Put(const RandomTable& table) {
  const auto load = pool_.Draw(random_, door_, table);
  if (!load.ok()) {
    Note("batches", "-- batches for " + table.name, load.status());
    return RollBack();
  }
  PutInto(table, *load, door_.Put(table.name, load->batches));
}

void ViewFuzz::Ingest(const RandomTable& table) {
  const auto load = pool_.Draw(random_, door_, table);
  if (!load.ok()) {
    Note("batches", "-- batches for " + table.name, load.status());
    return RollBack();
  }
  const bool alone = !in_transaction_;
  const auto status = door_.Ingest(table.name, load->batches);
  const auto sql = "INSERT INTO " + table.name + " VALUES " + Joined(load->texts, 0, load->texts.size());
  Note("ingest", "-- ingest these rows\n" + sql, status);
  if (status.ok()) return Tell(oracle_.Update(sql), sql);
  if (alone) return ExpectRefusal(table, sql, status);
  RollBack();
}

void ViewFuzz::Change(const RandomTable& table) {
  const auto& name = table.name;
  const auto where = " WHERE " + Condition(random_, table);
  const auto& column = random_.Pick(table.columns);
  switch (random_.Below(8)) {
    case 0:
    case 1:
      if (column.name == "id") {
        Do("update key", "UPDATE " + name + " SET id = id + 1000" + where);
        return;
      }
      Do("update", "UPDATE " + name + " SET " + column.name + " = " + Value(random_, column) + where);
      return;
    case 2:
    case 3:
      Do("delete", "DELETE FROM " + name + where);
      return;
    case 4:
    case 5:
      return ChangeByOtherRows(table, where);
    case 6:
      Do("writing cte", "WITH gone AS (DELETE FROM " + name + where + " RETURNING *) INSERT INTO " + name +
                            " SELECT * REPLACE (ts + INTERVAL 1 DAY AS ts) FROM gone");
      return;
    default:
      if (random_.Chance(15)) {
        Do("truncate", "TRUNCATE " + name);
        return;
      }
      Do("several", "INSERT INTO " + name + " (id, ts) VALUES (-1, NULL); UPDATE " + name +
                        " SET ts = TIMESTAMP '2024-03-31' WHERE id = -1; DELETE FROM " + name + " WHERE id = -1");
  }
}

void ViewFuzz::ChangeByOtherRows(const RandomTable& table, const std::string& where) {
  const auto& name = table.name;
  const auto ids = "(SELECT DISTINCT id FROM " + name + where + ") s";
  switch (random_.Below(4)) {
    case 0:
      Do("merge", "MERGE INTO " + name + " USING " + ids + " ON " + name +
                      ".id = s.id WHEN MATCHED AND s.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET ts = NULL");
      return;
    case 1:
      Do("update from",
         "UPDATE " + name + " SET ts = TIMESTAMP '2024-04-02' FROM " + ids + " WHERE " + name + ".id = s.id");
      return;
    case 2:
      Do("delete using", "DELETE FROM " + name + " USING " + ids + " WHERE " + name + ".id = s.id AND s.id % 3 = 0");
      return;
    default:
      if (table.has_key) {
        Do("on conflict", "INSERT INTO " + name + " (id, ts) SELECT id, NULL FROM " + name + where +
                              " ON CONFLICT DO UPDATE SET ts = TIMESTAMP '2024-04-01'");
      } else {
        Do("merge insert", "MERGE INTO " + name + " USING (VALUES (-7), (-8)) s(id) ON " + name +
                               ".id = s.id WHEN NOT MATCHED THEN INSERT (id, ts) VALUES (s.id, NULL)");
      }
  }
}

void ViewFuzz::Transaction() {
  if (!in_transaction_) {
    views_before_ = views_;
    in_transaction_ = Do("begin", "BEGIN");
    // Both see what is committed now, not at some later first statement.
    ARROW_UNUSED(door_.Query("SELECT count(*) FROM duckdb_tables()").status());
    ARROW_UNUSED(oracle_.Query("SELECT count(*) FROM " + tables_[0].name).status());
    return;
  }
  const bool commits = random_.Chance(70);
  if (!Do(commits ? "commit" : "rollback", commits ? "COMMIT" : "ROLLBACK")) return;
  in_transaction_ = false;
  if (!commits) views_ = views_before_;
}

void ViewFuzz::CreateTable() {
  auto table = MakeTable(random_, "t" + std::to_string(tables_.size()));
  if (DoAs("table", table.CreateSql() + table.OptionsSql(), table.CreateSql())) tables_.push_back(std::move(table));
  CreateView();
}

const RandomTable& ViewFuzz::TableOf(const RandomView& view) const {
  return *std::ranges::find(tables_, view.table, &RandomTable::name);
}

RandomView ViewFuzz::NewView() {
  const auto name = "v" + std::to_string(random_.Below(6));
  if (!views_.empty() && random_.Chance(30)) {
    auto view = MakeViewOnView(random_, random_.Pick(views_), name);
    if (!view.definition.empty()) return view;
  }
  return MakeView(random_, random_.Pick(tables_), name);
}

void ViewFuzz::CreateView() {
  if (tables_.empty()) return;  // what made the first one has failed, and says so
  auto view = NewView();
  const auto& table = TableOf(view);
  if (!Do("time zone", "SET TimeZone = '" + view.time_zone + "'")) return;
  std::string options;
  if (!table.keeps_rows && !in_transaction_ && random_.Chance(50)) {
    const auto last = oracle_.Query("SELECT (coalesce(max(rowid), -1) + 1)::VARCHAR FROM " + table.name);
    if (last.ok()) {
      view.first_row = std::stoll(*last->at(0).at(0).text);
      options = " WITH (backfill = false)";
    }
  }
  const bool whole = !in_transaction_ && options.empty();
  const bool writers = whole && random_.Chance(25);
  const bool background = whole && random_.Chance(20);
  if (background) options = " WITH (background = true)";
  const auto sql = "CREATE OR REPLACE MATERIALIZED VIEW " + view.name + options + " AS " + view.Select();
  const bool made =
      writers ? CreateUnderWriters(view, sql) : DoAs(view.source.empty() ? "view" : "view on view", sql, "");
  Do("time zone", "SET TimeZone = 'UTC'");
  if (!made) return;
  std::erase_if(views_, [&](const auto& other) { return other.name == view.name; });
  if (background) filling_.insert(view.name);
  views_.push_back(std::move(view));
}

// Views that are filled in the background cannot be read before. One that could not take a row is broken, and goes.
void ViewFuzz::AwaitFilled() {
  for (const auto& name : std::exchange(filling_, {})) {
    auto filled = door_.Filling(name);
    for (; filled == FillingFacts::kFilling; filled = door_.Filling(name)) std::this_thread::yield();
    if (!filled.ok()) continue;  // dropped meanwhile
    const bool broken = filled == FillingFacts::kBroken;
    auto& tally = tallies_["view in the background"];
    ++(broken ? tally.refused : tally.done);
    if (broken) Drop(name, true);
  }
}

// Rows arrive while the view is being made.
bool ViewFuzz::CreateUnderWriters(const RandomView& view, const std::string& sql) {
  const auto& table = TableOf(view);
  ARROW_UNUSED(door_.Update("SET TimeZone = 'UTC'"));
  const auto load = pool_.Draw(random_, door_, table);
  ARROW_UNUSED(door_.Update("SET TimeZone = '" + view.time_zone + "'"));
  if (!load.ok()) return DoAs("view", sql, "");
  PutOutcome outcome;
  std::thread writer([&] { outcome = door_.Put(table.name, load->batches); });
  const auto status = door_.Update(sql);
  writer.join();
  Note("view under writers", sql, status);
  if (outcome.status.ok()) {
    PutInto(table, *load, outcome);
  } else {  // the new view may be what refused the rows, also one that could not be made in the end
    views_.push_back(view);
    PutInto(table, *load, outcome);
    views_.pop_back();
  }
  return status.ok();
}

void ViewFuzz::ChangeViews() {
  if (views_.empty() || random_.Chance(65)) return CreateView();
  if (random_.Chance(40)) return Refresh();
  if (!in_transaction_ && random_.Chance(40)) return CopyStates();
  DropView();
}

// Where the rows are there, it changes nothing.
void ViewFuzz::Refresh() {
  const auto window = random_.Text(
      {"", "", " WINDOW '2024-03-30 22:10' TO '2024-03-31 00:20'", " WINDOW '2024-01-01' TO '2025-01-01'"});
  DoAs("refresh", "REFRESH MATERIALIZED VIEW " + random_.Pick(views_).name + window, "");
}

// A view of the same kind that gets states where this one got rows.
void ViewFuzz::CopyStates() {
  AwaitFilled();
  if (views_.empty()) return;
  const auto& view = random_.Pick(views_);
  auto table = TableOf(view);
  if (!view.source.empty() || view.from != table.name) return;
  table.name = "copies";
  table.keeps_rows = false;
  auto copy = view;
  copy.from = table.name;
  CompareIn(view.time_zone);
  const bool copied = DoAs("table of copies", table.CreateSql() + table.OptionsSql(), "") &&
                      DoAs("copied view", "CREATE MATERIALIZED VIEW copied AS " + copy.Select(), "") &&
                      DoAs("states", "INSERT INTO states('copied') SELECT * FROM states('" + view.name + "')", "");
  if (copied) CompareTo(view, "copied", "copied states");
  DoAs("copied view", "DROP MATERIALIZED VIEW IF EXISTS copied", "");
  DoAs("table of copies", "DROP TABLE IF EXISTS copies", "");
  CompareIn("UTC");
}

void ViewFuzz::DropView() {
  const auto name = random_.Pick(views_).name;
  Drop(name, random_.Chance(40));
}

// One that others read is dropped with them, or not at all.
void ViewFuzz::Drop(const std::string& name, bool cascade) {
  std::set<std::string> gone = {name};
  for (std::size_t before = 0; before < gone.size();) {
    before = gone.size();
    for (const auto& view : views_) {
      if (gone.contains(view.source)) gone.insert(view.name);
    }
  }
  if (DoAs("drop view", "DROP MATERIALIZED VIEW " + name + (cascade ? " CASCADE" : ""), "")) {
    if (!cascade && gone.size() > 1) Fail(name + " was dropped though others read it");
    std::erase_if(views_, [&](const auto& view) { return gone.contains(view.name); });
  }
}

void ViewFuzz::CompareAll() {
  if (!failure_.empty()) return;
  AwaitFilled();
  for (const auto& view : views_) {
    if (failure_.empty() && !oracle_has_ended_) Compare(view);
  }
  CompareIn("UTC");
}

// Both sides are in UTC but for the comparisons of a view of another zone.
void ViewFuzz::CompareIn(const std::string& time_zone) {
  if (std::exchange(time_zone_, time_zone) == time_zone) return;
  ARROW_UNUSED(door_.Update("SET TimeZone = '" + time_zone + "'"));
  ARROW_UNUSED(oracle_.Update("SET TimeZone = '" + time_zone + "'"));
}

void ViewFuzz::Compare(const RandomView& view) {
  CompareIn(view.time_zone);
  CompareTo(view, view.name, "comparison");
  if (oracle_has_ended_) return;
  if (failure_.empty()) CompareTypes(view);
  for (int i = 0; i < 2 && failure_.empty() && !oracle_has_ended_; ++i) CompareCoarser(view);
  const auto [combined, same] = MakeCombine(random_, view);
  if (failure_.empty() && !oracle_has_ended_ && !combined.empty()) CompareTo(same, "(" + combined + ") s", "combine");
}

// A query that a view may answer.
void ViewFuzz::CompareCoarser(const RandomView& view) {
  const auto query = MakeCoarser(random_, view);
  const auto source = "(" + query.Select() + ") s";
  const auto columns = ColumnsOf(query);
  if (!columns.ok()) {
    ++tallies_["query of a table"].refused;
    return;
  }
  const auto actual = door_.Query(SelectCells(*columns, source));
  const auto why = door_.reason();
  const bool rolled_up = why.find("rolled up") != std::string::npos;
  if (!rolled_up && !TableOf(view).keeps_rows) return;  // refused
  // A window function fails with times near the end of time, also where a condition outside of it leaves them out.
  if (!rolled_up && !view.oracle_from.empty()) return;
  Judge(query, source, rolled_up ? "roll-up" : "query of a table", *columns, actual);
  if (!failure_.empty()) failure_ += "\nby " + why;
}

// `source` has the rows that the view's SELECT gives over all that was accepted.
void ViewFuzz::CompareTo(const RandomView& view, const std::string& source, const std::string& what) {
  const auto columns = ColumnsOf(view);
  if (columns.ok()) return Judge(view, source, what, *columns, door_.Query(SelectCells(*columns, source)));
  if (what != "comparison") {  // a query that was made up
    ++tallies_[what].refused;
    return;
  }
  Fail(what + ", view " + view.name + " in " + view.time_zone + ": " + view.Oracle() + "\n" +
       columns.status().message());
}

void ViewFuzz::Judge(const RandomView& view, const std::string& source, const std::string& what, const Columns& columns,
                     const arrow::Result<std::shared_ptr<arrow::Table>>& actual) {
  const auto head =
      what + ", view " + view.name + " in " + view.time_zone + ": " + view.Oracle() + "\nas " + source + "\n";
  const auto expected = oracle_.Query(SelectCells(columns, "(" + view.Oracle() + ") s"));
  auto& tally = tallies_[what];
  if (!expected.ok() && EndsTheOracle(expected.status())) return;
  if (!expected.ok() && !actual.ok()) {  // a sum out of range is one on both sides
    ++tally.refused;
    return;
  }
  if (!expected.ok()) {
    if (!FailsOnTheWay(expected.status().message(), view.Oracle())) {
      return Fail(head + "only DuckDB's SELECT fails: " + expected.status().message());
    }
    ++tallies_["failure on the way"].refused;
    return;
  }
  if (!actual.ok()) {
    const bool on_the_way = what == "query of a table" && FailsOnTheWay(actual.status().message(), view.Oracle());
    if (!on_the_way) return Fail(head + "only the view fails: " + actual.status().ToString());
    ++tally.refused;
    return;
  }
  ++tally.done;
  const auto rows = RowsOf(**actual);
  if (const auto difference = Difference(*expected, rows); !difference.empty()) return Fail(head + difference);
  if (what != "comparison") return;
  LookUp(view, columns, rows);
  if (!failure_.empty() || random_.Chance(50)) return;
  const auto through = SameRows(random_, columns, source);
  const auto same = door_.Query(SelectCells(columns, through));
  if (!same.ok()) return Fail(head + "not as " + through + "\n" + same.status().ToString());
  if (const auto difference = Difference(rows, RowsOf(**same)); !difference.empty()) {
    Fail(head + "not as " + through + "\n" + difference);
  }
}

// A plain DuckDB may end itself where the server does not (see src/engine/contained_errors_internal.h); with it the
// seed.
bool ViewFuzz::EndsTheOracle(const arrow::Status& failure) {
  if (failure.message().find("not marked as fallible") == std::string::npos) return false;
  oracle_has_ended_ = true;
  ++tallies_["end of the oracle"].refused;
  return true;
}

arrow::Result<Columns> ViewFuzz::ColumnsOf(const RandomView& view) {
  const auto select = view.time_zone + ": " + view.Oracle();
  const auto found = columns_.find(select);
  if (found != columns_.end()) return found->second;
  ARROW_ASSIGN_OR_RAISE(auto columns, oracle_.Describe(view.Oracle()));
  columns_.emplace(select, columns);
  return columns;
}

// They do not change while the view lives, but a restart reads it again.
void ViewFuzz::CompareTypes(const RandomView& view) {
  if (!types_compared_.insert(view.name + ": " + view.Select()).second) return;
  const auto head = "view " + view.name + ": " + view.Oracle() + "\n";
  const auto columns = ColumnsOf(view);
  if (!columns.ok()) return Fail(head + columns.status().message());
  const auto described = door_.Query("SELECT column_name, column_type FROM (DESCRIBE " + view.name + ")");
  if (!described.ok()) return Fail(head + described.status().message());
  Rows types;
  for (const auto& [name, type] : *columns) types.push_back({{.text = name}, {.text = type}});
  if (const auto difference = Difference(types, RowsOf(**described)); !difference.empty()) Fail(head + difference);
}

// A part of the view, which is read by other ways than the whole.
void ViewFuzz::LookUp(const RandomView& view, const Columns& columns, const Rows& rows) {
  const auto condition = RandomLookUp(random_, columns, rows);
  if (condition.empty()) return;
  const auto expected = oracle_.Query(SelectCells(columns, "(" + view.Oracle() + ") s WHERE " + condition));
  const auto actual = door_.Query(SelectCells(columns, view.name + " WHERE " + condition));
  auto& tally = tallies_["look-up"];
  ++(actual.ok() ? tally.done : tally.refused);
  if (!expected.ok() && EndsTheOracle(expected.status())) return;
  if (!expected.ok() && !actual.ok()) return;
  const auto head = "view " + view.name + " in " + view.time_zone + ": " + view.Oracle() + " WHERE " + condition + "\n";
  if (!expected.ok()) {
    // The SELECT itself has just been read. DuckDB asks the condition before the SELECT's own WHERE.
    if (FailsOnTheWay(expected.status().message(), view.Oracle())) return;
    return Fail(head + "only DuckDB fails: " + expected.status().message());
  }
  if (!actual.ok()) return Fail(head + "only the view fails: " + actual.status().message());
  if (const auto difference = Difference(*expected, RowsOf(**actual)); !difference.empty()) Fail(head + difference);
}

}  // namespace hyprstream::fuzz
