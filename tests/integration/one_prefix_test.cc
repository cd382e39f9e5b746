// Eight writers through four doors, readers beside them: every statement, and every transaction, sees one prefix of
// commits in tables and views.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "integration/rooms_in_process.h"
#include "support/sql_client.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

constexpr int kRounds = 40;

std::shared_ptr<arrow::RecordBatch> Ones(std::int64_t rows, std::int32_t key) {
  arrow::Int32Builder keys;
  arrow::Int64Builder values;
  for (std::int64_t i = 0; i < rows; ++i) {
    EXPECT_OK(keys.Append(key));
    EXPECT_OK(values.Append(1));
  }
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("k", arrow::int32()), arrow::field("v", arrow::int64())}),
                                  rows, {keys.Finish().ValueOrDie(), values.Finish().ValueOrDie()});
}

class OnePrefix : public ::testing::Test {
 public:
  OnePrefix() {
    const auto session = rooms_.Session("setup");
    EXPECT_OK(session->Update(context_, kSetup, {}));
  }

  std::string Rows(session::Session& session, const std::string& sql) {
    const auto started = session.Start(context_, sql, {});
    if (!started.ok()) return started.status().ToString();
    const auto reader = session.Fetch(context_, started->ticket);
    if (!reader.ok()) return reader.status().ToString();
    const auto table = (*reader)->ToTable();
    return table.ok() ? TextOf(**table) : table.status().ToString();
  }

  void Put(session::Session& session, int key) {
    const auto put = session.OpenPut(context_, {.table = {.name = "a"}}, Ones(1, 0)->schema());
    ASSERT_OK(put);
    for (int i = 0; i < kRounds; ++i) EXPECT_EQ((*put)->Write({Ones(i, key), Ones(1, key)}).error, nullptr);
  }
  void Ingest(session::Session& session, int key) {
    for (int i = 0; i < kRounds; ++i) {
      const auto rows = arrow::RecordBatchReader::Make({Ones(i, key)}, Ones(0, 0)->schema()).ValueOrDie();
      EXPECT_OK(session.Ingest(context_, {.table = {.name = "a"}}, *rows));
    }
  }
  void Insert(session::Session& session, int key) {
    for (int i = 0; i < kRounds; ++i) {
      EXPECT_OK(session.Update(
          context_, "INSERT INTO a SELECT " + std::to_string(key) + ", 1 FROM range(" + std::to_string(i) + ")", {}));
    }
  }
  // Takes from one table what it gives the other: their sum never changes.
  void Transfer(session::Session& session, int key) {
    const auto k = std::to_string(key);
    for (int i = 0; i < kRounds; ++i) {
      EXPECT_OK(session.Update(context_,
                               "BEGIN; INSERT INTO b VALUES (" + k + ", 3); INSERT INTO c VALUES (" + k +
                                   ", -3); UPDATE b SET v = v + 1 WHERE k = " + k + "; INSERT INTO c SELECT " + k +
                                   ", -count(*) FROM b WHERE k = " + k + "; COMMIT",
                               {}));
    }
  }

  static constexpr const char* kSetup =
      "CREATE TABLE a (k INTEGER, v BIGINT); CREATE TABLE b (k INTEGER, v BIGINT); CREATE TABLE c (k INTEGER, v "
      "BIGINT);"
      "CREATE MATERIALIZED VIEW av AS SELECT count(*) AS n, sum(v) AS s FROM a;"
      "CREATE MATERIALIZED VIEW ak AS SELECT k, count(*) AS n FROM a GROUP BY ALL;"
      "CREATE MATERIALIZED VIEW bv AS SELECT sum(v) AS s FROM b; CREATE MATERIALIZED VIEW cv AS SELECT sum(v) AS s "
      "FROM c";
  // All zeros at every prefix.
  static constexpr const char* kDifferences =
      "SELECT (SELECT count(*) FROM a) - (SELECT n FROM av), (SELECT count(*) FROM a) - (SELECT coalesce(sum(n), 0) "
      "FROM ak), coalesce((SELECT sum(v) FROM a), 0) - coalesce((SELECT s FROM av), 0), coalesce((SELECT sum(v) FROM "
      "b), 0) + coalesce((SELECT sum(v) FROM c), 0), coalesce((SELECT s FROM bv), 0) + coalesce((SELECT s FROM cv), 0)";
  static constexpr const char* kZeros = "0|0|0|0|0\n";
  static constexpr const char* kState =
      "SELECT (SELECT count(*) FROM a), (SELECT n FROM av), (SELECT sum(v) FROM b), (SELECT s FROM bv), (SELECT s FROM "
      "cv), (SELECT list(n ORDER BY k) FROM ak)::VARCHAR";

  RoomsInProcess rooms_;
  RequestContext context_{.request_id = "test", .identity = {}, .cancelled = {}};
};

TEST_F(OnePrefix, OfCommitsWhileEightWritersCommit) {
  using Write = void (OnePrefix::*)(session::Session&, int);
  const std::vector<Write> doors = {&OnePrefix::Put, &OnePrefix::Ingest, &OnePrefix::Insert, &OnePrefix::Transfer};
  std::atomic<int> writing = 8;
  std::vector<std::thread> threads;
  for (int w = 0; w < 8; ++w) {
    threads.emplace_back([this, w, write = doors[static_cast<std::size_t>(w % 4)], &writing] {
      const auto session = rooms_.Session("writer" + std::to_string(w));
      (this->*write)(*session, w);
      --writing;
    });
  }
  threads.emplace_back([this, &writing] {  // statements by themselves
    const auto session = rooms_.Session("reader");
    EXPECT_OK(session->Update(context_, "SET use_views = false", {}));  // the tables are to answer for themselves
    while (writing > 0) EXPECT_EQ(Rows(*session, kDifferences), kZeros);
  });
  threads.emplace_back([this, &writing] {  // transactions: the same prefix for all that they read
    const auto session = rooms_.Session("pinned");
    EXPECT_OK(session->Update(context_, "SET use_views = false", {}));
    while (writing > 0) {
      EXPECT_OK(session->Update(context_, "BEGIN", {}));
      const auto first = Rows(*session, kState);
      EXPECT_EQ(Rows(*session, kDifferences), kZeros);
      EXPECT_EQ(Rows(*session, kState), first);
      EXPECT_OK(session->Update(context_, "COMMIT", {}));
    }
  });
  for (auto& thread : threads) thread.join();
  const auto session = rooms_.Session("end");
  EXPECT_EQ(Rows(*session, kDifferences), kZeros);
  constexpr int kOnes = kRounds * (kRounds - 1) / 2;
  EXPECT_EQ(Rows(*session, "SELECT n FROM av"), std::to_string(6 * kOnes + 2 * kRounds) + "\n");
}

}  // namespace
}  // namespace hyprstream::testing
