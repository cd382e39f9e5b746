#include "server_address.h"

#include <gtest/gtest.h>

#include "status_expectations.h"

namespace adbc_redis {
namespace {

ServerAddress Read(const std::string& uri) {
  ServerAddress address;
  EXPECT_THAT(ReadUri(uri, address), IsOk()) << uri;
  return address;
}

TEST(Uri, SaysWhereTheServerIs) {
  const ServerAddress address = Read("rediss://me:p%40ss:word@example.org:7000/3");
  EXPECT_EQ(address.host, "example.org");
  EXPECT_EQ(address.port, 7000);
  EXPECT_EQ(address.database, 3);
  EXPECT_EQ(address.username, "me");
  EXPECT_EQ(address.password, "p@ss:word");
  EXPECT_TRUE(address.tls);
  EXPECT_EQ(Read("redis://:secret@h").password, "secret");
  EXPECT_EQ(Read("redis://[::1]:7000").host, "::1");
  EXPECT_EQ(Read("redis://").ToString(), "127.0.0.1:6379");
  EXPECT_EQ(Read("unix:///run/redis.sock?db=2").socket_path, "/run/redis.sock");
  EXPECT_EQ(Read("unix:///run/redis.sock?db=2").database, 2);
}

TEST(Uri, IsNeverShown) {
  for (const char* uri :
       {"http://:marker@h", "redis://:marker@h:port", "redis://:marker@h/db", "redis://:marker%@h",
        "redis://:marker@[::1", "redis://:marker@h:99999", "redis://:marker@h/1?x=marker", "marker", "redis:marker"}) {
    ServerAddress address;
    const arrow::Status status = ReadUri(uri, address);
    EXPECT_EQ(CodeOf(status), ADBC_STATUS_INVALID_ARGUMENT) << uri;
    EXPECT_THAT(status.message(), ::testing::Not(::testing::HasSubstr("marker"))) << uri;
  }
}

}  // namespace
}  // namespace adbc_redis
