// A duplicate key that only COMMIT can see, through every door that brings rows: table and views stay as they were.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/rooms_in_process.h"
#include "support/sql_client.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

std::shared_ptr<arrow::RecordBatch> Batch(const std::string& rows) {
  const auto type = arrow::struct_({arrow::field("k", arrow::int32()), arrow::field("v", arrow::int64())});
  return arrow::RecordBatch::FromStructArray(arrow::json::ArrayFromJSONString(type, rows).ValueOrDie()).ValueOrDie();
}

class CommitDoors : public ::testing::Test {
 protected:
  CommitDoors() : client_("127.0.0.1", rooms_.server->port()) {
    EXPECT_EQ(client_.Update("CREATE TABLE p (k INTEGER PRIMARY KEY, v BIGINT)"), "0");
    EXPECT_EQ(client_.Update("CREATE MATERIALIZED VIEW pv AS SELECT count(*) AS c, sum(v) AS s FROM p"), "0");
    EXPECT_EQ(client_.Update("CREATE MATERIALIZED VIEW pk AS SELECT k % 2 AS odd, max(v) AS m FROM p GROUP BY ALL"),
              "0");
  }

  // Another session commits key 1 after the next commit's rows were checked.
  void ArmRival() {
    rooms_.commits->BeforeNextCommit(
        [this] { EXPECT_OK(rooms_.Session("rival")->Update(context_, "INSERT INTO p VALUES (1, 10)", {})); });
  }

  void ExpectOnlyTheRival(const arrow::Status& refused) {
    EXPECT_FALSE(refused.ok());
    EXPECT_THAT(refused.message(), ::testing::ContainsRegex("[Dd]uplicate key|PRIMARY KEY"));
    EXPECT_EQ(client_.Rows("SELECT (SELECT count(*) FROM p), c, s FROM pv"), "1|1|10\n");
    EXPECT_EQ(client_.Rows("SELECT * FROM pk"), "1|10\n");
    EXPECT_EQ(client_.Rows("SELECT * FROM p"), "1|10\n");
    // The door still works, for what may come in.
    EXPECT_EQ(client_.Update("INSERT INTO p VALUES (2, 5)"), "1");
    EXPECT_EQ(client_.Rows("SELECT * FROM pv"), "2|15\n");
  }

  RoomsInProcess rooms_;
  RequestContext context_{.request_id = "test", .identity = {}, .cancelled = {}};
  SqlClient client_;
  const std::shared_ptr<arrow::RecordBatch> batch_ = Batch("[[7, 70], [1, 1]]");
  const arrow::flight::FlightDescriptor path_ = arrow::flight::FlightDescriptor::Path({"p"});
};

TEST_F(CommitDoors, DoPut) {
  ASSERT_OK_AND_ASSIGN(auto put, client_.flight().DoPut(path_, batch_->schema()));
  ArmRival();
  ASSERT_OK(put.writer->WriteRecordBatch(*batch_));
  ASSERT_OK(put.writer->DoneWriting());
  auto status = arrow::Status::OK();
  std::shared_ptr<arrow::Buffer> acknowledged;
  do {
    status = put.reader->ReadMetadata(&acknowledged);
    EXPECT_EQ(acknowledged, nullptr);
  } while (status.ok() && acknowledged != nullptr);
  if (status.ok()) status = put.writer->Close();
  ExpectOnlyTheRival(status);
}

TEST_F(CommitDoors, DoExchange) {
  ASSERT_OK_AND_ASSIGN(auto exchange, client_.flight().DoExchange(path_));
  ASSERT_OK(exchange.writer->Begin(batch_->schema()));
  ArmRival();
  ASSERT_OK(exchange.writer->WriteRecordBatch(*batch_));
  ASSERT_OK(exchange.writer->DoneWriting());
  const auto answer = exchange.reader->Next();
  ExpectOnlyTheRival(answer.ok() ? exchange.writer->Close() : answer.status());
}

TEST_F(CommitDoors, Ingest) {
  ASSERT_OK_AND_ASSIGN(const auto rows, arrow::RecordBatchReader::Make({batch_}, batch_->schema()));
  const arrow::flight::sql::TableDefinitionOptions append{
      .if_not_exist = arrow::flight::sql::TableDefinitionOptionsTableNotExistOption::kFail,
      .if_exists = arrow::flight::sql::TableDefinitionOptionsTableExistsOption::kAppend};
  ArmRival();
  ExpectOnlyTheRival(client_.sql().ExecuteIngest({}, rows, append, "p", std::nullopt, std::nullopt, false).status());
}

TEST_F(CommitDoors, InsertByItself) {
  ArmRival();
  ExpectOnlyTheRival(client_.sql().ExecuteUpdate({}, "INSERT INTO p VALUES (7, 70), (1, 1)").status());
}

TEST_F(CommitDoors, SqlCommit) {
  EXPECT_EQ(client_.Update("BEGIN"), "0");
  EXPECT_EQ(client_.Update("INSERT INTO p VALUES (7, 70)"), "1");
  EXPECT_EQ(client_.Update("INSERT INTO p VALUES (1, 1)"), "1");
  ArmRival();
  ExpectOnlyTheRival(client_.sql().ExecuteUpdate({}, "COMMIT").status());
}

TEST_F(CommitDoors, EndTransaction) {
  ASSERT_OK_AND_ASSIGN(const auto transaction, client_.sql().BeginTransaction({}));
  EXPECT_EQ(client_.Update("INSERT INTO p VALUES (7, 70), (1, 1)", transaction), "2");
  ArmRival();
  ExpectOnlyTheRival(client_.sql().Commit({}, transaction));
}

// What the failed commit held beside the duplicate is retried batch by batch, in order.
TEST_F(CommitDoors, BatchesThatShareACommitAreRetriedSingly) {
  const auto session = rooms_.Session("writer");
  ASSERT_OK_AND_ASSIGN(auto put, session->OpenPut(context_, {.table = {.name = "p"}}, batch_->schema()));
  ArmRival();
  auto outcome = put->Write({Batch("[[2, 20]]"), Batch("[[3, 30]]"), Batch("[[1, 1], [9, 9]]"), Batch("[[4, 40]]")});
  ASSERT_NE(outcome.error, nullptr);
  ASSERT_EQ(outcome.accepted.size(), 2U);
  EXPECT_EQ(outcome.accepted[1].rows_accepted, 2);
  EXPECT_EQ(client_.Rows("SELECT k FROM p ORDER BY k"), "1\n2\n3\n");
  EXPECT_EQ(client_.Rows("SELECT * FROM pv"), "3|60\n");
  outcome = put->Write({Batch("[[4, 40]]")});
  EXPECT_EQ(outcome.error, nullptr);
  EXPECT_EQ(client_.Rows("SELECT * FROM pv"), "4|100\n");
}

}  // namespace
}  // namespace hyprstream::testing
