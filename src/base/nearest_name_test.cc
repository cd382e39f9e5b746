#include "base/nearest_name.h"

#include <gtest/gtest.h>

#include <vector>

namespace hyprstream {
namespace {

TEST(NearestName, FindsTyposSwapsAndCase) {
  const std::vector<std::string> names = {"sales_5m", "customers", "orders", "port"};
  EXPECT_EQ(DidYouMean("sales_5n", names), " (did you mean sales_5m?)");
  EXPECT_EQ(DidYouMean("odrers", names), " (did you mean orders?)");
  EXPECT_EQ(DidYouMean("CUSTOMER", names), " (did you mean customers?)");
  EXPECT_EQ(DidYouMean("prot", names), " (did you mean port?)");
}

TEST(NearestName, SaysNothingWhenNothingIsNear) {
  const std::vector<std::string> names = {"sales", "x"};
  EXPECT_EQ(DidYouMean("warehouse", names), "");
  EXPECT_EQ(DidYouMean("y", names), "");
  EXPECT_EQ(DidYouMean("", names), "");
  EXPECT_EQ(DidYouMean(std::string(100000, 'a'), names), "");
}

}  // namespace
}  // namespace hyprstream
