#include "fuzz/view_fuzz.h"

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <utility>

#include "fuzz/row_comparison.h"

namespace hyprstream::fuzz {

namespace {

// Text as a dictionary, as many clients send it.
std::shared_ptr<arrow::RecordBatch> WithDictionaries(const arrow::RecordBatch& batch) {
  arrow::ArrayVector columns;
  arrow::FieldVector fields;
  for (int i = 0; i < batch.num_columns(); ++i) {
    auto column = batch.column(i);
    if (column->type_id() == arrow::Type::STRING) {
      column = arrow::compute::DictionaryEncode(arrow::Datum(column)).ValueOrDie().make_array();
    }
    fields.push_back(arrow::field(batch.column_name(i), column->type()));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch.num_rows(), std::move(columns));
}

}  // namespace

void ViewFuzz::Note(const std::string& kind, const std::string& what, const arrow::Status& status) {
  script_ += what + ";" + (status.ok() ? "" : "  -- " + status.message().substr(0, 200)) + "\n";
  auto& tally = tallies_[kind];
  ++(status.ok() ? tally.done : tally.refused);
}

bool ViewFuzz::Do(const std::string& kind, const std::string& sql) {
  const auto status = door_.Update(sql);
  Note(kind, sql, status);
  if (!status.ok() && in_transaction_) {  // DuckDB ends a transaction on its first error
    in_transaction_ = false;
    ARROW_UNUSED(door_.Update("ROLLBACK"));
    script_ += "ROLLBACK;\n";
  }
  return status.ok();
}

std::string ViewFuzz::Run(int steps) {
  Do("type", kTypesSql);
  CreateTable();
  for (int step = 0; step < steps; ++step) {
    Step();
    if (in_transaction_ || !random_.Chance(60)) continue;
    if (auto difference = CompareAll(); !difference.empty()) return difference;
  }
  if (in_transaction_) Do("commit", "COMMIT");
  in_transaction_ = false;
  return CompareAll();
}

void ViewFuzz::Step() {
  const auto& table = random_.Pick(tables_);
  const auto choice = random_.Below(100);
  if (choice < 20) return Insert(table);
  if (choice < 35) return Put(table, false);
  if (choice < 50) return Put(table, true);
  if (choice < 72) return Change(table);
  if (choice < 84) return Transaction();
  if (choice < 97 || in_transaction_) return ChangeViews();
  if (choice < 98 && tables_.size() < 3) return CreateTable();
  if (door_.Restart()) script_ += "-- restart\n";
}

void ViewFuzz::Insert(const RandomTable& table) {
  const auto rows = Rows(random_, table, static_cast<int>(1 + random_.Below(30)));
  if (random_.Chance(70)) {
    Do("insert", "INSERT INTO " + table.name + " VALUES " + rows);
  } else {
    Do("insert select", "INSERT INTO " + table.name + " (id, ts) SELECT 1000000 + " +
                            std::to_string(random_.Below(1'000'000'000)) + " + i, TIMESTAMP '2024-03-30 23:00:00' + " +
                            "INTERVAL (i) MINUTE FROM range(" + std::to_string(random_.Below(3000)) + ") t(i)");
  }
}

// Rows made by the server's own SQL, so that a batch has exactly the table's types; cut at random places, one of the
// batches empty now and then.
arrow::Result<Batches> ViewFuzz::RandomBatches(const RandomTable& table) {
  ARROW_ASSIGN_OR_RAISE(
      auto made, door_.Query("SELECT * FROM (VALUES " + Rows(random_, table, 40) + ") t(" + table.ColumnList() + ")"));
  ARROW_ASSIGN_OR_RAISE(auto whole, made->CombineChunksToBatch());
  if (random_.Chance(40)) whole = WithDictionaries(*whole);
  Batches batches;
  for (std::int64_t at = 0; at < whole->num_rows();) {
    const auto count = random_.Below(20);
    batches.push_back(whole->Slice(at, count));
    at += count;
  }
  return batches;
}

void ViewFuzz::Put(const RandomTable& table, bool ingest) {
  const auto batches = RandomBatches(table);
  if (!batches.ok()) return Note("batches", "-- batches for " + table.name, batches.status());
  const auto status = ingest ? door_.Ingest(table.name, *batches) : door_.Put(table.name, *batches);
  std::string rows;
  for (const auto& batch : *batches) rows += "-- batch " + batch->ToString() + "\n";
  Note(ingest ? "ingest" : "put", "-- " + std::string(ingest ? "ingest" : "put") + " " + table.name + "\n" + rows,
       status);
  if (ingest && !status.ok() && in_transaction_) {
    in_transaction_ = false;
    ARROW_UNUSED(door_.Update("ROLLBACK"));
    script_ += "ROLLBACK;\n";
  }
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
      Do("merge", "MERGE INTO " + name + " USING (SELECT id FROM " + name + where + " LIMIT 5) s ON " + name +
                      ".id = s.id WHEN MATCHED AND s.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET ts = NULL");
      return;
    case 5:
      if (!table.has_key) {
        if (random_.Chance(30)) Do("truncate", "TRUNCATE " + name);
        return;
      }
      Do("on conflict", "INSERT INTO " + name + " (id, ts) SELECT id, NULL FROM " + name + where +
                            " LIMIT 5 ON CONFLICT DO UPDATE SET ts = TIMESTAMP '2024-04-01'");
      return;
    case 6:
      Do("writing cte", "WITH gone AS (DELETE FROM " + name + where + " RETURNING *) INSERT INTO " + name +
                            " SELECT * REPLACE (ts + INTERVAL 1 DAY AS ts) FROM gone");
      return;
    default:
      Do("several", "INSERT INTO " + name + " (id, ts) VALUES (-1, NULL); UPDATE " + name +
                        " SET ts = TIMESTAMP '2024-03-31' WHERE id = -1; DELETE FROM " + name + " WHERE id = -1");
  }
}

void ViewFuzz::Transaction() {
  if (!in_transaction_) {
    in_transaction_ = Do("begin", "BEGIN");
    return;
  }
  in_transaction_ = false;
  Do(random_.Chance(70) ? "commit" : "rollback", script_.empty() || random_.Chance(70) ? "COMMIT" : "ROLLBACK");
}

void ViewFuzz::CreateTable() {
  auto table = MakeTable(random_, "t" + std::to_string(tables_.size()));
  if (Do("table", table.CreateSql())) tables_.push_back(std::move(table));
  CreateView();
}

void ViewFuzz::CreateView() {
  const auto& table = random_.Pick(tables_);
  auto view = MakeView(random_, table, "v" + std::to_string(random_.Below(6)));
  if (!Do("time zone", "SET TimeZone = '" + view.time_zone + "'")) return;
  const bool made = Do("view", "CREATE OR REPLACE MATERIALIZED VIEW " + view.name + " AS " + view.select);
  if (!made) return;
  std::erase_if(views_, [&](const auto& other) { return other.name == view.name; });
  views_.push_back(std::move(view));
}

void ViewFuzz::ChangeViews() {
  if (in_transaction_) return;  // whether it commits is not known here; session_test has those
  if (views_.empty() || random_.Chance(80)) return CreateView();
  const auto at = static_cast<std::ptrdiff_t>(random_.Below(static_cast<std::int64_t>(views_.size())));
  if (Do("drop view", "DROP MATERIALIZED VIEW " + views_[static_cast<std::size_t>(at)].name)) {
    views_.erase(views_.begin() + at);
  }
}

std::string ViewFuzz::CompareAll() {
  for (const auto& view : views_) {
    if (auto difference = Compare(view); !difference.empty()) return difference;
  }
  return "";
}

std::string ViewFuzz::Compare(const RandomView& view) {
  ARROW_UNUSED(door_.Update("SET TimeZone = '" + view.time_zone + "'"));
  const auto expected = door_.Query(view.select);
  const auto actual = door_.Query("SELECT * FROM " + view.name);
  auto& tally = tallies_["comparison"];
  if (!expected.ok() && !actual.ok()) {  // a sum out of range is one on both sides
    ++tally.refused;
    return "";
  }
  const auto head = "view " + view.name + " in " + view.time_zone + ": " + view.select + "\n";
  if (!expected.ok()) return head + "only the SELECT over raw rows fails: " + expected.status().ToString();
  if (!actual.ok()) return head + "only the view fails: " + actual.status().ToString();
  ++tally.done;
  auto difference = Difference(**expected, **actual);
  return difference.empty() ? "" : head + difference;
}

}  // namespace hyprstream::fuzz
