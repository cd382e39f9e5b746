// Two transactions that overlap and edit one row: one of them commits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/edit_log_internal.h"

namespace hyprstream::engine {
namespace {

using ::testing::HasSubstr;

// Tables, by their names; what they are is where these stand.
constexpr const char* kTable = "t";
constexpr const char* kOther = "other";
constexpr const char* kThird = "third";

EditedRows Edits(const std::vector<std::pair<const char*, std::vector<RowRange>>>& tables) {
  EditedRows edited;
  for (const auto& [name, rows] : tables) edited[name] = {.table = {.name = name}, .rows = rows};
  return edited;
}

arrow::Status Commit(EditLog& log, const std::vector<std::pair<const char*, std::vector<RowRange>>>& tables,
                     std::uint64_t begun) {
  return log.Commit(Edits(tables), begun, [] { return arrow::Status::OK(); });
}

TEST(EditLog, RefusesRowsThatWereEditedSince) {
  EditLog log;
  const auto begun = log.now();
  EXPECT_TRUE(Commit(log, {{kTable, {{2, 4}, {9, 9}}}}, begun).ok());
  EXPECT_THAT(Commit(log, {{kTable, {{0, 1}, {4, 5}}}}, begun).message(),
              HasSubstr("rows of table t that this transaction changes were changed by another one"));
  EXPECT_FALSE(Commit(log, {{kOther, {{1, 1}}}, {kTable, {{9, 12}}}}, begun).ok());
  EXPECT_TRUE(Commit(log, {{kTable, {{0, 1}, {5, 8}, {10, 12}}}}, begun).ok());
  EXPECT_TRUE(Commit(log, {{kOther, {{2, 4}}}}, begun).ok());
  EXPECT_TRUE(Commit(log, {{kTable, {{2, 4}}}}, log.now()).ok());
}

TEST(EditLog, DoesNotRememberWhatFailed) {
  EditLog log;
  const auto begun = log.now();
  EXPECT_FALSE(log.Commit(Edits({{kTable, {{1, 1}}}}), begun, [] { return arrow::Status::IOError("full"); }).ok());
  EXPECT_TRUE(Commit(log, {{kTable, {{1, 1}}}}, begun).ok());
}

TEST(EditLog, RefusesWhatItCannotTellAnyMore) {
  EditLog log(100);
  const auto begun = log.now();
  EXPECT_TRUE(Commit(log, {{kTable, {{1, 1}}}}, begun).ok());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Commit(log, {{kOther, {{i, i}}}}, log.now()).ok());
  EXPECT_FALSE(Commit(log, {{kTable, {{2, 2}}}}, begun).ok());
  EXPECT_TRUE(Commit(log, {{kThird, {{1, 1}}}}, begun).ok());
  EXPECT_TRUE(Commit(log, {{kTable, {{2, 2}}}}, log.now()).ok());
}

}  // namespace
}  // namespace hyprstream::engine
