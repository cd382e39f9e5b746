// Statements that change something run exactly once, whichever way the C++ Flight SQL client sends them. Every count is
// taken twice: from the table, and from a view that folded each committed row.
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/server_process.h"
#include "support/sql_client.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

namespace fl = arrow::flight;
namespace sql = arrow::flight::sql;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using IfExists = sql::TableDefinitionOptionsTableExistsOption;
using IfMissing = sql::TableDefinitionOptionsTableNotExistOption;

std::shared_ptr<arrow::RecordBatch> Batch(const arrow::FieldVector& fields, const std::string& json) {
  const auto array = arrow::json::ArrayFromJSONString(arrow::struct_(fields), json).ValueOrDie();
  return arrow::RecordBatch::FromStructArray(array).ValueOrDie();
}

std::shared_ptr<arrow::RecordBatch> Integers(const std::string& json) {
  return Batch({arrow::field("i", arrow::int32())}, json);
}

// A CommandStatementQuery, as the calls that FlightSqlClient does not offer want it.
fl::FlightDescriptor CommandOf(const std::string& query) {
  const auto field = [](int number, const std::string& bytes) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
  };
  return fl::FlightDescriptor::Command(field(1, "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery") +
                                       field(2, field(1, query)));
}

class FlightSqlChanges : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = ServerProcess::Start().ValueOrDie(); }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    ASSERT_EQ(client_.Update("SET use_views = false"), "0");  // the table is to answer for itself
    ASSERT_EQ(client_.Update("CREATE TABLE counted (i INTEGER)"), "0");
    ASSERT_EQ(client_.Update("CREATE MATERIALIZED VIEW counted_view AS SELECT count(*) AS n FROM counted"), "0");
  }
  void TearDown() override {
    EXPECT_EQ(client_.Update("DROP MATERIALIZED VIEW counted_view"), "0");
    EXPECT_EQ(client_.Update("DROP TABLE counted"), "0");
  }

  std::string Count() {
    const auto rows = client_.Rows("SELECT count(*) FROM counted");
    EXPECT_EQ(client_.Rows("SELECT coalesce(sum(n), 0)::BIGINT FROM counted_view"), rows);
    return rows;
  }

  static std::unique_ptr<ServerProcess> server_;
  SqlClient client_{*server_};
};

std::unique_ptr<ServerProcess> FlightSqlChanges::server_;

TEST_F(FlightSqlChanges, ByExecuteWhetherItsAnswerIsReadOrNot) {
  ASSERT_OK_AND_ASSIGN(const auto info, client_.sql().Execute({}, "INSERT INTO counted VALUES (1), (2)"));
  EXPECT_EQ(Count(), "2\n");
  EXPECT_EQ(info->total_records(), 2);
  EXPECT_THAT(info->app_metadata(), HasSubstr("\"rows_changed\":2"));
  ASSERT_EQ(info->endpoints().size(), 1);
  ASSERT_OK_AND_ASSIGN(const auto table, client_.Read(*info));
  EXPECT_EQ(table->num_rows(), 0);
  EXPECT_TRUE(client_.Read(*info).status().IsKeyError());
  EXPECT_EQ(Count(), "2\n");
}

TEST_F(FlightSqlChanges, ByExecuteUpdate) {
  EXPECT_EQ(client_.Update("INSERT INTO counted SELECT range FROM range(10)"), "10");
  EXPECT_EQ(Count(), "10\n");
  EXPECT_EQ(client_.Update("UPDATE counted SET i = i + 1 WHERE i < 3"), "3");
  EXPECT_EQ(client_.Update("DELETE FROM counted WHERE i < 4"), "4");
  EXPECT_EQ(Count(), "6\n");
  EXPECT_EQ(client_.Update("INSERT INTO counted VALUES (1); INSERT INTO counted VALUES (2), (3)"), "3");
  EXPECT_EQ(Count(), "9\n");
  EXPECT_EQ(client_.Update("INSERT INTO counted SELECT 1 WHERE false"), "0");
}

TEST_F(FlightSqlChanges, ByAPreparedStatementExecutedEitherWay) {
  ASSERT_OK_AND_ASSIGN(const auto prepared, client_.sql().Prepare({}, "INSERT INTO counted VALUES (5)"));
  EXPECT_EQ(prepared->dataset_schema()->num_fields(), 0);
  ASSERT_OK(prepared->GetSchema());
  EXPECT_EQ(Count(), "0\n");
  ASSERT_OK_AND_ASSIGN(const auto info, prepared->Execute());
  EXPECT_EQ(Count(), "1\n");
  ASSERT_OK(client_.Read(*info));
  EXPECT_EQ(Count(), "1\n");
  ASSERT_OK_AND_ASSIGN(const auto changed, prepared->ExecuteUpdate());
  EXPECT_EQ(changed, 1);
  EXPECT_EQ(Count(), "2\n");
}

TEST_F(FlightSqlChanges, ByManyRowsOfParameters) {
  ASSERT_OK_AND_ASSIGN(const auto prepared, client_.sql().Prepare({}, "INSERT INTO counted VALUES (?)"));
  ASSERT_OK(prepared->SetParameters(Integers("[[1], [2], [null]]")));
  ASSERT_OK_AND_ASSIGN(const auto changed, prepared->ExecuteUpdate());
  EXPECT_EQ(changed, 3);
  EXPECT_EQ(Count(), "3\n");
  ASSERT_OK(prepared->SetParameters(Integers("[[4], [5]]")));
  ASSERT_OK_AND_ASSIGN(const auto info, prepared->Execute());
  EXPECT_EQ(info->total_records(), 2);
  ASSERT_OK(client_.Read(*info));
  EXPECT_EQ(Count(), "5\n");
  EXPECT_EQ(client_.Rows("SELECT * FROM counted ORDER BY i NULLS FIRST"), "null\n1\n2\n4\n5\n");
}

TEST_F(FlightSqlChanges, ByNoRowOfParametersNothingRuns) {
  ASSERT_OK_AND_ASSIGN(const auto prepared, client_.sql().Prepare({}, "INSERT INTO counted VALUES (?)"));
  ASSERT_OK(prepared->SetParameters(Integers("[]")));
  ASSERT_OK_AND_ASSIGN(const auto changed, prepared->ExecuteUpdate());
  EXPECT_EQ(changed, 0);
  EXPECT_EQ(Count(), "0\n");
  ASSERT_OK_AND_ASSIGN(const auto query, client_.sql().Prepare({}, "SELECT i + ?::INTEGER AS n FROM counted"));
  ASSERT_OK(query->SetParameters(Integers("[]")));
  EXPECT_EQ(client_.Rows(query->Execute()), "");
}

TEST_F(FlightSqlChanges, AFailingRowOfParametersLeavesNoneBehind) {
  ASSERT_OK_AND_ASSIGN(const auto prepared,
                       client_.sql().Prepare({},
                                             "INSERT INTO counted VALUES (CASE WHEN ?::INTEGER < 3 THEN 1 ELSE "
                                             "error('the third row is bad')::INTEGER END)"));
  ASSERT_OK(prepared->SetParameters(Integers("[[1], [2], [3]]")));
  EXPECT_THAT(prepared->ExecuteUpdate().status().ToString(), HasSubstr("the third row is bad"));
  EXPECT_EQ(Count(), "0\n");
  ASSERT_OK(prepared->SetParameters(Integers("[[1], [2], [4]]")));
  EXPECT_THAT(prepared->Execute().status().ToString(), HasSubstr("the third row is bad"));
  EXPECT_EQ(Count(), "0\n");
}

TEST_F(FlightSqlChanges, WithReturning) {
  EXPECT_EQ(client_.Rows("INSERT INTO counted VALUES (8), (9) RETURNING i * 2"), "16\n18\n");
  EXPECT_EQ(Count(), "2\n");
  ASSERT_OK_AND_ASSIGN(const auto prepared, client_.sql().Prepare({}, "INSERT INTO counted VALUES (?) RETURNING i"));
  EXPECT_EQ(prepared->dataset_schema()->num_fields(), 1);
  ASSERT_OK(prepared->SetParameters(Integers("[[1], [2]]")));
  EXPECT_EQ(client_.Rows(prepared->Execute()), "1\n2\n");
  EXPECT_EQ(Count(), "4\n");
}

TEST_F(FlightSqlChanges, ByPollFlightInfoWhichIsCompleteAtOnce) {
  ASSERT_OK_AND_ASSIGN(const auto poll,
                       client_.flight().PollFlightInfo({}, CommandOf("INSERT INTO counted VALUES (3)")));
  EXPECT_FALSE(poll->descriptor.has_value());
  EXPECT_EQ(poll->progress, 1.0);
  EXPECT_EQ(Count(), "1\n");
  ASSERT_OK(client_.Read(*poll->info));
  EXPECT_EQ(Count(), "1\n");
  ASSERT_OK_AND_ASSIGN(const auto query, client_.flight().PollFlightInfo({}, CommandOf("SELECT i FROM counted")));
  ASSERT_OK_AND_ASSIGN(const auto table, client_.Read(*query->info));
  EXPECT_EQ(TextOf(*table), "3\n");
}

TEST_F(FlightSqlChanges, ByDoExchange) {
  const auto exchange = [&](const std::string& text) -> arrow::Result<std::string> {
    ARROW_ASSIGN_OR_RAISE(auto call, client_.flight().DoExchange(fl::FlightDescriptor::Command(text)));
    ARROW_RETURN_NOT_OK(call.writer->DoneWriting());
    std::string answer;
    for (;;) {
      const auto next = call.reader->Next();
      if (!next.ok()) ARROW_UNUSED(call.writer->Close());
      ARROW_ASSIGN_OR_RAISE(const auto chunk, next);
      if (chunk.app_metadata != nullptr) answer += chunk.app_metadata->ToString() + "\n";
      if (chunk.data != nullptr) answer += chunk.data->ToString();
      if (chunk.data == nullptr && chunk.app_metadata == nullptr) break;
    }
    ARROW_RETURN_NOT_OK(call.writer->Close());
    return answer;
  };
  ASSERT_OK_AND_ASSIGN(const auto inserted, exchange("INSERT INTO counted VALUES (41), (42)"));
  EXPECT_THAT(inserted, HasSubstr("\"rows_changed\":2"));
  EXPECT_EQ(Count(), "2\n");
  ASSERT_OK_AND_ASSIGN(const auto rows, exchange("SELECT max(i) FROM counted"));
  EXPECT_THAT(rows, AllOf(HasSubstr("\"route\""), HasSubstr("42")));
  const auto failed = exchange("SELECT nothing FROM counted");
  EXPECT_THAT(failed.status().ToString(), HasSubstr("nothing"));
}

TEST_F(FlightSqlChanges, NeverByAskingForASchema) {
  ASSERT_OK_AND_ASSIGN(const auto schema, client_.sql().GetExecuteSchema({}, "INSERT INTO counted VALUES (1)"));
  ASSERT_OK_AND_ASSIGN(const auto fields, schema->GetSchema(nullptr));
  EXPECT_EQ(fields->num_fields(), 0);
  ASSERT_OK(client_.sql().GetExecuteSchema({}, "INSERT INTO counted VALUES (1) RETURNING i"));
  ASSERT_OK(client_.sql().GetExecuteSchema({}, "CREATE TABLE never (i INTEGER)"));
  EXPECT_THAT(client_.Rows("SELECT * FROM never"), StartsWith("ERROR Key error"));
  EXPECT_EQ(Count(), "0\n");
}

TEST_F(FlightSqlChanges, AScriptIsAllOrNothing) {
  EXPECT_THAT(client_.Update("INSERT INTO counted VALUES (1); INSERT INTO counted VALUES (2); SELECT * FROM nope"),
              AllOf(StartsWith("ERROR"), HasSubstr("Statement 3 of 3"), HasSubstr("nope")));
  EXPECT_EQ(Count(), "0\n");
}

// ---- ingest

class FlightSqlIngest : public FlightSqlChanges {
 protected:
  struct Mode {
    IfMissing if_missing = IfMissing::kFail;
    IfExists if_exists = IfExists::kAppend;
    std::optional<std::string> schema = std::nullopt;
    std::optional<std::string> catalog = std::nullopt;
    bool temporary = false;
  };

  // ExecuteIngest(): the number of rows as text, or "ERROR " and what the server said.
  std::string Ingest(const std::string& table, const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                     const Mode& mode, const sql::Transaction& transaction = sql::no_transaction()) {
    const auto rows = arrow::RecordBatchReader::Make(batches, batches[0]->schema()).ValueOrDie();
    const auto count =
        client_.sql().ExecuteIngest({}, rows, {.if_not_exist = mode.if_missing, .if_exists = mode.if_exists}, table,
                                    mode.schema, mode.catalog, mode.temporary, transaction);
    return count.ok() ? std::to_string(*count) : "ERROR " + count.status().ToString();
  }
};

TEST_F(FlightSqlIngest, AppendsOnce) {
  EXPECT_EQ(Ingest("counted", {Integers("[[1], [2]]"), Integers("[]"), Integers("[[3]]")}, {}), "3");
  EXPECT_EQ(Count(), "3\n");
  EXPECT_EQ(Ingest("counted", {Integers("[]")}, {}), "0");
  EXPECT_EQ(Count(), "3\n");
}

TEST_F(FlightSqlIngest, KnowsEveryMode) {
  const auto rows = Integers("[[1], [2]]");
  EXPECT_THAT(Ingest("made", {rows}, {}), AllOf(StartsWith("ERROR Key error"), HasSubstr("made")));
  EXPECT_EQ(Ingest("made", {rows}, {.if_missing = IfMissing::kCreate, .if_exists = IfExists::kFail}), "2");
  EXPECT_THAT(Ingest("made", {rows}, {.if_missing = IfMissing::kCreate, .if_exists = IfExists::kFail}),
              AllOf(StartsWith("ERROR"), HasSubstr("made already exists")));
  EXPECT_EQ(Ingest("made", {rows}, {.if_missing = IfMissing::kCreate, .if_exists = IfExists::kAppend}), "2");
  EXPECT_EQ(client_.Rows("SELECT * FROM made ORDER BY i"), "1\n1\n2\n2\n");
  const auto other = Batch({arrow::field("text", arrow::utf8())}, R"([["new"]])");
  EXPECT_EQ(Ingest("made", {other}, {.if_missing = IfMissing::kCreate, .if_exists = IfExists::kReplace}), "1");
  EXPECT_EQ(client_.Rows("SELECT text FROM made"), "new\n");
  EXPECT_EQ(client_.Update("DROP TABLE made"), "0");
}

TEST_F(FlightSqlIngest, GoesToANamedSchemaAndTheOneCatalog) {
  ASSERT_EQ(client_.Update("CREATE SCHEMA landing"), "0");
  ASSERT_OK_AND_ASSIGN(const auto catalogs, client_.sql().GetCatalogs({}));
  ASSERT_OK_AND_ASSIGN(const auto names, client_.Read(*catalogs));
  auto catalog = TextOf(*names);
  catalog.pop_back();
  Mode create{.if_missing = IfMissing::kCreate, .schema = "landing", .catalog = catalog};
  EXPECT_EQ(Ingest("rows", {Integers("[[1]]")}, create), "1");
  EXPECT_EQ(client_.Rows("SELECT i FROM landing.rows"), "1\n");
  create.catalog = "elsewhere";
  EXPECT_THAT(Ingest("rows", {Integers("[[1]]")}, create), HasSubstr("Unknown catalog: elsewhere"));
  create.catalog.reset();
  create.schema = "nowhere";
  EXPECT_THAT(Ingest("rows", {Integers("[[1]]")}, create), AllOf(StartsWith("ERROR"), HasSubstr("nowhere")));
  EXPECT_EQ(client_.Update("DROP SCHEMA landing CASCADE"), "0");
}

TEST_F(FlightSqlIngest, ATemporaryTableIsTheSessionsOwn) {
  EXPECT_EQ(Ingest("scratch", {Integers("[[1], [2]]")}, {.if_missing = IfMissing::kCreate, .temporary = true}), "2");
  EXPECT_EQ(client_.Rows("SELECT sum(i)::INTEGER FROM scratch"), "3\n");
  SqlClient other(*server_);
  EXPECT_THAT(other.Rows("SELECT * FROM scratch"), StartsWith("ERROR Key error"));
}

TEST_F(FlightSqlIngest, MapsColumnsByNameAndIsAtomic) {
  ASSERT_EQ(client_.Update("CREATE TABLE pair (a TINYINT NOT NULL, b VARCHAR)"), "0");
  const auto fields = arrow::FieldVector{arrow::field("b", arrow::utf8()), arrow::field("a", arrow::int32())};
  EXPECT_EQ(Ingest("pair", {Batch(fields, R"([["x", 1], ["y", 2]])")}, {}), "2");
  EXPECT_EQ(client_.Rows("SELECT * FROM pair ORDER BY a"), "1|x\n2|y\n");
  EXPECT_THAT(Ingest("pair", {Batch(fields, R"([["z", 3]])"), Batch(fields, R"([["z", 400]])")}, {}),
              StartsWith("ERROR Invalid"));
  EXPECT_THAT(Ingest("pair", {Batch(fields, R"([["z", 3]])"), Batch(fields, R"([["z", null]])")}, {}),
              StartsWith("ERROR Invalid"));
  EXPECT_EQ(client_.Rows("SELECT count(*) FROM pair"), "2\n");
  EXPECT_EQ(client_.Update("DROP TABLE pair"), "0");
}

TEST_F(FlightSqlIngest, FollowsItsTransaction) {
  ASSERT_OK_AND_ASSIGN(const auto kept, client_.sql().BeginTransaction({}));
  EXPECT_EQ(Ingest("counted", {Integers("[[1], [2]]")}, {}, kept), "2");
  EXPECT_EQ(client_.Rows("SELECT count(*) FROM counted", kept), "2\n");
  EXPECT_EQ(Count(), "0\n");
  ASSERT_OK(client_.sql().Commit({}, kept));
  EXPECT_EQ(Count(), "2\n");
  ASSERT_OK_AND_ASSIGN(const auto dropped, client_.sql().BeginTransaction({}));
  EXPECT_EQ(Ingest("counted", {Integers("[[3]]")}, {}, dropped), "1");
  ASSERT_OK(client_.sql().Rollback({}, dropped));
  EXPECT_EQ(Count(), "2\n");
}

}  // namespace
}  // namespace hyprstream::testing
