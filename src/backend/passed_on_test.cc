#include "backend/passed_on.h"

#include <arrow/status.h>
#include <gtest/gtest.h>

namespace hyprstream::backend {
namespace {

TEST(PassedOn, FirstWordIsBehindBlanksAndComments) {
  EXPECT_EQ(FirstWord("SELECT 1"), "select");
  EXPECT_EQ(FirstWord(" \n-- DELETE\n/* DROP */ Select(1)"), "select");
  EXPECT_EQ(FirstWord("/* SELECT"), "");
  EXPECT_EQ(FirstWord(""), "");
  EXPECT_EQ(FirstWord("(SELECT 1)"), "");
}

TEST(PassedOn, OneStatementThatReadsIsTaken) {
  for (const char* taken : {"SELECT 1", "select 1;", "SELECT 1 ; \n", "VALUES (1)", "SHOW TABLES", "DESCRIBE t",
                            "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) AS q"}) {
    EXPECT_TRUE(CheckReadsOnce(taken).ok()) << taken;
  }
}

TEST(PassedOn, WhatMayDoMoreIsRefused) {
  for (const char* refused : {"", ";", "DELETE FROM t", "WITH a AS (SELECT 1) DELETE FROM t",
                              "EXPLAIN ANALYZE DELETE FROM t", "SELECT 1; DELETE FROM t", "SELECT ';' ",
                              "-- SELECT\nDROP TABLE t", "/* SELECT", "COPY t TO 'x'", "CALL f()", "SELECTED"}) {
    EXPECT_TRUE(CheckReadsOnce(refused).IsInvalid()) << refused;
  }
}

}  // namespace
}  // namespace hyprstream::backend
