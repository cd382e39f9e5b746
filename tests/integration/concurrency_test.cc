// Everything at once, over the port of the real server: eight writers through four doors, eight readers, views of every
// kind of window that come and go, windows and rows that expire. Every statement sees, in tables and in all of their
// views, the same prefix of the accepted batches, and in it everything that was acknowledged before the statement
// began.
//
// HYPRSTREAM_SEED is printed; HYPRSTREAM_LONG=1 runs for minutes.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/flight/client.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <ranges>
#include <set>
#include <thread>
#include <vector>

#include "fuzz/random.h"
#include "support/server_process.h"
#include "support/sql_client.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

constexpr int kWriters = 8;
constexpr int kReaders = 8;
constexpr std::chrono::seconds kPatience{180};
constexpr std::int64_t kNone = -1;

// ---- what is written

// The batch `seq` of a writer has this many rows, all with the value `seq`.
std::int64_t RowsIn(int writer, std::int64_t seq) { return 1 + (seq * 7 + writer) % 13; }

struct Row {
  std::int64_t ts = 0;  // microseconds
  std::int32_t writer = 0;
  std::int64_t seq = 0;
  std::int64_t before = 0;  // batches of the table that were acknowledged when this one was sent
};

struct Ledger {
  std::array<std::atomic<std::int64_t>, kWriters> sent{};   // batches, at most
  std::array<std::atomic<std::int64_t>, kWriters> acked{};  // batches, at least
  std::atomic<std::int64_t> all_acked = 0;

  void Ack(int writer, std::int64_t seq) {
    acked[static_cast<std::size_t>(writer)] = seq + 1;
    ++all_acked;
  }
};

// a keeps all rows, b none, c those of ten minutes.
constexpr std::array<const char*, 3> kTables = {"a", "b", "c"};
constexpr const char* kRetention = "10 minutes";
constexpr int kHops = 5;  // windows that a row is in

// ---- what is read

// Of one writer's rows in one source.
struct Facts {
  std::int64_t rows = 0;
  std::int64_t sum = 0;
  std::int64_t last = kNone;
  std::int64_t before = kNone;
  bool operator==(const Facts&) const = default;
};

using ByWriter = std::map<std::int64_t, Facts>;

struct Source {
  std::string name;
  std::string table;
  std::string sql;        // writer, rows, sum, last, before
  int times = 1;          // how often it counts each row
  std::string like = {};  // the source that it must equal; empty: it must be a prefix of all batches
};

std::string OfRows(const std::string& from, const std::string& where = "") {
  return "SELECT writer, count(*) AS n, sum(seq)::BIGINT AS s, max(seq) AS last, max(before) AS before FROM " + from +
         where + " GROUP BY writer";
}

std::string OfView(const std::string& view, const std::string& where = "") {
  return "SELECT writer, sum(n)::BIGINT AS n, sum(s)::BIGINT AS s, max(last) AS last, max(before) AS before FROM " +
         view + where + " GROUP BY writer";
}

// A view's SELECT: every kind has the same columns beside its windows.
std::string Definition(const std::string& window, const std::string& from) {
  return "SELECT " + window + "writer, count(*) AS n, sum(seq) AS s, max(seq) AS last, max(before) AS before FROM " +
         from + " GROUP BY ALL";
}

struct Kind {
  const char* name;
  int times;
};
constexpr std::array<Kind, 4> kKinds = {{{"all", 1}, {"minutes", 1}, {"hops", kHops}, {"sessions", 1}}};

std::string DefinitionOf(const std::string& kind, const std::string& table) {
  if (kind == "all") return Definition("", table);
  if (kind == "minutes") return Definition("time_bucket(INTERVAL '1 minute', ts) AS window_start, ", table);
  if (kind == "hops") {
    return Definition("window_start, ", "hop(" + table + ", ts, INTERVAL '1 minute', INTERVAL '5 minutes')");
  }
  return Definition("window_start, window_end, ", "session(" + table + ", ts, INTERVAL '5 seconds', writer)");
}

std::string Create(const std::string& view, const std::string& options, const std::string& select) {
  return "CREATE MATERIALIZED VIEW " + view + options + " AS " + select;
}

// The mark of each table is the highest time of its rows: no row of it comes from the future.
std::string MarkOf(const std::string& table) { return "(SELECT max(newest) FROM " + table + "_marks)"; }

std::vector<std::string> Statements() {
  const std::string columns = " (ts TIMESTAMP, writer INTEGER, seq BIGINT, before BIGINT) WITH (time = 'ts'";
  const std::string retention = std::string("retention = '") + kRetention + "'";
  std::vector<std::string> setup = {"CREATE TABLE a" + columns + ")",
                                    "CREATE TABLE b" + columns + ", keep_rows = false)",
                                    "CREATE TABLE c" + columns + ", " + retention + ")"};
  for (const std::string table : kTables) {
    for (const auto& kind : kKinds)
      setup.push_back(Create(table + "_" + kind.name, "", DefinitionOf(kind.name, table)));
    setup.push_back(Create(table + "_marks", "", "SELECT max(ts) AS newest FROM " + table));
    setup.push_back(Create(table + "_recent", " WITH (" + retention + ")", DefinitionOf("minutes", table)));
    setup.push_back(Create(table + "_recent_sessions", " WITH (" + retention + ")", DefinitionOf("sessions", table)));
    setup.push_back(Create(table + "_hours", "",
                           "SELECT time_bucket(INTERVAL '1 hour', window_start) AS hour, writer, combine(n) AS n, "
                           "combine(s) AS s, combine(last) AS last, combine(before) AS before FROM " +
                               table + "_minutes GROUP BY ALL"));
  }
  return setup;
}

std::vector<Source> Sources() {
  std::vector<Source> sources = {{.name = "a", .table = "a", .sql = OfRows("a")}};
  for (const std::string table : kTables) {
    for (const auto& kind : kKinds) {
      const auto view = table + "_" + kind.name;
      sources.push_back({.name = view, .table = table, .sql = OfView(view), .times = kind.times});
    }
    const auto minutes = table + "_minutes";
    sources.push_back({.name = table + "_hours", .table = table, .sql = OfView(table + "_hours")});
    sources.push_back({.name = "combine " + minutes,
                       .table = table,
                       .sql = "SELECT writer, combine(n) AS n, combine(s)::BIGINT AS s, combine(last) AS last, "
                              "combine(before) AS before FROM " +
                              minutes + " GROUP BY writer"});
    // What has not expired.
    const auto cut = MarkOf(table) + " - INTERVAL '" + kRetention + "'";
    const auto live = " WHERE window_start + INTERVAL '1 minute' > " + cut;
    sources.push_back({.name = "live " + minutes, .table = table, .sql = OfView(minutes, live), .like = "itself"});
    sources.push_back(
        {.name = table + "_recent", .table = table, .sql = OfView(table + "_recent"), .like = "live " + minutes});
    if (table == "b") continue;
    const auto whole = " WHERE window_start > " + cut;  // windows without expired rows
    sources.push_back({.name = "whole " + minutes, .table = table, .sql = OfView(minutes, whole), .like = "itself"});
    sources.push_back({.name = "rows of " + table,
                       .table = table,
                       .sql = OfRows(table, " WHERE time_bucket(INTERVAL '1 minute', ts) > " + cut),
                       .like = "whole " + minutes});
  }
  return sources;
}

std::int64_t EnvironmentOr(const char* name, std::int64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::strtoll(text, nullptr, 10) : otherwise;
}

class Concurrency : public ::testing::Test {
 protected:
  Concurrency() : server_(ServerProcess::Start().ValueOrDie()), sources_(Sources()) {}

  void Run(std::int64_t seed, std::chrono::seconds time);

 private:
  using Clock = std::chrono::steady_clock;
  using Random = fuzz::Random;

  // The first few of what went wrong; then everybody stops.
  void Fail(const std::string& what) {
    const std::scoped_lock lock(mutex_);
    if (failures_.size() < 5) failures_.push_back(what);
    stop_ = true;
  }
  // On a slow machine it takes longer until enough has happened.
  bool Done() const {
    const auto now = Clock::now();
    const bool enough = reads_ >= 40 && reads_of_new_views_ >= 3 && now_ >= 1500;
    return stop_ || (enough && now > deadline_) || now > deadline_ + kPatience;
  }
  bool Expect(const std::string& outcome, const std::string& sql) {
    if (outcome.starts_with("ERROR")) Fail(sql + "\n" + outcome);
    return !outcome.starts_with("ERROR");
  }
  Ledger& LedgerOf(const std::string& table) { return ledgers_[static_cast<std::size_t>(table[0] - 'a')]; }

  std::vector<Row> NextBatch(Random& random, const std::string& table, int writer, std::int64_t seq);
  void Put(SqlClient& client, Random& random, int writer);
  void Ingest(SqlClient& client, Random& random, int writer);
  void Insert(SqlClient& client, Random& random, int writer);
  void Transact(SqlClient& client, Random& random, int writer);
  void Write(int writer, std::int64_t seed);

  void Read(int reader, std::int64_t seed);
  std::string Statement(const std::vector<Source>& sources) const;
  std::vector<Source> Some(Random& random, const std::string& table) const;
  void ReadOnce(SqlClient& client, Random& random, bool twice);
  void Check(const std::vector<Source>& sources, const std::map<std::string, ByWriter>& facts);
  void CheckPrefix(const Source& source, const ByWriter& facts);
  void CheckSessions(SqlClient& client);

  void ChangeViews(int number, std::int64_t seed);

  std::unique_ptr<ServerProcess> server_;
  const std::vector<Source> sources_;
  std::array<Ledger, kTables.size()> ledgers_;
  std::atomic<std::int64_t> now_ = 0;  // seconds of event time
  Clock::time_point deadline_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::int64_t> reads_ = 0;
  std::atomic<std::int64_t> reads_of_new_views_ = 0;
  std::atomic<std::int64_t> views_made_ = 0;
  std::mutex mutex_;
  std::vector<std::string> failures_;
};

// ---- writers

// Time goes on with each batch; some rows are late, a few later than any retention.
std::vector<Row> Concurrency::NextBatch(Random& random, const std::string& table, int writer, std::int64_t seq) {
  auto& ledger = LedgerOf(table);
  ledger.sent[static_cast<std::size_t>(writer)] = seq + 1;
  const auto now = now_.fetch_add(1 + random.Below(3));
  std::vector<Row> rows(static_cast<std::size_t>(RowsIn(writer, seq)));
  for (auto& row : rows) {
    auto at = now;
    if (random.Chance(20)) at -= random.Below(300);
    if (random.Chance(2)) at -= random.Below(3000);
    row = {.ts = 1'767'225'600'000'000 + at * 1'000'000, .writer = writer, .seq = seq, .before = ledger.all_acked};
  }
  return rows;
}

std::shared_ptr<arrow::RecordBatch> ToBatch(const std::vector<Row>& rows) {
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO), arrow::default_memory_pool());
  arrow::Int32Builder writers;
  arrow::Int64Builder sequence;
  arrow::Int64Builder before;
  for (const auto& row : rows) {
    EXPECT_OK(times.Append(row.ts));
    EXPECT_OK(writers.Append(row.writer));
    EXPECT_OK(sequence.Append(row.seq));
    EXPECT_OK(before.Append(row.before));
  }
  const auto schema = arrow::schema({arrow::field("ts", times.type()), arrow::field("writer", arrow::int32()),
                                     arrow::field("seq", arrow::int64()), arrow::field("before", arrow::int64())});
  return arrow::RecordBatch::Make(schema, static_cast<std::int64_t>(rows.size()),
                                  {times.Finish().ValueOrDie(), writers.Finish().ValueOrDie(),
                                   sequence.Finish().ValueOrDie(), before.Finish().ValueOrDie()});
}

std::string ToValues(const std::vector<Row>& rows) {
  std::string values;
  for (const auto& row : rows) {
    values += (values.empty() ? "(make_timestamp(" : ", (make_timestamp(") + std::to_string(row.ts) + "), " +
              std::to_string(row.writer) + ", " + std::to_string(row.seq) + ", " + std::to_string(row.before) + ")";
  }
  return values;
}

// A few batches without waiting: the server may put them into one commit.
void Concurrency::Put(SqlClient& client, Random& random, int writer) {
  const std::string table = random.Pick(std::vector<const char*>(kTables.begin(), kTables.end()));
  const auto first = LedgerOf(table).acked[static_cast<std::size_t>(writer)].load();
  const auto end = first + 1 + random.Below(4);
  auto put = client.flight().DoPut(arrow::flight::FlightDescriptor::Path({table}), ToBatch({})->schema());
  if (!put.ok()) return Fail("DoPut: " + put.status().ToString());
  for (auto seq = first; seq < end; ++seq) {
    const auto written = put->writer->WriteRecordBatch(*ToBatch(NextBatch(random, table, writer, seq)));
    if (!written.ok()) return Fail("DoPut: " + written.ToString());
  }
  ARROW_UNUSED(put->writer->DoneWriting());
  for (std::shared_ptr<arrow::Buffer> acknowledged;;) {
    if (!put->reader->ReadMetadata(&acknowledged).ok() || acknowledged == nullptr) break;
  }
  if (const auto closed = put->writer->Close(); !closed.ok()) return Fail("DoPut: " + closed.ToString());
  for (auto seq = first; seq < end; ++seq) LedgerOf(table).Ack(writer, seq);
}

void Concurrency::Ingest(SqlClient& client, Random& random, int writer) {
  using Definition = arrow::flight::sql::TableDefinitionOptions;
  const std::string table = random.Pick(std::vector<const char*>(kTables.begin(), kTables.end()));
  const auto seq = LedgerOf(table).acked[static_cast<std::size_t>(writer)].load();
  const auto batch = ToBatch(NextBatch(random, table, writer, seq));
  const auto cut = random.Below(batch->num_rows() + 1);  // may be empty
  const auto reader =
      arrow::RecordBatchReader::Make({batch->Slice(0, cut), batch->Slice(cut)}, batch->schema()).ValueOrDie();
  const Definition definition{.if_not_exist = arrow::flight::sql::TableDefinitionOptionsTableNotExistOption::kFail,
                              .if_exists = arrow::flight::sql::TableDefinitionOptionsTableExistsOption::kAppend};
  const auto done = client.sql().ExecuteIngest({}, reader, definition, table, std::nullopt, std::nullopt, false);
  if (!done.ok()) return Fail("ingest: " + done.status().ToString());
  LedgerOf(table).Ack(writer, seq);
}

void Concurrency::Insert(SqlClient& client, Random& random, int writer) {
  const std::string table = random.Pick(std::vector<const char*>(kTables.begin(), kTables.end()));
  const auto seq = LedgerOf(table).acked[static_cast<std::size_t>(writer)].load();
  const auto sql = "INSERT INTO " + table + " VALUES " + ToValues(NextBatch(random, table, writer, seq));
  if (Expect(client.Update(sql), sql)) LedgerOf(table).Ack(writer, seq);
}

// One batch of all three tables in one transaction; now and then it is rolled back, and sent again later.
void Concurrency::Transact(SqlClient& client, Random& random, int writer) {
  const auto seq = LedgerOf("a").acked[static_cast<std::size_t>(writer)].load();
  std::vector<std::string> script = {"BEGIN"};
  for (const std::string table : kTables) {
    script.push_back("INSERT INTO " + table + " VALUES " + ToValues(NextBatch(random, table, writer, seq)));
  }
  const bool commits = random.Chance(80);
  script.push_back(commits ? "COMMIT" : "ROLLBACK");
  for (const auto& sql : script) {
    if (!Expect(client.Update(sql), sql)) return;
  }
  if (!commits) return;
  for (const std::string table : kTables) LedgerOf(table).Ack(writer, seq);
}

void Concurrency::Write(int writer, std::int64_t seed) {
  using Door = void (Concurrency::*)(SqlClient&, Random&, int);
  constexpr std::array<Door, 4> kDoors = {&Concurrency::Put, &Concurrency::Ingest, &Concurrency::Insert,
                                          &Concurrency::Transact};
  SqlClient client(*server_);
  Random random(static_cast<std::uint64_t>(seed * 100 + writer));
  while (!Done()) (this->*kDoors[static_cast<std::size_t>(writer) % kDoors.size()])(client, random, writer);
}

// ---- readers

std::string Concurrency::Statement(const std::vector<Source>& sources) const {
  std::string sql;
  for (const auto& source : sources) {
    sql +=
        (sql.empty() ? "SELECT '" : " UNION ALL SELECT '") + source.name + "' AS source, * FROM (" + source.sql + ")";
  }
  return sql;
}

std::int64_t IntegerAt(const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) return kNone;
  if (array.type_id() == arrow::Type::INT32) return static_cast<const arrow::Int32Array&>(array).Value(row);
  return static_cast<const arrow::Int64Array&>(array).Value(row);
}

// Of each source, as if it counted each row once.
std::map<std::string, ByWriter> FactsOf(const arrow::Table& table, const std::vector<Source>& sources) {
  std::map<std::string, ByWriter> facts;
  std::map<std::string, int> times;
  for (const auto& source : sources) {
    facts[source.name];
    times[source.name] = source.times;
  }
  const auto batch = table.CombineChunksToBatch().ValueOrDie();
  const auto& names = static_cast<const arrow::StringArray&>(*batch->column(0));
  for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
    const auto at = [&](int column) { return IntegerAt(*batch->column(column), row); };
    const auto name = names.GetString(row);
    const auto once = [&](std::int64_t value) {  // none where a part of it is missing
      return value % times.at(name) == 0 ? value / times.at(name) : kNone;
    };
    facts[name][at(1)] = {.rows = once(at(2)), .sum = once(at(3)), .last = at(4), .before = at(5)};
  }
  return facts;
}

std::string TextOf(const ByWriter& facts) {
  std::string text;
  for (const auto& [writer, of] : facts) {
    text += " " + std::to_string(writer) + ": " + std::to_string(of.rows) + " rows, sum " + std::to_string(of.sum) +
            ", last " + std::to_string(of.last) + ", before " + std::to_string(of.before) + ";";
  }
  return text;
}

// Whole batches, from the first to the last, each with what was acknowledged before it was sent.
void Concurrency::CheckPrefix(const Source& source, const ByWriter& facts) {
  std::int64_t batches = 0;
  std::int64_t before = kNone;
  for (const auto& [writer, of] : facts) {
    std::int64_t rows = 0;
    std::int64_t sum = 0;
    for (std::int64_t seq = 0; seq <= of.last; ++seq) {
      rows += RowsIn(static_cast<int>(writer), seq);
      sum += seq * RowsIn(static_cast<int>(writer), seq);
    }
    if (of.rows != rows || of.sum != sum) return Fail(source.name + " has parts of batches:" + TextOf(facts));
    batches += of.last + 1;
    before = std::max(before, of.before);
  }
  if (batches <= before) {
    Fail(source.name + " lacks batches that were acknowledged before one that it has was sent:" + TextOf(facts));
  }
}

void Concurrency::Check(const std::vector<Source>& sources, const std::map<std::string, ByWriter>& facts) {
  std::map<std::string, std::string> prefixes;  // a source of each table
  for (const auto& source : sources) {
    if (source.like == "itself") continue;
    const auto& found = facts.at(source.name);
    if (source.like.empty() && prefixes.emplace(source.table, source.name).second) CheckPrefix(source, found);
    const auto& like = source.like.empty() ? prefixes.at(source.table) : source.like;
    if (found == facts.at(like)) continue;
    return Fail("in one statement " + source.name + " has" + TextOf(found) + "\nand " + like + " has" +
                TextOf(facts.at(like)));
  }
  if (prefixes.size() < kTables.size()) return;
  for (int writer = 3; writer < kWriters; writer += 4) {  // whose transactions write all tables
    const auto rows = [&](const char* table) {
      const auto& found = facts.at(prefixes.at(table));
      return found.contains(writer) ? found.at(writer).last + 1 : 0;
    };
    if (rows("a") != rows("b") || rows("a") != rows("c")) {
      return Fail("a transaction of writer " + std::to_string(writer) + " is seen in a part of its tables");
    }
  }
}

// Some sources of one table or of all, and those that they must equal.
std::vector<Source> Concurrency::Some(Random& random, const std::string& table) const {
  std::vector<Source> some;
  std::set<std::string> needed;
  for (const auto& source : std::views::reverse(sources_)) {  // what others must equal comes before them
    const bool asked = source.like != "itself" && random.Chance(40);
    if (!(table.empty() || source.table == table) || !(asked || needed.contains(source.name))) continue;
    needed.insert(source.like);
    some.push_back(source);
  }
  std::ranges::reverse(some);
  return some.empty() ? std::vector<Source>{sources_.front()} : some;
}

// In one statement; `twice`: in a transaction, which stays where it is.
void Concurrency::ReadOnce(SqlClient& client, Random& random, bool twice) {
  const auto table = random.Below(4);
  auto sources = Some(random, table == 3 ? "" : kTables[static_cast<std::size_t>(table)]);
  const std::string churn = random.Pick(std::vector<const char*>{"0", "1"});
  const bool with_new = table == 0 && random.Chance(60);
  if (with_new) {
    const auto kind = kKinds[static_cast<std::size_t>(random.Below(kKinds.size()))];
    const auto view = std::string("new_") + kind.name + "_" + churn;
    sources.push_back({.name = view, .table = "a", .sql = OfView(view), .times = kind.times});
  }
  std::map<std::string, std::vector<std::int64_t>> acked;
  for (const std::string name : kTables) {
    for (const auto& count : LedgerOf(name).acked) acked[name].push_back(count);
  }
  if (twice && !Expect(client.Update("BEGIN"), "BEGIN")) return;
  const auto sql = Statement(sources);
  const auto read = client.Query(sql);
  if (!read.ok()) {
    const auto why = read.status().ToString();
    if (!with_new || why.find("does not exist") == std::string::npos)
      Fail(why + (twice ? "\nin a transaction: " : "\n") + sql);
    if (twice) ARROW_UNUSED(client.Update("ROLLBACK"));
    return;
  }
  const auto facts = FactsOf(**read, sources);
  Check(sources, facts);
  for (const auto& source : sources) {
    if (!source.like.empty()) continue;
    const auto& ledger = LedgerOf(source.table);
    for (std::size_t writer = 0; writer < kWriters; ++writer) {
      const auto& found = facts.at(source.name);
      const auto key = static_cast<std::int64_t>(writer);
      const auto batches = found.contains(key) ? found.at(key).last + 1 : 0;
      if (batches < acked[source.table][writer])
        Fail(source.name + " lacks a batch that was acknowledged before the read");
      if (batches > ledger.sent[writer]) Fail(source.name + " has a batch that was not sent");
    }
  }
  ++reads_;
  if (with_new) ++reads_of_new_views_;
  if (!twice) return;
  const auto again = client.Query(sql);
  if (!again.ok()) return Fail("again, in a transaction: " + sql + "\n" + again.status().ToString());
  if (FactsOf(**again, sources) != facts) Fail("a transaction sees other rows than at its first statement: " + sql);
  Expect(client.Update("COMMIT"), "COMMIT");
}

// Of sessions with a retention none has expired.
void Concurrency::CheckSessions(SqlClient& client) {
  for (const std::string table : kTables) {
    const auto sql = "SELECT count(*) FROM " + table + "_recent_sessions WHERE window_end <= " + MarkOf(table) +
                     " - INTERVAL '" + kRetention + "'";
    const auto rows = client.Rows(sql);
    if (rows != "0\n") Fail(sql + ": " + rows);
  }
}

void Concurrency::Read(int reader, std::int64_t seed) {
  SqlClient client(*server_);
  Random random(static_cast<std::uint64_t>(seed * 100 + 50 + reader));
  // Half of them ask the tables themselves; of the others views answer for tables where they can.
  if (reader % 2 == 0) Expect(client.Update("SET use_views = false"), "SET use_views = false");
  while (!Done()) {
    ReadOnce(client, random, reader >= 6);
    if (random.Chance(10)) CheckSessions(client);
  }
}

// ---- views that come and go

void Concurrency::ChangeViews(int number, std::int64_t seed) {
  SqlClient client(*server_);
  Random random(static_cast<std::uint64_t>(seed * 100 + 90 + number));
  const auto& kinds = kKinds;
  while (!Done()) {
    const auto kind = kinds[static_cast<std::size_t>(random.Below(kKinds.size()))];
    const auto view = std::string("new_") + kind.name + "_" + std::to_string(number);
    std::vector<std::string> script;
    const auto select = DefinitionOf(kind.name, "a");
    switch (random.Below(5)) {
      case 0:
        script = {"DROP MATERIALIZED VIEW IF EXISTS " + view};
        break;
      case 1:
        script = {"BEGIN", "CREATE OR REPLACE MATERIALIZED VIEW " + view + " AS " + select,
                  random.Text({"COMMIT", "ROLLBACK"})};
        break;
      default:
        script = {"CREATE OR REPLACE MATERIALIZED VIEW " + view + " AS " + select};
        break;
    }
    for (const auto& sql : script) {
      if (!Expect(client.Update(sql), sql)) return;
    }
    ++views_made_;
  }
}

// ---- all of it

void Concurrency::Run(std::int64_t seed, std::chrono::seconds time) {
  SqlClient client(*server_);
  for (const auto& sql : Statements()) ASSERT_FALSE(client.Update(sql).starts_with("ERROR")) << sql;
  deadline_ = Clock::now() + time;
  {
    std::vector<std::jthread> threads;
    for (int writer = 0; writer < kWriters; ++writer) threads.emplace_back([=, this] { Write(writer, seed); });
    for (int reader = 0; reader < kReaders; ++reader) threads.emplace_back([=, this] { Read(reader, seed); });
    for (int number = 0; number < 2; ++number) threads.emplace_back([=, this] { ChangeViews(number, seed); });
  }
  Random random(static_cast<std::uint64_t>(seed));
  if (failures_.empty()) ReadOnce(client, random, false);
  for (const auto& failure : failures_) ADD_FAILURE() << failure;
  ASSERT_TRUE(failures_.empty()) << "seed " << seed;
  EXPECT_GT(reads_, 0);
  EXPECT_GT(reads_of_new_views_, 0);
  std::cout << "seed " << seed << ": " << ledgers_[0].all_acked + ledgers_[1].all_acked + ledgers_[2].all_acked
            << " batches, " << reads_ << " reads, " << reads_of_new_views_ << " of them of new views, " << views_made_
            << " changes of views, " << now_ << " s of event time\n";
  EXPECT_EQ(client.Rows("SELECT count(*) FROM hyprstream.views WHERE view_name LIKE '%_recent%' AND expired_rows = 0"),
            "0\n");
  // Rows are deleted by a timer, which lets views of their table come and go first.
  const auto have_expired = "SELECT count(*) FROM hyprstream.tables WHERE table_name = 'c' AND rows_before IS NOT NULL";
  EXPECT_TRUE(hyprstream::testing::Eventually([&] { return client.Rows(have_expired) == "1\n"; }));
  const auto views = client.Query("SELECT view_name FROM hyprstream.views").ValueOrDie();
  const auto names = views->CombineChunksToBatch().ValueOrDie()->column(0);
  for (std::int64_t i = 0; i < names->length(); ++i) {
    const auto name = static_cast<const arrow::StringArray&>(*names).GetString(i);
    const auto dropped = client.Update("DROP MATERIALIZED VIEW IF EXISTS " + name + " CASCADE");
    ASSERT_FALSE(dropped.starts_with("ERROR")) << name << ": " << dropped;
  }
  for (const std::string table : kTables) ASSERT_FALSE(client.Update("DROP TABLE " + table).starts_with("ERROR"));
  for (auto& ledger : ledgers_) {
    for (auto& count : ledger.sent) count = 0;
    for (auto& count : ledger.acked) count = 0;
    ledger.all_acked = 0;
  }
  reads_ = reads_of_new_views_ = views_made_ = now_ = 0;
}

TEST_F(Concurrency, TablesAndAllTheirViewsShowOnePrefixOfTheBatches) {
  const auto seed = EnvironmentOr("HYPRSTREAM_SEED", 1);
  const bool is_long = std::getenv("HYPRSTREAM_LONG") != nullptr;
  for (std::int64_t round = 0; round < (is_long ? 12 : 1) && !HasFailure(); ++round) {
    Run(seed + round, std::chrono::seconds(is_long ? 15 : 8));
  }
}

}  // namespace
}  // namespace hyprstream::testing
