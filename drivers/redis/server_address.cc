#include "server_address.h"

#include <charconv>
#include <string_view>

#include "failure.h"

namespace adbc_redis {
namespace {

int HexDigit(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

arrow::Result<std::string> Unescape(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0)
      return Fail(ADBC_STATUS_INVALID_ARGUMENT, "The URI has a % without two hexadecimal digits");
    bytes += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return bytes;
}

arrow::Result<int> ReadNumber(std::string_view text, int most, const char* what) {
  int number = -1;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < 0 || number > most) {
    return Fail(ADBC_STATUS_INVALID_ARGUMENT,
                std::string("The ") + what + " in the URI must be a number from 0 to " + std::to_string(most));
  }
  return number;
}

arrow::Status ReadUser(std::string_view user, ServerAddress& address) {
  const size_t colon = user.find(':');
  ARROW_ASSIGN_OR_RAISE(address.username, Unescape(user.substr(0, colon)));
  if (colon != std::string_view::npos) {
    ARROW_ASSIGN_OR_RAISE(address.password, Unescape(user.substr(colon + 1)));
  }
  return arrow::Status::OK();
}

arrow::Status ReadHost(std::string_view host, ServerAddress& address) {
  std::string_view port;
  if (host.starts_with('[')) {  // an IPv6 address
    const size_t close = host.find(']');
    if (close == std::string_view::npos) return Fail(ADBC_STATUS_INVALID_ARGUMENT, "The URI's [ has no ]");
    if (close + 1 < host.size()) port = host.substr(close + 1);
    host = host.substr(1, close - 1);
  } else if (const size_t colon = host.find(':'); colon != std::string_view::npos) {
    port = host.substr(colon);
    host = host.substr(0, colon);
  }
  if (!host.empty()) {
    ARROW_ASSIGN_OR_RAISE(address.host, Unescape(host));
  }
  if (!port.empty()) {
    if (port[0] != ':') return Fail(ADBC_STATUS_INVALID_ARGUMENT, "The URI's ] must be followed by :port or by /");
    ARROW_ASSIGN_OR_RAISE(address.port, ReadNumber(port.substr(1), 65535, "port"));
  }
  return arrow::Status::OK();
}

arrow::Status ReadPath(std::string_view path, bool is_socket, ServerAddress& address) {
  const size_t question = path.find('?');
  if (is_socket) {
    ARROW_ASSIGN_OR_RAISE(address.socket_path, Unescape(path.substr(0, question)));
    if (question == std::string_view::npos) return arrow::Status::OK();
    const std::string_view query = path.substr(question + 1);
    if (!query.starts_with("db=")) return Fail(ADBC_STATUS_INVALID_ARGUMENT, "After ? the URI may only say db=N");
    return ReadNumber(query.substr(3), 1'000'000, "database").Value(&address.database);
  }
  if (question != std::string_view::npos) {
    return Fail(ADBC_STATUS_INVALID_ARGUMENT, "The URI takes no ? part: give such settings as database options");
  }
  if (path.size() > 1) {
    ARROW_ASSIGN_OR_RAISE(address.database, ReadNumber(path.substr(1), 1'000'000, "database"));
  }
  return arrow::Status::OK();
}

}  // namespace

std::string ServerAddress::ToString() const {
  return socket_path.empty() ? host + ":" + std::to_string(port) : socket_path;
}

arrow::Status ReadUri(const std::string& uri, ServerAddress& address) {
  const size_t scheme_end = uri.find("://");
  const std::string scheme = uri.substr(0, scheme_end == std::string::npos ? 0 : scheme_end);
  const bool is_socket = scheme == "unix";
  if (scheme != "redis" && scheme != "rediss" && scheme != "valkey" && scheme != "valkeys" && !is_socket) {
    return Fail(ADBC_STATUS_INVALID_ARGUMENT, "The URI must begin with redis://, rediss:// (TLS) or unix://");
  }
  if (scheme == "rediss" || scheme == "valkeys") address.tls = true;
  std::string_view rest = std::string_view(uri).substr(scheme_end + 3);
  const size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  const std::string_view path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  const size_t at = authority.rfind('@');
  if (at != std::string_view::npos) ARROW_RETURN_NOT_OK(ReadUser(authority.substr(0, at), address));
  if (!is_socket) {
    ARROW_RETURN_NOT_OK(ReadHost(at == std::string_view::npos ? authority : authority.substr(at + 1), address));
  }
  return ReadPath(path, is_socket, address);
}

}  // namespace adbc_redis
