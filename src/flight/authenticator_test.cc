#include "flight/authenticator.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/base64.h>
#include <gtest/gtest.h>

#include <string>

#include "base/fake_clock.h"

namespace hyprstream::flight {
namespace {

using std::chrono::seconds;

std::string Basic(const std::string& pair) { return "Basic " + arrow::util::base64_encode(pair); }

class AuthenticatorTest : public testing::Test {
 protected:
  FakeClock clock_;
  config::Credentials nobody_{{}};
  config::Credentials users_{{{.name = "ada", .token = "secret-token", .password_hash = {}, .admin = true},
                              {.name = "bob", .token = "other-token", .password_hash = {}, .admin = false}}};
};

TEST_F(AuthenticatorTest, EverybodyIsAnonymousWithoutUsers) {
  Authenticator authenticator(nobody_, clock_, {});
  const auto first = authenticator.Admit({.peer = "ipv4:127.0.0.1:1"}).ValueOrDie();
  EXPECT_EQ(first.identity, Identity{});
  EXPECT_FALSE(first.issued_cookie.empty());
  const auto again = authenticator.Admit({.peer = "ipv4:127.0.0.1:1"}).ValueOrDie();
  EXPECT_EQ(first.key, again.key);
  EXPECT_NE(first.key, authenticator.Admit({.peer = "ipv4:127.0.0.1:2"})->key);
}

TEST_F(AuthenticatorTest, TheCookieFindsTheConnectionsSessionAgain) {
  Authenticator authenticator(nobody_, clock_, {});
  const auto first = authenticator.Admit({.peer = "p1"}).ValueOrDie();
  const std::string cookie = "other=1; arrow_flight_session_id=" + first.issued_cookie;
  const auto elsewhere = authenticator.Admit({.cookie = cookie, .peer = "p2"}).ValueOrDie();
  EXPECT_EQ(elsewhere.key, first.key);
  EXPECT_TRUE(elsewhere.issued_cookie.empty());
}

TEST_F(AuthenticatorTest, AnEndedConnectionsSessionIsForItsCookieOnly) {
  Authenticator authenticator(users_, clock_, {});
  const auto ada = authenticator.Admit({.authorization = "Bearer secret-token", .peer = "p1"}).ValueOrDie();
  const auto bob = authenticator.Admit({.authorization = "Bearer other-token", .peer = "p1"}).ValueOrDie();
  const auto other = authenticator.Admit({.authorization = "Bearer other-token", .peer = "p10"}).ValueOrDie();
  authenticator.Forget("p1");
  authenticator.Forget("p1");
  EXPECT_NE(authenticator.Admit({.authorization = "Bearer secret-token", .peer = "p1"})->key, ada.key);
  EXPECT_NE(authenticator.Admit({.authorization = "Bearer other-token", .peer = "p1"})->key, bob.key);
  EXPECT_EQ(authenticator.Admit({.authorization = "Bearer other-token", .peer = "p10"})->key, other.key);
  const std::string cookie = "arrow_flight_session_id=" + ada.issued_cookie;
  EXPECT_EQ(authenticator.Admit({.authorization = "Bearer secret-token", .cookie = cookie, .peer = "p2"})->key,
            ada.key);
}

TEST_F(AuthenticatorTest, TakesBase64WithoutItsPadding) {
  // bob's password is "x"; Go's client sends Ym9iOng where others send Ym9iOng=.
  const config::Credentials users{{{.name = "bob",
                                    .token = {},
                                    .password_hash = "$5$rounds=1000$salt$7KVl3mKg4nimV/qrrylYq3/eyzK/PGCputoW3DE3xU8",
                                    .admin = false}}};
  Authenticator authenticator(users, clock_, {});
  const auto padded = authenticator.Admit({.authorization = "Basic Ym9iOng=", .peer = "p"});
  const auto bare = authenticator.Admit({.authorization = "Basic Ym9iOng", .peer = "p"});
  ASSERT_TRUE(padded.ok()) << padded.status();
  ASSERT_TRUE(bare.ok()) << bare.status();
  EXPECT_EQ(bare->identity.user, "bob");
}

TEST_F(AuthenticatorTest, RefusesWrongAndMissingCredentials) {
  Authenticator authenticator(users_, clock_, {});
  EXPECT_FALSE(authenticator.Admit({.peer = "p"}).ok());
  EXPECT_FALSE(authenticator.Admit({.authorization = "Bearer nonsense", .peer = "p"}).ok());
  EXPECT_FALSE(authenticator.Admit({.authorization = "Digest x", .peer = "p"}).ok());
  EXPECT_FALSE(authenticator.Admit({.authorization = "Basic ???", .peer = "p"}).ok());
  EXPECT_FALSE(authenticator.Admit({.authorization = Basic("ada:wrong"), .peer = "p"}).ok());
  EXPECT_FALSE(authenticator.Admit({.authorization = "Bearer nonsense", .peer = "p", .handshake = true}).ok());
  EXPECT_FALSE(authenticator.Login("ada", "wrong").ok());
}

TEST_F(AuthenticatorTest, AHandshakeWithoutHeaderWaitsForItsMessage) {
  Authenticator authenticator(users_, clock_, {});
  EXPECT_FALSE(authenticator.Admit({.peer = "p", .handshake = true})->authenticated);
}

TEST_F(AuthenticatorTest, AStaticTokenIsSharedButItsSessionsAreNot) {
  Authenticator authenticator(users_, clock_, {});
  const auto one = authenticator.Admit({.authorization = "Bearer secret-token", .peer = "p1"}).ValueOrDie();
  const auto two = authenticator.Admit({.authorization = "bearer secret-token", .peer = "p2"}).ValueOrDie();
  EXPECT_EQ(one.identity.user, "ada");
  EXPECT_TRUE(one.identity.admin);
  EXPECT_NE(one.key, two.key);
}

TEST_F(AuthenticatorTest, ACookieOpensNothingForAnotherUser) {
  Authenticator authenticator(users_, clock_, {});
  const auto ada = authenticator.Admit({.authorization = "Bearer secret-token", .peer = "p1"}).ValueOrDie();
  const std::string cookie = "arrow_flight_session_id=" + ada.issued_cookie;
  const auto bob =
      authenticator.Admit({.authorization = "Bearer other-token", .cookie = cookie, .peer = "p1"}).ValueOrDie();
  EXPECT_NE(bob.key, ada.key);
}

TEST_F(AuthenticatorTest, IssuedTokensEndWhenTheyAreNotUsed) {
  Authenticator authenticator(nobody_, clock_, {.idle_max = seconds(100)});
  const auto token =
      authenticator.Admit({.authorization = Basic("any:one"), .peer = "p", .handshake = true})->issued_token;
  ASSERT_FALSE(token.empty());
  const auto key = authenticator.Admit({.authorization = "Bearer " + token, .peer = "x"})->key;
  EXPECT_EQ(key.kind, session::SessionKey::Kind::kToken);
  clock_.Advance(seconds(90));
  EXPECT_EQ(authenticator.Admit({.authorization = "Bearer " + token, .peer = "y"})->key, key);
  clock_.Advance(seconds(101));
  EXPECT_NE(authenticator.Admit({.authorization = "Bearer " + token, .peer = "y"})->key, key);
}

TEST_F(AuthenticatorTest, RemembersABoundedNumberOfTokensAndConnections) {
  Authenticator authenticator(nobody_, clock_, {.tokens_max = 2, .connections_max = 2});
  const auto first = authenticator.Login("a", "b").ValueOrDie();
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(seconds(1));
    ASSERT_TRUE(authenticator.Login("a", "b").ok());
    ASSERT_TRUE(authenticator.Admit({.peer = "p" + std::to_string(i)}).ok());
  }
  EXPECT_NE(authenticator.Admit({.authorization = "Bearer " + first, .peer = "p"})->key.kind,
            session::SessionKey::Kind::kToken);
}

TEST(SessionCookieTest, TakesOnlyWhatWeCouldHaveMade) {
  const std::string handle(32, 'a');
  EXPECT_EQ(SessionCookie("arrow_flight_session_id=" + handle), handle);
  EXPECT_EQ(SessionCookie("x=y;  arrow_flight_session_id=\"" + handle + "\" ; z=1"), handle);
  EXPECT_EQ(SessionCookie("arrow_flight_session_id=short"), "");
  EXPECT_EQ(SessionCookie("arrow_flight_session_idx=" + handle), "");
  EXPECT_EQ(SessionCookie(""), "");
}

}  // namespace
}  // namespace hyprstream::flight
