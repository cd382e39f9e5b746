#include <arrow/result.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/engine.h"
#include "engine/parsed_texts_internal.h"

namespace hyprstream::engine {
namespace {

class ParsedTextsTest : public testing::Test {
 protected:
  std::shared_ptr<const Statement> First(const std::string& sql) { return engine_->Parse(sql).ValueOrDie().at(0); }
  // Is its statement the same one again?
  bool IsKept(const std::string& sql) {
    const auto before = First(sql);
    return First(sql) == before;
  }

  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 1}).ValueOrDie();
};

TEST_F(ParsedTextsTest, AreQueriesOfReasonableLength) {
  EXPECT_TRUE(IsKept("SELECT 1"));
  EXPECT_TRUE(IsKept("FROM t WHERE k = ?"));
  EXPECT_FALSE(IsKept("SELECT '" + std::string(5000, 'x') + "'"));
  EXPECT_FALSE(IsKept("SELECT 1; SELECT 2"));
  EXPECT_FALSE(IsKept("INSERT INTO t VALUES (1)"));
  EXPECT_FALSE(IsKept("SET TimeZone = 'UTC'"));
  EXPECT_FALSE(engine_->Parse("SELECT FROM WHERE").ok());
  EXPECT_FALSE(engine_->Parse("SELECT FROM WHERE").ok());
}

TEST_F(ParsedTextsTest, AreTheLastUsed) {
  const auto often = First("SELECT 'often'");
  const auto once = First("SELECT 'once'");
  for (int i = 0; i < 100; ++i) {
    First("SELECT " + std::to_string(i));
    EXPECT_EQ(First("SELECT 'often'"), often);
  }
  EXPECT_NE(First("SELECT 'once'"), once);
}

}  // namespace
}  // namespace hyprstream::engine
