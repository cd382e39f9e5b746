#include "backend/redaction.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace hyprstream::backend {
namespace {

constexpr std::string_view kHidden = "***";
constexpr std::string_view kScheme = "://";

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool IsLetter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

void ReplaceAll(std::string& text, std::string_view what) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + kHidden.size())) {
    text.replace(at, what.size(), kHidden);
  }
}

// Parameters of an URI that say where it leads, or how, and are no secret.
bool IsHarmless(std::string_view parameter) {
  static constexpr std::array<std::string_view, 16> kHarmless = {"host",
                                                                 "hostaddr",
                                                                 "port",
                                                                 "dbname",
                                                                 "user",
                                                                 "sslmode",
                                                                 "connect_timeout",
                                                                 "keepalives",
                                                                 "application_name",
                                                                 "options",
                                                                 "gssencmode",
                                                                 "channel_binding",
                                                                 "mode",
                                                                 "cache",
                                                                 "target_session_attrs",
                                                                 "client_encoding"};
  return std::ranges::find(kHarmless, parameter) != kHarmless.end();
}

// The pieces of a text between separators, none of them empty.
std::vector<std::string_view> Split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) pieces.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return pieces;
}

// Of a file, rather than words that a driver will not understand and repeat.
bool IsPath(std::string_view uri) {
  return (uri.starts_with("file:") || uri.starts_with('/') || uri.starts_with('.')) &&
         uri.find('=') == std::string_view::npos;
}

// Values of `name=value` pieces that may be secret.
void CollectParameters(std::string_view parameters, std::string_view separators, std::vector<std::string>& secrets) {
  for (const auto piece : Split(parameters, separators)) {
    const auto equals = piece.find('=');
    if (equals == std::string_view::npos) {
      secrets.emplace_back(piece);
    } else if (!IsHarmless(piece.substr(0, equals))) {
      auto value = piece.substr(equals + 1);
      secrets.emplace_back(value);
      if (value.size() > 2 && value.front() == '\'' && value.back() == '\'') {
        secrets.emplace_back(value.substr(1, value.size() - 2));
      }
    }
  }
}

// The password of `user:password@host`, whole and in the pieces that a parser may make of it.
void CollectPassword(std::string_view user_information, std::vector<std::string>& secrets) {
  const auto colon = user_information.find(':');
  if (colon == std::string_view::npos) return;
  const auto password = user_information.substr(colon + 1);
  secrets.emplace_back(password);
  for (const auto piece : Split(password, ":/?#@[]& ")) secrets.emplace_back(piece);
}

void CollectUri(std::string_view uri, std::vector<std::string>& secrets) {
  const auto scheme = uri.find(kScheme);
  if (scheme == std::string_view::npos) {
    // `file:x?y`, `user:password@account/database` as Snowflake's driver takes it, or words as libpq does: `host=a
    // password=b`.
    const auto sign = uri.rfind('@');
    if (sign != std::string_view::npos && !IsPath(uri)) CollectPassword(uri.substr(0, sign), secrets);
    const auto parameters = uri.find('?');
    if (parameters != std::string_view::npos) {
      CollectParameters(uri.substr(parameters + 1), "&#", secrets);
    } else if (!IsPath(uri)) {
      CollectParameters(uri, " \t\n", secrets);
    }
    return;
  }
  std::string_view rest = uri.substr(scheme + kScheme.size());
  // A password that should have been percent-encoded may itself have the characters that end it.
  const auto at = rest.rfind('@');
  if (at != std::string_view::npos) CollectPassword(rest.substr(0, at), secrets);
  const auto parameters = rest.find('?', at == std::string_view::npos ? 0 : at);
  if (parameters != std::string_view::npos) CollectParameters(rest.substr(parameters + 1), "&#", secrets);
  const auto early = rest.find('?');
  if (early != parameters && early != std::string_view::npos) {
    CollectParameters(rest.substr(early + 1), "&#", secrets);
  }
}

// `scheme://user:password@host` to `scheme://***@host`, wherever it stands.
void HideUserInformation(std::string& text) {
  for (std::size_t at = text.find(kScheme); at != std::string::npos; at = text.find(kScheme, at + 1)) {
    const std::size_t from = at + kScheme.size();
    const std::size_t word = std::min(text.find_first_of(" \t\n\"'", from), text.size());
    const std::size_t sign = text.rfind('@', word);
    if (sign != std::string::npos && sign >= from && sign < word) text.replace(from, sign - from, kHidden);
  }
}

}  // namespace

std::string PercentDecoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped =
        text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0;
    decoded += escaped ? static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return decoded;
}

std::string PercentEncoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x80 && std::isalnum(byte) != 0) || std::string_view("-._~").find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kDigits[byte >> 4];
      encoded += kDigits[byte & 15];
    }
  }
  return encoded;
}

bool MayBeSecret(std::string_view option) {
  static constexpr std::array<std::string_view, 18> kPublic = {"path",
                                                               "adbc.snowflake.sql.db",
                                                               "adbc.snowflake.sql.schema",
                                                               "adbc.snowflake.sql.account",
                                                               "adbc.snowflake.sql.uri.protocol",
                                                               "adbc.snowflake.sql.uri.host",
                                                               "adbc.snowflake.sql.uri.port",
                                                               "adbc.snowflake.sql.client_option.request_timeout",
                                                               "adbc.snowflake.sql.client_option.login_timeout",
                                                               "threads",
                                                               "memory_limit",
                                                               "access_mode",
                                                               "temp_directory",
                                                               "adbc.redis.prefix",
                                                               "adbc.redis.db",
                                                               "adbc.redis.timeout_ms",
                                                               "adbc.redis.connect_timeout_ms",
                                                               "adbc.redis.tls"};
  return std::ranges::find(kPublic, option) == kPublic.end();
}

std::string AddressOf(std::string_view uri) {
  const auto scheme = uri.find(kScheme);
  if (scheme == std::string_view::npos) {
    if (uri.find('@') != std::string_view::npos || !IsPath(uri.substr(0, uri.find('?')))) return {};
    if (uri.starts_with("file:")) uri.remove_prefix(5);
    return std::string(uri.substr(0, uri.find_first_of("?#")));
  }
  if (!std::ranges::all_of(uri.substr(0, scheme), [](char c) { return IsLetter(c) || c == '+' || c == '-'; }))
    return {};
  std::string_view rest = uri.substr(scheme + kScheme.size());
  // More than one `@`, or one behind a `/`, `?` or `#`: a password that was not encoded.
  const auto at = rest.find('@');
  if (at != std::string_view::npos) {
    if (rest.rfind('@') != at || rest.find_first_of("/?#") < at) return {};
    rest.remove_prefix(at + 1);
  }
  return std::string(rest.substr(0, rest.find_first_of("?#")));
}

Redaction::Redaction(const BackendSpec& spec) {
  for (const auto& [name, value] : spec.driver_options) {
    if (name == "uri") {
      CollectUri(value, secrets_);
    } else if (MayBeSecret(name) && name != "username") {
      secrets_.push_back(value);
      // The token alone of `Bearer <token>`.
      if (name.ends_with("authorization_header")) secrets_.push_back(value.substr(value.rfind(' ') + 1));
    }
  }
  const auto written = secrets_;
  for (const auto& secret : written) {
    secrets_.push_back(PercentDecoded(secret));
    secrets_.push_back(PercentEncoded(secret));
  }
  // What is true or false is no secret, and a text is not to lose every `true`.
  std::erase_if(secrets_, [](const auto& secret) { return secret.empty() || secret == "true" || secret == "false"; });
  std::ranges::sort(secrets_,
                    [](const auto& a, const auto& b) { return a.size() != b.size() ? a.size() > b.size() : a < b; });
  secrets_.erase(std::unique(secrets_.begin(), secrets_.end()), secrets_.end());
}

std::string Redaction::Redact(std::string_view text) const {
  std::string redacted(text);
  HideUserInformation(redacted);
  for (const auto& secret : secrets_) {
    if (secret != kHidden && kHidden.find(secret) == std::string_view::npos) ReplaceAll(redacted, secret);
  }
  return redacted;
}

}  // namespace hyprstream::backend
