#include "base/random_handle.h"

#include <gtest/gtest.h>

#include <set>

namespace hyprstream {
namespace {

TEST(RandomHandle, Is32HexDigitsAndNeverComesTwice) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string handle = RandomHandle();
    EXPECT_EQ(handle.size(), 32u);
    EXPECT_EQ(handle.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(seen.insert(handle).second);
  }
}

}  // namespace
}  // namespace hyprstream
