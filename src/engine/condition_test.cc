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
  std::string Refused(const std::string& sql) { return engine_->ParseCondition(sql).status().message(); }
  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 1}).ValueOrDie();
};

TEST_F(ConditionTest, NamesItsColumns) {
  const auto condition = engine_->ParseCondition("region = 'eu' AND v.w >= '2026-01-01' -- and so on");
  ASSERT_TRUE(condition.ok()) << condition.status();
  EXPECT_THAT(condition->columns, ElementsAre("region", "w"));
  EXPECT_EQ(engine_->ParseCondition(condition->sql).ValueOrDie().sql, condition->sql);
}

TEST_F(ConditionTest, LooksAtNothingButItsRow) {
  EXPECT_THAT(Refused("k IN (SELECT k FROM other)"), HasSubstr("The condition holds a subquery"));
  EXPECT_THAT(Refused("row_number() OVER () = 1"), HasSubstr("a window function"));
  EXPECT_THAT(Refused("k = $1"), HasSubstr("a parameter"));
  EXPECT_THAT(Refused("COLUMNS(*) = 1"), HasSubstr("a star"));
}

TEST_F(ConditionTest, IsOneExpression) {
  EXPECT_THAT(Refused("true) OR (true"), HasSubstr("The condition cannot be read"));
  EXPECT_THAT(Refused("a, b"), HasSubstr("ondition"));
  EXPECT_THAT(Refused("true; DROP TABLE t"), HasSubstr("The condition cannot be read"));
  EXPECT_THAT(Refused(""), HasSubstr("The condition cannot be read"));
  EXPECT_THAT(Refused("true /* "), HasSubstr("The condition cannot be read"));
  EXPECT_FALSE(engine_->ParseCondition(std::string(5000, '(') + "k" + std::string(5000, ')')).ok());
}

}  // namespace
}  // namespace hyprstream::engine
