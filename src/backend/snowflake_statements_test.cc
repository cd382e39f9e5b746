#include "backend/snowflake_statements.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "backend/snowflake_values.h"

namespace hyprstream::backend {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Of a table with the key K, a number, and V, a text, whose statements change as many rows as `changes_` says.
class SnowflakeStatementsTest : public ::testing::Test {
 protected:
  arrow::Result<std::int64_t> Send(const std::string& rows, SnowflakeStatements::Options options) {
    const auto schema = arrow::schema({arrow::field("k", arrow::int64()), arrow::field("v", arrow::utf8())});
    const std::vector<WrittenColumn> columns = {SnowflakeColumn("K", "NUMBER(3,0)"), SnowflakeColumn("V", "VARCHAR")};
    ARROW_ASSIGN_OR_RAISE(const auto values, ValueWriting::Make("t", columns, *schema));
    ARROW_ASSIGN_OR_RAISE(const auto array, arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), rows));
    ARROW_ASSIGN_OR_RAISE(const auto batch, arrow::RecordBatch::FromStructArray(array));
    ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::RecordBatchReader::Make({batch}, schema));
    const auto run = [this](const std::string& sql) -> arrow::Result<std::int64_t> {
      sent_.push_back(sql);
      return changes_.at(sent_.size() - 1);
    };
    options.table = "snow.s.t";
    if (!options.statements) options.statements = [](const std::string& sent) { return std::vector{"W " + sent}; };
    return SnowflakeStatements(run, values, std::move(options)).Send(*reader);
  }

  std::string Refusal(const std::string& rows, SnowflakeStatements::Options options) {
    return Send(rows, std::move(options)).status().message();
  }

  static SnowflakeStatements::Options ByKey(bool skips_repeated = false) {
    SnowflakeStatements::Options options;
    options.key = {0};
    options.skips_repeated = skips_repeated;
    return options;
  }

  std::vector<std::int64_t> changes_ = {2, 2, 2};
  std::vector<std::string> sent_;
};

TEST_F(SnowflakeStatementsTest, RowsAreListsOfTexts) {
  EXPECT_EQ(Send(R"([[1, "a'"], [-2, null]])", {}).ValueOrDie(), 2);
  EXPECT_THAT(sent_, ElementsAre("W FROM VALUES ('1','a'''),('-2',NULL)"));
}

TEST_F(SnowflakeStatementsTest, NoRowsAreNoStatement) {
  EXPECT_EQ(Send("[]", {}).ValueOrDie(), 0);
  EXPECT_THAT(sent_, ElementsAre());
}

// Snowflake checks no primary key, and reads what others have committed meanwhile.
TEST_F(SnowflakeStatementsTest, AnotherNumberOfRowsThanWasSentIsAnError) {
  for (const std::int64_t changed : {0, 1, 3}) {
    changes_ = {changed};
    sent_.clear();
    EXPECT_THAT(Refusal(R"([[1, "a"], [2, "b"]])", {}),
                HasSubstr("snow.s.t: 2 rows were to be changed and " + std::to_string(changed) + " were"));
  }
  changes_ = {1};
  sent_.clear();
  SnowflakeStatements::Options some;
  some.changes_all = false;
  EXPECT_EQ(Send(R"([[1, "a"], [2, "b"]])", some).ValueOrDie(), 1);
}

TEST_F(SnowflakeStatementsTest, AnUpsertChangesARowByOneOfItsStatements) {
  auto upsert = ByKey();
  upsert.statements = [](const std::string& sent) { return std::vector{"U " + sent, "I " + sent}; };
  changes_ = {1, 1};
  EXPECT_EQ(Send(R"([[1, "a"], [2, "b"]])", upsert).ValueOrDie(), 2);
  EXPECT_EQ(sent_.size(), 2);
  changes_ = {2, 1};  // a key that two rows have
  sent_.clear();
  EXPECT_THAT(Refusal(R"([[1, "a"], [2, "b"]])", upsert), HasSubstr("and 3 were"));
}

TEST_F(SnowflakeStatementsTest, ARowIsNamedOnce) {
  const std::string rows = R"([[1, "a"], [2, "b"], [1, "c"]])";
  EXPECT_THAT(Refusal(rows, ByKey()), HasSubstr("Row 2 of the write to snow.s.t"));
  EXPECT_THAT(sent_, ElementsAre());
  EXPECT_EQ(Send(rows, ByKey(true)).ValueOrDie(), 2);
  EXPECT_THAT(sent_, ElementsAre("W FROM VALUES ('1','a'),('2','b')"));
}

TEST_F(SnowflakeStatementsTest, AValueThatIsNotHeldIsRefusedWithItsPlace) {
  EXPECT_THAT(Refusal(R"([[1, "a"], [1000, "b"]])", {}), HasSubstr("Column K, row 1: 1000"));
  EXPECT_THAT(sent_, ElementsAre());
}

}  // namespace
}  // namespace hyprstream::backend
