// Which connection a call runs on when calls of one session overlap, and what a failed call leaves in a transaction.
#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "session/session_internal.h"
#include "session/session_test_support.h"

namespace hyprstream::session {
namespace {

using ::testing::HasSubstr;

class SessionLanesTest : public SessionTest {
 protected:
  // The home connection, or the transaction's, is busy from now on until EndWork().
  void Work(const Handle& transaction = {}) {
    working_ = true;
    const std::string create = "CREATE TABLE never" + std::to_string(++works_) + " AS ";
    work_ = std::async(std::launch::async, [this, create, transaction] {
      const RequestContext context{.request_id = "work", .identity = {}, .cancelled = [this] { return !working_; }};
      return session_->Update(context, create + kEndless, transaction).status();
    });
    WaitFor([this, create] { return StateOf(create) == "running"; });
  }
  void EndWork() {
    working_ = false;
    EXPECT_TRUE(work_.get().IsCancelled());
  }

  // On a thread of its own.
  template <class Call>
  auto Beside(Call call) {
    return std::async(std::launch::async, std::move(call));
  }

  static std::shared_ptr<arrow::RecordBatch> Batch(const std::shared_ptr<arrow::Schema>& schema,
                                                   const std::string& json) {
    auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), json).ValueOrDie();
    return arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
  }
  static std::shared_ptr<arrow::RecordBatchReader> Reader(const std::shared_ptr<arrow::Schema>& schema,
                                                          const std::vector<std::string>& batches) {
    arrow::RecordBatchVector read;
    for (const auto& json : batches) read.push_back(Batch(schema, json));
    return arrow::RecordBatchReader::Make(std::move(read), schema).ValueOrDie();
  }

  const std::shared_ptr<arrow::Schema> numbers_ = arrow::schema({arrow::field("i", arrow::int32())});
  std::atomic<bool> working_ = false;
  int works_ = 0;
  std::future<arrow::Status> work_;
};

// Both wait for the home connection, which only one of them may have.
TEST_F(SessionLanesTest, TransactionsThatBeginTogetherAreTwo) {
  Update("CREATE TABLE t (i INTEGER)");
  Work();
  auto one = Beside([this] { return session_->BeginTransaction(context_).ValueOrDie(); });
  auto two = Beside([this] { return session_->BeginTransaction(context_).ValueOrDie(); });
  EndWork();
  const Handle kept = one.get();
  const Handle dropped = two.get();
  Update("INSERT INTO t VALUES (1)", kept);
  Update("INSERT INTO t VALUES (2)", dropped);
  EXPECT_TRUE(session_->EndTransaction(context_, kept, true).ok());
  EXPECT_TRUE(session_->EndTransaction(context_, dropped, false).ok());
  EXPECT_EQ(Rows("SELECT * FROM t"), "1\n");
}

TEST_F(SessionLanesTest, StatementThatWaitedRunsInNoTransactionThatBeganMeanwhile) {
  Update("CREATE TABLE t (i INTEGER)");
  for (int round = 0; round < 10; ++round) {  // who comes first is chance
    Work();
    auto begun = Beside([this] { return session_->BeginTransaction(context_).ValueOrDie(); });
    auto insert = Beside([this] { return session_->Update(context_, "INSERT INTO t VALUES (1)", {}).status(); });
    EndWork();
    const Handle transaction = begun.get();
    EXPECT_TRUE(insert.get().ok());
    EXPECT_TRUE(session_->EndTransaction(context_, transaction, false).ok());
  }
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "10\n");
}

// Stock clients let calls of one session overlap. What is rolled back stays so, whoever's turn comes first.
TEST_F(SessionLanesTest, StatementOfATransactionThatEndedMeanwhileDoesNotRun) {
  Update("CREATE TABLE t (i INTEGER)");
  for (int round = 0; round < 20; ++round) {
    const Handle transaction = session_->BeginTransaction(context_).ValueOrDie();
    Work(transaction);
    auto ended = Beside([&] { return session_->EndTransaction(context_, transaction, false); });
    auto insert = Beside([&] { return session_->Update(context_, "INSERT INTO t VALUES (1)", transaction).status(); });
    EndWork();
    EXPECT_TRUE(ended.get().ok());
    const auto inserted = insert.get();  // refused when the rollback came first; else aborted with its transaction
    EXPECT_FALSE(inserted.ok()) << "a statement ran in a transaction that was over, or aborted";
  }
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "0\n");
}

TEST_F(SessionLanesTest, OnlyTheLastOfEachSettingIsRepeatedOnOtherConnections) {
  Update("CREATE SCHEMA s");
  EXPECT_EQ(Rows("SELECT 1"), "1\n");  // makes the connection that is to follow
  Update("SET schema = 's'");
  Update("SET TimeZone = 'Asia/Tokyo'");
  Update("USE main");
  Update("DROP SCHEMA s");
  EXPECT_EQ(Rows("SELECT current_schema(), current_setting('TimeZone')::VARCHAR"), "main|Asia/Tokyo\n");
}

TEST_F(SessionLanesTest, FailedIngestCannotBeCommitted) {
  Update("CREATE TABLE t (i TINYINT)");
  Update("INSERT INTO t VALUES (7)");
  for (const auto mode : {IngestIfExists::kAppend, IngestIfExists::kReplace}) {
    const Handle transaction = session_->BeginTransaction(context_).ValueOrDie();
    const auto bad = mode == IngestIfExists::kAppend
                         ? Reader(numbers_, {R"([{"i": 1}])", R"([{"i": 2}])", R"([{"i": 3000}])"})
                         : Reader(arrow::schema({}), {"[]", "[]", "[]"});
    IngestOptions options;
    options.table.name = "t";
    options.if_exists = mode;
    EXPECT_FALSE(session_->Ingest(context_, options, *bad).ok());
    const auto committed = session_->EndTransaction(context_, transaction, true);
    EXPECT_THAT(committed.ToString(), HasSubstr("aborted"));
    EXPECT_EQ(Rows("SELECT * FROM t"), "7\n");
  }
}

TEST_F(SessionLanesTest, IngestThatChangedNothingLeavesItsTransactionOpen) {
  Update("CREATE TABLE t (i INTEGER)");
  const Handle transaction = session_->BeginTransaction(context_).ValueOrDie();
  Update("INSERT INTO t VALUES (1)", transaction);
  IngestOptions options;
  options.table.name = "tt";
  EXPECT_TRUE(session_->Ingest(context_, options, *Reader(numbers_, {R"([{"i": 1}])"})).status().IsKeyError());
  EXPECT_TRUE(session_->EndTransaction(context_, transaction, true).ok());
  EXPECT_EQ(Rows("SELECT * FROM t"), "1\n");
}

TEST_F(SessionLanesTest, AnIngestThatBelongsToATransactionIsNeverOneOfItsOwn) {
  Update("CREATE TABLE t (i INTEGER)");
  const auto ingest = [&] {
    IngestOptions options;
    options.table.name = "t";
    options.in_transaction = true;
    return session_->Ingest(context_, options, *Reader(numbers_, {R"([{"i": 1}])"})).status();
  };
  EXPECT_THAT(ingest().ToString(), HasSubstr("belongs to a transaction"));
  const Handle first = session_->BeginTransaction(context_).ValueOrDie();
  const Handle second = session_->BeginTransaction(context_).ValueOrDie();
  EXPECT_THAT(ingest().ToString(), HasSubstr("it has several")) << "nobody knows which";
  EXPECT_TRUE(session_->EndTransaction(context_, second, false).ok());
  EXPECT_TRUE(ingest().ok());
  EXPECT_EQ(Rows("SELECT * FROM t"), "") << "it is in the transaction";
  EXPECT_TRUE(session_->EndTransaction(context_, first, true).ok());
  EXPECT_EQ(Rows("SELECT * FROM t"), "1\n");
}

TEST_F(SessionLanesTest, FailedRowOfParametersTakesThoseBeforeItAlong) {
  Update("CREATE TABLE t (i INTEGER)");
  const Handle transaction = session_->BeginTransaction(context_).ValueOrDie();
  const auto prepared = session_->Prepare(context_, "INSERT INTO t SELECT $1 + 1", transaction).ValueOrDie();
  const auto lists = arrow::schema({arrow::field("i", arrow::list(arrow::int32()))});
  const auto updated = session_->UpdatePrepared(context_, prepared.handle,
                                                {Batch(numbers_, R"([{"i": 1}])"), Batch(lists, R"([{"i": [1]}])")});
  EXPECT_FALSE(updated.ok());  // no list can be added to: an error of binding, which DuckDB alone would forgive
  EXPECT_FALSE(session_->EndTransaction(context_, transaction, true).ok());
  EXPECT_EQ(Rows("SELECT * FROM t"), "");
}

// What EXECUTE runs is not in its text.
TEST_F(SessionLanesTest, ExecuteRunsOnceWhenItIsStarted) {
  Update("CREATE TABLE t (i INTEGER)");
  Update("PREPARE p AS INSERT INTO t VALUES (1) RETURNING i");
  const auto started = session_->Start(context_, "EXECUTE p", {}).ValueOrDie();
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "1\n");
  auto rows = session_->Fetch(context_, started.ticket).ValueOrDie()->ToTable().ValueOrDie();
  EXPECT_EQ(rows->num_rows(), 1);
  const auto prepared = session_->Prepare(context_, "EXECUTE p", {}).ValueOrDie();
  ASSERT_TRUE(session_->StartPrepared(context_, prepared.handle).ok());
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "2\n");
}

TEST_F(SessionLanesTest, UpdatesOfOneHandleKeepTheirParametersApart) {
  constexpr int kThreads = 8;
  constexpr int kEach = 100;
  Update("CREATE TABLE t (thread INTEGER, i INTEGER)");
  const auto handle = session_->Prepare(context_, "INSERT INTO t VALUES (?, ?)", {}).ValueOrDie().handle;
  const auto schema = arrow::schema({arrow::field("1", arrow::int32()), arrow::field("2", arrow::int32())});
  std::vector<std::future<void>> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.push_back(Beside([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        const auto json = "[[" + std::to_string(thread) + ", " + std::to_string(i) + "]]";
        EXPECT_EQ(session_->UpdatePrepared(context_, handle, {Batch(schema, json)}).ValueOrDie(), 1);
      }
    }));
  }
  for (auto& thread : threads) thread.get();
  EXPECT_EQ(Rows("SELECT count(*), count(DISTINCT (thread, i)) FROM t"), "800|800\n");
}

TEST_F(SessionLanesTest, AnUpdateRunsOnceForEachRowOfItsOwnParameters) {
  Update("CREATE TABLE t (i INTEGER)");
  const auto handle = session_->Prepare(context_, "INSERT INTO t VALUES (?)", {}).ValueOrDie().handle;
  EXPECT_EQ(session_->UpdatePrepared(context_, handle, {Batch(numbers_, "[[1]]")}).ValueOrDie(), 1);
  EXPECT_EQ(session_->UpdatePrepared(context_, handle, {Batch(numbers_, "[]")}).ValueOrDie(), 0);
  const auto unbound = HasSubstr("0 values were bound");
  EXPECT_THAT(session_->UpdatePrepared(context_, handle, {}).status().message(), unbound) << "nor are they kept";
  EXPECT_TRUE(session_->Bind(handle, {Batch(numbers_, "[[2]]")}).ok());
  const auto nothing = arrow::RecordBatch::MakeEmpty(arrow::schema({})).ValueOrDie();
  EXPECT_THAT(session_->UpdatePrepared(context_, handle, {nothing}).status().message(), unbound);
  EXPECT_EQ(session_->UpdatePrepared(context_, handle, {Batch(numbers_, "[[3]]")}).ValueOrDie(), 1);
  EXPECT_EQ(Rows("SELECT * FROM t ORDER BY i"), "1\n3\n");
  EXPECT_EQ(session_->UpdatePrepared(context_, handle, {}).ValueOrDie(), 1) << "some clients bind apart";
  EXPECT_EQ(Rows("SELECT * FROM t ORDER BY i"), "1\n2\n3\n");
  const auto none = session_->Prepare(context_, "INSERT INTO t VALUES (4)", {}).ValueOrDie().handle;
  EXPECT_EQ(session_->UpdatePrepared(context_, none, {nothing}).ValueOrDie(), 1);
}

TEST_F(SessionLanesTest, NamedParametersAreInTheOrderOfTheirSchemaOrGivenByName) {
  const auto prepared = session_->Prepare(context_, "SELECT $b::INTEGER AS b, $a::INTEGER AS a", {}).ValueOrDie();
  EXPECT_THAT(prepared.parameter_schema->field_names(), ::testing::ElementsAre("b", "a"));
  const auto answer = [&](const std::string& first, const std::string& second) {
    const auto schema = arrow::schema({arrow::field(first, arrow::int32()), arrow::field(second, arrow::int32())});
    EXPECT_TRUE(session_->Bind(prepared.handle, {Batch(schema, "[[1, 2]]")}).ok());
    const auto started = session_->StartPrepared(context_, prepared.handle).ValueOrDie();
    const auto rows = session_->Fetch(context_, started.ticket).ValueOrDie()->ToTable();
    return rows.ok() ? (*rows)->column(0)->GetScalar(0).ValueOrDie()->ToString() : rows.status().ToString();
  };
  EXPECT_EQ(answer("b", "a"), "1");
  EXPECT_EQ(answer("a", "b"), "2") << "by name";
  EXPECT_EQ(answer("1", "2"), "1") << "other names say nothing";
}

TEST_F(SessionLanesTest, NoSettingIsEverybodys) {
  const auto other = NewSession("other");
  const auto before = Rows("SELECT i FROM (VALUES (2), (NULL), (1)) r(i) ORDER BY i", other.get());
  for (const char* set :
       {"SET default_order = 'desc'", "SET default_null_order = 'nulls_first'", "PRAGMA default_order = 'desc'",
        "PREPARE p AS SET default_order = 'desc'", "EXECUTE p", "PRAGMA default_null_order = 'nulls_first'"}) {
    ARROW_UNUSED(session_->Update(context_, set, {}));
    EXPECT_EQ(Rows("SELECT i FROM (VALUES (2), (NULL), (1)) r(i) ORDER BY i", other.get()), before) << set;
  }
  const std::string mine = "SELECT i FROM (VALUES (2), (NULL), (1)) r(i) ORDER BY i";
  EXPECT_EQ(Rows(mine), "null\n2\n1\n");
  Update("RESET default_order");
  Update("RESET default_null_order");
  EXPECT_EQ(Rows(mine), before);
  for (const char* set : {"SET SESSION schema = 'main'", "RESET schema", "SET SESSION TimeZone = 'Asia/Tokyo'",
                          "SET Calendar = 'japanese'", "RESET SESSION Calendar", "SET use_views = false",
                          "SET SESSION use_pushdown = false", "USE main", "RESET search_path"}) {
    Update(set);
  }
}

// As on a single connection of DuckDB's: nothing is found in it.
TEST_F(SessionLanesTest, ADroppedSchemaLeavesItsSessionUsable) {
  Update("CREATE TABLE t (i INTEGER)");
  Update("CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 7 AS i");
  Update("SET schema = 's'");
  EXPECT_TRUE(NewSession("other")->Update(context_, "DROP SCHEMA s CASCADE", {}).ok());
  const auto first = session_->BeginTransaction(context_).ValueOrDie();   // at home
  const auto second = session_->BeginTransaction(context_).ValueOrDie();  // beside it
  for (const auto& transaction : {Handle(), first, second}) {
    EXPECT_EQ(Rows("SELECT 1", nullptr, transaction), "1\n");
    EXPECT_EQ(Rows("SELECT current_schema()", nullptr, transaction), "s\n");
    EXPECT_EQ(Rows("SELECT i FROM t", nullptr, transaction), "") << "main is looked at last";
  }
  EXPECT_TRUE(session_->EndTransaction(context_, first, true).ok());
  EXPECT_TRUE(session_->EndTransaction(context_, second, true).ok());
  EXPECT_TRUE(session_->Options(context_).ok());
  Update("CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 8 AS i");
  EXPECT_EQ(Rows("SELECT i FROM t"), "8\n");
  Update("SET schema = 'main'");
  EXPECT_EQ(Rows("SELECT count(*) FROM t"), "0\n");
}

TEST_F(SessionLanesTest, ASchemaThatWasRolledBackLeavesItsSessionUsable) {
  Update("BEGIN; CREATE SCHEMA \"a.b\"; USE \"a.b\"; ROLLBACK");
  EXPECT_EQ(Rows("SELECT current_schema()"), "a.b\n");
  EXPECT_TRUE(session_->Prepare(context_, "SELECT 1", {}).ok());
  Update("USE main");
  EXPECT_EQ(Rows("SELECT current_schema()"), "main\n");
  Update("CREATE SCHEMA \"a.b\"; SET search_path = 'main,\"a.b\"'");
  EXPECT_EQ(Rows("SELECT current_schemas(false)::VARCHAR"), Rows("SELECT '[main, a.b]'"));
}

TEST_F(SessionLanesTest, TemporaryNamesEndWithATransactionThatExpires) {
  Update("CREATE TABLE t (lasting INTEGER)");
  const Handle transaction = session_->BeginTransaction(context_).ValueOrDie();
  Update("CREATE TEMPORARY TABLE t (temporary INTEGER)", transaction);
  const auto prepared = session_->Prepare(context_, "SELECT * FROM t", transaction).ValueOrDie();
  EXPECT_EQ(prepared.dataset_schema->field(0)->name(), "temporary");
  const auto unused_since = std::chrono::steady_clock::now();
  ASSERT_TRUE(session_->Bind(prepared.handle, {}).ok());  // it is used
  static_cast<SessionImpl&>(*session_).Expire(unused_since);
  const auto started = session_->StartPrepared(context_, prepared.handle);
  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_EQ(started->schema->field(0)->name(), "lasting");
  EXPECT_TRUE(session_->Fetch(context_, started->ticket).ValueOrDie()->ToTable().ok());
}

}  // namespace
}  // namespace hyprstream::session
