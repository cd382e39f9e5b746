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
  for (const char* taken :
       {"SELECT 1", "select 1;", "SELECT 1 ; \n", "VALUES (1)", "SHOW TABLES", "DESCRIBE t",
        "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) AS q", "SELECT 1 -- one\r\n+ 1", "SELECT '-' /* ! */",
        "SELECT 'it''s \r into ! \"', \"update\", updated FROM t", "SHOW CREATE TABLE t"}) {
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

// Comments end elsewhere in each database: what hides a word in one shows it in another.
TEST(PassedOn, ACommentHidesNothing) {
  for (const char* refused :
       {"/* /* */ SELECT 1 */ DELETE FROM t WHERE a = 'N1' RETURNING a",
        "-- x\rDELETE FROM t WHERE a IN (\nSELECT 'N2') RETURNING a", "/* all */ SELECT 1", "-- all\nSELECT 1",
        "# all\nSELECT 1", "/*! DELETE FROM t */", " /*!50000 SELECT */ 1", "SELECT 1 /*! INTO OUTFILE 'x' */",
        "SELECT 1 /*M! + 1 */", "SELECT 1 -- x\rUNION SELECT 2", "SELECT '\\' /*! + 1 */ -- '",
        "SELECT '\\'\r, ' FROM t"}) {
    EXPECT_TRUE(CheckReadsOnce(refused).IsInvalid()) << refused;
  }
}

TEST(PassedOn, AWordThatWritesIsRefusedBehindTheFirst) {
  for (const char* refused :
       {"SELECT a INTO b FROM t", "SELECT 1 DELETE FROM t", "SELECT a FROM t FOR UPDATE",
        "DESCRIBE ANALYZE DELETE FROM t", "SELECT * FROM (WITH d AS (DELETE FROM t RETURNING a) SELECT * FROM d) AS q",
        "SELECT 1 exec('x')", "SELECT 1INTO b", "SELECT 1e5into b", "SELECT 'a'INTO b", "SELECT \"a INTO b FROM t",
        "SELECT '\\' into b from t -- '", "SELECT $$'$$ INTO b FROM t WHERE '' = ''"}) {
    EXPECT_TRUE(CheckReadsOnce(refused).IsInvalid()) << refused;
  }
}

}  // namespace
}  // namespace hyprstream::backend
