#include "config/credentials.h"

#include <crypt.h>
#include <gtest/gtest.h>

namespace hyprstream::config {
namespace {

std::string Hash(const char* password, const char* salt) {
  crypt_data scratch{};
  return crypt_r(password, salt, &scratch);
}

TEST(Credentials, PasswordsAreCheckedAgainstTheirHash) {
  for (const char* salt : {"$6$rounds=1000$saltsalt", "$5$rounds=1000$saltsalt", "$y$j75$saltsaltsalt"}) {
    const Credentials credentials(
        {{.name = "alice", .token = "", .password_hash = Hash("open sesame", salt), .admin = true}});
    const User* alice = credentials.CheckPassword("alice", "open sesame");
    ASSERT_NE(alice, nullptr) << salt;
    EXPECT_TRUE(alice->admin);
    EXPECT_EQ(credentials.CheckPassword("alice", "open sesam"), nullptr);
    EXPECT_EQ(credentials.CheckPassword("alice", ""), nullptr);
    EXPECT_EQ(credentials.CheckPassword("alice", std::string_view("open sesame\0x", 13)), nullptr);
    EXPECT_EQ(credentials.CheckPassword("bob", "open sesame"), nullptr);
    EXPECT_EQ(credentials.CheckToken(""), nullptr);
  }
}

TEST(Credentials, TokensNameTheirUser) {
  const Credentials credentials(
      {{.name = "a", .token = "tok-a", .password_hash = ""}, {.name = "b", .token = "tok-b", .password_hash = ""}});
  EXPECT_EQ(credentials.CheckToken("tok-b")->name, "b");
  EXPECT_EQ(credentials.CheckToken("tok-c"), nullptr);
  EXPECT_EQ(credentials.CheckToken("tok-"), nullptr);
  EXPECT_EQ(credentials.CheckToken("tok-btok-b"), nullptr);
  EXPECT_EQ(credentials.CheckToken(""), nullptr);
  EXPECT_EQ(credentials.CheckPassword("a", ""), nullptr);
}

TEST(Credentials, OnlyRealHashesCount) {
  EXPECT_TRUE(IsPasswordHash(Hash("x", "$6$abc")));
  EXPECT_FALSE(IsPasswordHash("secret"));
  EXPECT_FALSE(IsPasswordHash(""));
  EXPECT_FALSE(IsPasswordHash("$nonsense$x"));
}

}  // namespace
}  // namespace hyprstream::config
