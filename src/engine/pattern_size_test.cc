#include <gtest/gtest.h>

#include <string>

#include "engine/pattern_size_internal.h"

namespace hyprstream::engine {
namespace {

TEST(PatternSize, IsThatOfAShortPattern) {
  EXPECT_EQ(PatternSize(""), 1);
  EXPECT_EQ(PatternSize("abc"), 3);
  EXPECT_LT(PatternSize("^(\\S+) \\[(.*?)\\] \"([A-Z]+) ([^\"]*)\" [0-9]{3}$"), 100);
}

TEST(PatternSize, MultipliesRepeats) {
  EXPECT_GE(PatternSize("([ab]?){1000}c"), 2000);
  EXPECT_GE(PatternSize("((ab){30}){30}"), 1800);
  EXPECT_GE(PatternSize("a{2,1000}"), 1000);
  EXPECT_GE(PatternSize("a{1000,}"), 1000);
  EXPECT_GE(PatternSize("\\d{900}"), 900);
  EXPECT_LT(PatternSize("a{b}{"), 10);
}

TEST(PatternSize, KnowsWhatTakesManyInstructions) {
  EXPECT_GE(PatternSize("(\\pL|\\pN){300}"), 100'000);
  EXPECT_GE(PatternSize("[\\pL]"), 100);
  EXPECT_GE(PatternSize(".{100}"), 1000);
  EXPECT_GE(PatternSize("[^a]{100}"), 1000);
}

TEST(PatternSize, TakesWhatIsNoPattern) {
  for (const char* pattern :
       {"(", ")", "[", "[]", "[^", "[[:", "[[:x", "\\", "[\\", "{", "{1", "{1,", "}", "a{,}", "((("}) {
    EXPECT_GE(PatternSize(pattern), 1) << pattern;
  }
  EXPECT_GE(PatternSize(std::string(100'000, '(')), 1);
}

}  // namespace
}  // namespace hyprstream::engine
