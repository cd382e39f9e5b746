// Conditions that clients give apart from a statement.
#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine.h"

namespace hyprstream::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConditionTest : public ::testing::Test {
 protected:
  arrow::Result<Condition> Parse(const std::string& sql) {
    const auto connection = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(connection->Begin().ok());
    return engine_->ParseCondition(*connection, sql);
  }
  std::string Refused(const std::string& sql) { return Parse(sql).status().message(); }
  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 1}).ValueOrDie();
};

TEST_F(ConditionTest, NamesItsColumns) {
  const auto condition = Parse("region = 'eu' AND v.w >= '2026-01-01' -- and so on");
  ASSERT_TRUE(condition.ok()) << condition.status();
  EXPECT_THAT(condition->columns, ElementsAre("region", "w"));
  EXPECT_EQ(Parse(condition->sql).ValueOrDie().sql, condition->sql);
}

TEST_F(ConditionTest, LooksAtNothingButItsRow) {
  EXPECT_THAT(Refused("k IN (SELECT k FROM other)"), HasSubstr("The condition holds a subquery"));
  EXPECT_THAT(Refused("row_number() OVER () = 1"), HasSubstr("a window function"));
  EXPECT_THAT(Refused("k = $1"), HasSubstr("a parameter"));
  EXPECT_THAT(Refused("COLUMNS(*) = 1"), HasSubstr("a star"));
  EXPECT_THAT(Refused("k = 1 OR #3 = 1"), HasSubstr("a column number"));
}

// A row that it lets pass must not be another one later.
TEST_F(ConditionTest, SaysTheSameOfARowAtAnyTime) {
  EXPECT_THAT(Refused("window_closed('v', w)"), HasSubstr("The condition holds window_closed(), whose result changes"));
  EXPECT_THAT(Refused("w > now() - INTERVAL '1 hour'"), HasSubstr("now()"));
  EXPECT_THAT(Refused("random() > 0.5"), HasSubstr("random()"));
  ASSERT_TRUE(engine_->Connect().ValueOrDie()->Run("CREATE MACRO mac(k) AS k % 2 = 0").ok());
  EXPECT_THAT(Refused("lower(region) = 'eu' AND mac(k)"), HasSubstr("the macro mac(), which may be replaced"));
  EXPECT_EQ(Refused("lower(region) = 'eu' AND w > TIMESTAMP '2026-01-01' - INTERVAL '1 hour'"), "");
}

TEST_F(ConditionTest, IsOneExpression) {
  EXPECT_THAT(Refused("true) OR (true"), HasSubstr("The condition cannot be read"));
  EXPECT_THAT(Refused("a, b"), HasSubstr("ondition"));
  EXPECT_THAT(Refused("true; DROP TABLE t"), HasSubstr("The condition cannot be read"));
  EXPECT_THAT(Refused(""), HasSubstr("The condition cannot be read"));
  EXPECT_THAT(Refused("true /* "), HasSubstr("The condition cannot be read"));
  EXPECT_FALSE(Parse(std::string(5000, '(') + "k" + std::string(5000, ')')).ok());
}

}  // namespace
}  // namespace hyprstream::engine
