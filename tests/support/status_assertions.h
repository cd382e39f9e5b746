// Assertions on arrow::Status and arrow::Result for tests.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <gtest/gtest.h>

#include <utility>

namespace hyprstream::testing {

inline const arrow::Status& StatusOf(const arrow::Status& status) { return status; }
template <class T>
const arrow::Status& StatusOf(const arrow::Result<T>& result) {
  return result.status();
}

}  // namespace hyprstream::testing

#define EXPECT_OK(expression)                                                                     \
  do {                                                                                            \
    const auto& checked = (expression);                                                           \
    EXPECT_TRUE(checked.ok()) << #expression << ": " << ::hyprstream::testing::StatusOf(checked); \
  } while (false)

#define ASSERT_OK(expression)                                                                     \
  do {                                                                                            \
    const auto& checked = (expression);                                                           \
    ASSERT_TRUE(checked.ok()) << #expression << ": " << ::hyprstream::testing::StatusOf(checked); \
  } while (false)

#define HYPRSTREAM_CONCAT_INNER(a, b) a##b
#define HYPRSTREAM_CONCAT(a, b) HYPRSTREAM_CONCAT_INNER(a, b)
#define HYPRSTREAM_ASSIGN_IMPL(result, target, expression)            \
  auto result = (expression);                                         \
  ASSERT_TRUE(result.ok()) << #expression << ": " << result.status(); \
  target = std::move(result).ValueUnsafe()
#define ASSERT_OK_AND_ASSIGN(target, expression) \
  HYPRSTREAM_ASSIGN_IMPL(HYPRSTREAM_CONCAT(result_, __LINE__), target, expression)
