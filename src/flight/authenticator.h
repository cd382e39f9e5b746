// Who calls, and which session the call belongs to, from the call's headers alone.
//
// Sessions are keyed by the bearer token that a handshake issued; else, because a configured token or password is
// shared by many clients, by our cookie when the client sends it, else by the connection.
//
// Thread safety: all methods, from any thread. Ownership: credentials and clock outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "config/credentials.h"
#include "core/request_context.h"
#include "session/session_registry.h"

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::flight {

inline constexpr std::string_view kSessionCookie = "arrow_flight_session_id";

struct AuthenticatorOptions {
  int tokens_max = 10'000;
  int connections_max = 100'000;  // remembered for their session; the longest unused is forgotten
  std::chrono::seconds idle_max{24 * 3600};
};

struct CallCredentials {
  std::string_view authorization;  // header, empty: none
  std::string_view token;          // of a handshake in the old style (auth-token-bin)
  std::string_view cookie;         // header, all cookies
  std::string_view peer;
  bool handshake = false;
};

struct Admission {
  Identity identity;
  session::SessionKey key;
  bool authenticated = true;  // false only for a handshake whose credentials are still to come
  std::string issued_token;   // send as `authorization: Bearer ...`; empty: none
  std::string issued_cookie;  // send as Set-Cookie; empty: none
};

class Authenticator {
 public:
  Authenticator(const config::Credentials& credentials, const Clock& clock, AuthenticatorOptions options)
      : credentials_(credentials), clock_(clock), options_(options) {}

  // UNAUTHENTICATED (as a Flight status) without or with wrong credentials.
  arrow::Result<Admission> Admit(const CallCredentials& call);
  // No connection from `peer` is open: the next call from there is another client's.
  void Forget(const std::string& peer);
  // A handshake in the old style: the token for later calls. UNAUTHENTICATED when name or password is wrong.
  arrow::Result<std::string> Login(std::string_view name, std::string_view password);

 private:
  struct Issued {
    Identity identity;
    Clock::TimePoint used;
  };
  using PeerAndUser = std::pair<std::string, std::string>;
  struct Connection {
    std::string cookie;
    std::list<PeerAndUser>::iterator place;
  };

  arrow::Result<Admission> AdmitBasic(std::string_view encoded, const CallCredentials& call);
  arrow::Result<Admission> AdmitToken(std::string_view token, const CallCredentials& call);
  arrow::Result<Identity> CheckPassword(std::string_view name, std::string_view password) const;
  Admission ByCookieOrConnection(Identity identity, const CallCredentials& call);
  std::string Issue(const Identity& identity);
  std::optional<Identity> FindIssued(std::string_view token);

  const config::Credentials& credentials_;
  const Clock& clock_;
  const AuthenticatorOptions options_;
  Mutex mutex_;
  std::map<std::string, Issued, std::less<>> tokens_ GUARDED_BY(mutex_);
  std::map<PeerAndUser, Connection> connections_ GUARDED_BY(mutex_);
  std::list<PeerAndUser> connection_order_ GUARDED_BY(mutex_);  // longest unused first
};

// The value of our cookie in a Cookie header, empty when it is not there or is none that we could have made.
std::string_view SessionCookie(std::string_view header);

}  // namespace hyprstream::flight
