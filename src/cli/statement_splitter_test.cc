#include "cli/statement_splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hyprstream::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Split(std::string_view text) {
  StatementSplitter splitter;
  splitter.Add(text);
  std::vector<std::string> statements;
  while (auto statement = splitter.Next()) statements.push_back(*statement);
  if (const std::string rest = splitter.TakeRest(); !rest.empty()) statements.push_back(rest);
  return statements;
}

TEST(StatementSplitter, CutsAtSemicolons) {
  EXPECT_THAT(Split("SELECT 1; SELECT\n2 ;; "), ElementsAre("SELECT 1", "SELECT\n2"));
  EXPECT_THAT(Split("SELECT 1"), ElementsAre("SELECT 1"));
  EXPECT_THAT(Split(" ; \n"), IsEmpty());
}

TEST(StatementSplitter, LeavesQuotesAndCommentsAlone) {
  EXPECT_THAT(Split("SELECT ';', 'it''s;', \"a;\"\"b\"; x"), ElementsAre("SELECT ';', 'it''s;', \"a;\"\"b\"", "x"));
  EXPECT_THAT(Split("SELECT 1 -- one; two\n, 2; y"), ElementsAre("SELECT 1 -- one; two\n, 2", "y"));
  EXPECT_THAT(Split("SELECT /* a; /* b; */ c; */ 1; z"), ElementsAre("SELECT /* a; /* b; */ c; */ 1", "z"));
  EXPECT_THAT(Split("SELECT $$a;b$$; SELECT $t$;$$;$t$; q"), ElementsAre("SELECT $$a;b$$", "SELECT $t$;$$;$t$", "q"));
  EXPECT_THAT(Split("SELECT E'\\';'; w"), ElementsAre("SELECT E'\\';'", "w"));
  EXPECT_THAT(Split("SELECT $1; v"), ElementsAre("SELECT $1", "v"));
  EXPECT_THAT(Split("-- only a comment"), IsEmpty());
  EXPECT_THAT(Split("-- first\nSELECT 1;"), ElementsAre("SELECT 1"));
}

TEST(StatementSplitter, WaitsForTheRest) {
  StatementSplitter splitter;
  EXPECT_FALSE(splitter.IsInside());
  splitter.Add("SELECT 'a\n");
  EXPECT_EQ(splitter.Next(), std::nullopt);
  EXPECT_TRUE(splitter.IsInside());
  splitter.Add("b;c';\n");
  EXPECT_EQ(splitter.Next(), "SELECT 'a\nb;c'");
  EXPECT_FALSE(splitter.IsInside());
}

TEST(StatementSplitter, CutsALongScriptInOnePass) {  // 10 MB: moving what is left at each cut would take minutes
  constexpr int kStatements = 1'000'000;
  std::string script;
  for (int i = 0; i < kStatements; ++i) script += "SELECT 1;\n";
  StatementSplitter splitter;
  splitter.Add(script);
  int statements = 0;
  while (splitter.Next()) ++statements;
  EXPECT_EQ(statements, kStatements);
  splitter.Add("SELECT 2;");
  EXPECT_EQ(splitter.Next(), "SELECT 2");
}

}  // namespace
}  // namespace hyprstream::cli
