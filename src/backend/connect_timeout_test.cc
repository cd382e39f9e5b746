#include "backend/connect_timeout.h"

#include <gtest/gtest.h>

#include <string>

namespace hyprstream::backend {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

milliseconds Timeout(const std::string& driver, const std::string& option, const std::string& value) {
  BackendSpec spec;
  spec.driver = driver;
  spec.connect_timeout = seconds(2);
  spec.driver_options[option] = value;
  return ConnectTimeoutOf(spec);
}

TEST(ConnectTimeout, IsTheDriversOwnWhereThatIsLonger) {
  EXPECT_EQ(Timeout("postgresql", "uri", "postgresql://h/d"), seconds(2));
  EXPECT_EQ(Timeout("postgresql", "uri", "postgresql://a,b/d?sslmode=require&connect_timeout=30&x=99"), seconds(30));
  EXPECT_EQ(Timeout("postgresql", "uri", "host=a connect_timeout = '15' dbname=d"), seconds(15));
  EXPECT_EQ(Timeout("postgresql", "uri", "postgresql://h/d?connect_timeout=1"), seconds(2));
  EXPECT_EQ(Timeout("redis", "adbc.redis.connect_timeout_ms", "4500"), milliseconds(4'500));
  EXPECT_EQ(Timeout("redis", "uri", "redis://h?connect_timeout=30"), seconds(2));
  EXPECT_EQ(Timeout("flightsql", "uri", "grpc://h?connect_timeout=30"), seconds(2));
}

TEST(ConnectTimeout, IsNeverWithoutEnd) {
  EXPECT_EQ(Timeout("postgresql", "uri", "postgresql://h/d?connect_timeout=0"), seconds(2));
  EXPECT_EQ(Timeout("postgresql", "uri", "postgresql://h/d?connect_timeout=-1"), seconds(2));
  EXPECT_EQ(Timeout("postgresql", "uri", "postgresql://h/d?connect_timeout=99999999999999999999"), seconds(2));
  EXPECT_EQ(Timeout("postgresql", "uri", "postgresql://h/d?connect_timeout=9999999999"), std::chrono::hours(24));
}

}  // namespace
}  // namespace hyprstream::backend
