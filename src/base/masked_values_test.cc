#include "base/masked_values.h"

#include <gtest/gtest.h>

namespace hyprstream {
namespace {

TEST(MaskValues, HidesWhatIsQuotedAsAValue) {
  EXPECT_EQ(MaskValues("Could not convert string 's3cret' to INT32"), "Could not convert string '…' to INT32");
  EXPECT_EQ(MaskValues("Type VARCHAR with value 's3cret' can't be cast to INT32"),
            "Type VARCHAR with value '…' can't be cast to INT32");
  EXPECT_EQ(MaskValues("Duplicate key \"id: s3cret\" violates primary key constraint."),
            "Duplicate key \"…\" violates primary key constraint.");
  EXPECT_EQ(MaskValues("syntax error at or near \"s3cret\""), "syntax error at or near \"…\"");
  EXPECT_EQ(MaskValues("Could not parse string \"s3cret\" according to format specifier \"%Y\""),
            "Could not parse string \"…\"");
}

TEST(MaskValues, HidesNumbersThatAreValues) {
  EXPECT_EQ(MaskValues("Type INT64 with value -5000000000 can't be cast"), "Type INT64 with value … can't be cast");
  EXPECT_EQ(MaskValues("Overflow in multiplication of INT32 (2000000000 * 2)!"),
            "Overflow in multiplication of INT32 (…)!");
  EXPECT_EQ(MaskValues("missing ): (s3cret"), "missing ): …");
  EXPECT_EQ(MaskValues("date field value out of range: \"2026-13-99\""), "date field value out of range: …");
}

TEST(MaskValues, HidesWhatTheEngineDoesNotQuote) {
  EXPECT_EQ(MaskValues("Date out of range: 31337-12345-54321"), "Date out of range: …");
  EXPECT_EQ(MaskValues("Time out of range: 99:31337:0.5"), "Time out of range: …");
  EXPECT_EQ(MaskValues("Timestamp microseconds out of range: 31337"), "Timestamp microseconds out of range: …");
  EXPECT_EQ(MaskValues("Could not convert DATE (1831-10-09) to nanoseconds"),
            "Could not convert DATE (…) to nanoseconds");
  EXPECT_EQ(MaskValues("Overflow in division of -31337 / 12345"), "Overflow in division of … / …");
  EXPECT_EQ(MaskValues("Overflow in left shift (31337 << 63)"), "Overflow in left shift (…)");
  EXPECT_EQ(MaskValues("Cannot left-shift negative number -31337"), "Cannot left-shift negative number …");
  EXPECT_EQ(MaskValues("Value 31337 is outside of provided min and max range (1 <-> 5)"),
            "Value … is outside of provided min and max range (…)");
  EXPECT_EQ(MaskValues("bit index 31337 out of valid range (0..7)"), "bit index … out of valid range (0..7)");
  EXPECT_EQ(MaskValues("Type TIMESTAMP with value 1831-10-09 11:12:13 can't be cast because it is out of range"),
            "Type TIMESTAMP with value … can't be cast because it is out of range");
  EXPECT_EQ(MaskValues("Type UUID with value abcd can't be cast"), "Type UUID with value … can't be cast");
  EXPECT_EQ(MaskValues("no window at 1831-10-09 or 3.14, nor at 11:12"), "no window at … or … nor at …");
  EXPECT_EQ(MaskValues("Failed to cast value: s3cret"), "Failed to cast value: …");
  EXPECT_EQ(MaskValues("Expected a floating point number, but got the string s3cret"),
            "Expected a floating point number, but got the string …");
}

TEST(MaskValues, HidesNamesThatAreGivenAsTexts) {
  EXPECT_EQ(MaskValues("Aggregate Function with name s3cret does not exist!\nDid you mean \"hour\"?"),
            "Aggregate Function with name … does not exist!");
  EXPECT_EQ(MaskValues("Sequence with name s3cret does not exist!"), "Sequence with name … does not exist!");
  EXPECT_EQ(MaskValues("Failed to parse format specifier s3cret: Trailing format character %"),
            "Failed to parse format specifier …");
}

TEST(MaskValues, KeepsTheFirstLineOnly) {
  EXPECT_EQ(
      MaskValues("Could not parse string \"s3cret\" according to format specifier \"%Y\"\ns3cret\n^\nError: Expected "
                 "a number"),
      "Could not parse string \"…\"");
  EXPECT_EQ(MaskValues("Could not convert string 'two\nlines' to INT32"), "Could not convert string '…' to INT32");
  EXPECT_EQ(MaskValues("Some line\ns3cret"), "Some line");
}

TEST(MaskValues, IsNotFooledByQuotesInsideValues) {
  EXPECT_EQ(MaskValues("Could not convert string 'a' b's3cret' to INT32"), "Could not convert string '…' to INT32");
  EXPECT_EQ(MaskValues("Could not convert string 'cut s3cr"), "Could not convert string '…'");
  EXPECT_EQ(MaskValues("Input: \"a\" s3cret\" ends"), "Input: \"…\" ends");
  EXPECT_EQ(MaskValues("Could not convert string ''s3cret'' to INT32"), "Could not convert string '…' to INT32");
}

TEST(MaskValues, KeepsNamesAndWords) {
  for (const char* text :
       {"", "Referenced column \"it's\" not found", "Table with name x does not exist! Did you mean \"y\"?",
        "Table main.t keeps no rows (keep_rows = false); it has no materialized view yet",
        "The session has 10000 prepared statements; close some", "The server's own tables can't be changed",
        "Unknown table: nothing (did you mean main.something?)", "NOT NULL constraint failed: t.i",
        "The statement joins 130 tables; at most 129 can be joined in one statement"}) {
    EXPECT_EQ(MaskValues(text), text);
  }
}

}  // namespace
}  // namespace hyprstream
