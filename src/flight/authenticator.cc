#include "flight/authenticator.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/base64.h>

#include <algorithm>
#include <cctype>
#include <functional>

#include "base/random_handle.h"
#include "flight/status_mapping.h"

namespace hyprstream::flight {

namespace {

constexpr std::size_t kHandleLength = 32;
constexpr std::size_t kCredentialBytesMax = 4096;

bool StartsWithFolded(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) {
           return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
         });
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool IsHandle(std::string_view text) {
  return text.size() == kHandleLength &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

arrow::Status WrongCredentials() { return Unauthenticated("Wrong user name, password or token"); }

}  // namespace

std::string_view SessionCookie(std::string_view header) {
  while (!header.empty()) {
    const auto end = header.find(';');
    auto pair = Trimmed(header.substr(0, end));
    header.remove_prefix(end == std::string_view::npos ? header.size() : end + 1);
    if (!pair.starts_with(kSessionCookie)) continue;
    pair.remove_prefix(kSessionCookie.size());
    if (!pair.starts_with('=')) continue;
    pair.remove_prefix(1);
    if (pair.size() >= 2 && pair.front() == '"' && pair.back() == '"') pair = pair.substr(1, pair.size() - 2);
    if (IsHandle(pair)) return pair;
  }
  return {};
}

arrow::Result<Admission> Authenticator::Admit(const CallCredentials& call) {
  const auto authorization = Trimmed(call.authorization);
  if (authorization.size() > kCredentialBytesMax) return WrongCredentials();
  if (StartsWithFolded(authorization, "basic ")) return AdmitBasic(Trimmed(authorization.substr(6)), call);
  if (StartsWithFolded(authorization, "bearer ")) return AdmitToken(Trimmed(authorization.substr(7)), call);
  if (!call.token.empty()) return AdmitToken(call.token, call);
  if (credentials_.empty()) return ByCookieOrConnection({}, call);
  if (call.handshake && authorization.empty()) {
    Admission pending;
    pending.authenticated = false;
    return pending;
  }
  return Unauthenticated("This server needs a user name and password, or a bearer token");
}

arrow::Result<Admission> Authenticator::AdmitBasic(std::string_view encoded, const CallCredentials& call) {
  std::string padded(encoded);  // Go's client leaves the padding out
  while (padded.size() % 4 != 0) padded += '=';
  const auto decoded = arrow::util::base64_decode(padded);
  if (!decoded.ok()) return WrongCredentials();
  const std::string pair = *decoded;
  const auto colon = pair.find(':');
  if (colon == std::string::npos && !credentials_.empty()) return WrongCredentials();
  Identity identity;
  if (!credentials_.empty()) {
    ARROW_ASSIGN_OR_RAISE(
        identity, CheckPassword(std::string_view(pair).substr(0, colon), std::string_view(pair).substr(colon + 1)));
  }
  if (!call.handshake) return ByCookieOrConnection(std::move(identity), call);
  Admission admission;
  admission.issued_token = Issue(identity);
  admission.key = {.kind = session::SessionKey::Kind::kToken, .value = admission.issued_token};
  admission.identity = std::move(identity);
  return admission;
}

arrow::Result<Admission> Authenticator::AdmitToken(std::string_view token, const CallCredentials& call) {
  if (auto issued = FindIssued(token)) {
    Admission admission;
    admission.identity = *std::move(issued);
    admission.key = {.kind = session::SessionKey::Kind::kToken, .value = std::string(token)};
    return admission;
  }
  if (credentials_.empty()) return ByCookieOrConnection({}, call);
  const auto* user = credentials_.CheckToken(token);
  if (user == nullptr) return WrongCredentials();
  return ByCookieOrConnection({.user = user->name, .admin = user->admin}, call);
}

arrow::Result<Identity> Authenticator::CheckPassword(std::string_view name, std::string_view password) const {
  const auto* user = credentials_.CheckPassword(name, password);
  if (user == nullptr) return WrongCredentials();
  return Identity{.user = user->name, .admin = user->admin};
}

arrow::Result<std::string> Authenticator::Login(std::string_view name, std::string_view password) {
  Identity identity;
  if (!credentials_.empty()) {
    ARROW_ASSIGN_OR_RAISE(identity, CheckPassword(name, password));
  }
  return Issue(identity);
}

Admission Authenticator::ByCookieOrConnection(Identity identity, const CallCredentials& call) {
  Admission admission;
  admission.key.kind = session::SessionKey::Kind::kCookie;
  const auto sent = SessionCookie(call.cookie);
  if (!sent.empty()) {  // the user is part of the key: a cookie opens nothing for anybody else
    admission.key.value = identity.user + '\n' + std::string(sent);
    admission.identity = std::move(identity);
    return admission;
  }
  const PeerAndUser name(call.peer, identity.user);
  const MutexLock lock(mutex_);
  auto found = connections_.find(name);
  if (found == connections_.end()) {
    if (static_cast<int>(connections_.size()) >= options_.connections_max) {
      connections_.erase(connection_order_.front());
      connection_order_.pop_front();
    }
    connection_order_.push_back(name);
    found = connections_.emplace(name, Connection{RandomHandle(), std::prev(connection_order_.end())}).first;
  } else {
    connection_order_.splice(connection_order_.end(), connection_order_, found->second.place);
  }
  admission.key.value = identity.user + '\n' + found->second.cookie;
  admission.issued_cookie = found->second.cookie;
  admission.identity = std::move(identity);
  return admission;
}

void Authenticator::Forget(const std::string& peer) {
  const MutexLock lock(mutex_);
  const auto first = connections_.lower_bound({peer, {}});
  auto last = first;
  for (; last != connections_.end() && last->first.first == peer; ++last) connection_order_.erase(last->second.place);
  connections_.erase(first, last);
}

std::string Authenticator::Issue(const Identity& identity) {
  std::string token = RandomHandle();
  const auto now = clock_.Now();
  const MutexLock lock(mutex_);
  if (static_cast<int>(tokens_.size()) >= options_.tokens_max) {
    std::erase_if(tokens_, [&](const auto& entry) { return now - entry.second.used > options_.idle_max; });
  }
  if (static_cast<int>(tokens_.size()) >= options_.tokens_max) {
    tokens_.erase(std::ranges::min_element(tokens_, {}, [](const auto& entry) { return entry.second.used; }));
  }
  tokens_.emplace(token, Issued{identity, now});
  return token;
}

std::optional<Identity> Authenticator::FindIssued(std::string_view token) {
  const MutexLock lock(mutex_);
  const auto found = tokens_.find(token);
  if (found == tokens_.end()) return std::nullopt;
  const auto now = clock_.Now();
  if (now - found->second.used > options_.idle_max) {
    tokens_.erase(found);
    return std::nullopt;
  }
  found->second.used = now;
  return found->second.identity;
}

}  // namespace hyprstream::flight
