// What is said once DuckDB takes no more statements.
#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <duckdb.hpp>
#include <duckdb/main/valid_checker.hpp>

#include "engine/connection_internal.h"
#include "engine/engine.h"

namespace hyprstream::engine {
namespace {

using ::testing::HasSubstr;

TEST(Failure, IsForTheOperator) {
  const auto engine = Engine::Make({.threads = 1}).ValueOrDie();
  EXPECT_EQ(engine->failure(), "");
  const auto open = engine->Connect().ValueOrDie();
  ASSERT_TRUE(open->Begin().ok());
  const auto idle = engine->Connect().ValueOrDie();
  duckdb::ValidChecker::Invalidate(*DuckConnectionOf(*open).context->db, "the disk is full");
  EXPECT_THAT(engine->failure(), HasSubstr("the disk is full"));
  for (const auto& status : {open->Run("SELECT 1").status(), idle->Begin()}) {
    EXPECT_TRUE(status.IsCapacityError()) << status;
    EXPECT_THAT(status.message(), HasSubstr("the operator must restart the server"));
  }
}

}  // namespace
}  // namespace hyprstream::engine
