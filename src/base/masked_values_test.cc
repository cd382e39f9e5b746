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
        "Unknown table: nothing (did you mean main.something?)"}) {
    EXPECT_EQ(MaskValues(text), text);
  }
}

}  // namespace
}  // namespace hyprstream
