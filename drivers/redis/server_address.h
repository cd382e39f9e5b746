// Where a Redis or Valkey server is and how one signs in, from the options of an ADBC database.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>

namespace adbc_redis {

struct ServerAddress {
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string socket_path;  // not empty: a Unix socket instead of host and port
  int database = 0;
  std::string username;  // empty: the default user
  std::string password;  // empty: none is sent
  bool tls = false;
  bool tls_verify = true;     // the certificate and the name in it
  std::string tls_ca_file;    // empty: the system's authorities
  std::string tls_cert_file;  // ours, where the server asks for one
  std::string tls_key_file;
  int64_t connect_timeout_ms = 10'000;
  int64_t timeout_ms = 60'000;  // without a byte from the server

  // host:port or the socket's path; never the secrets.
  std::string ToString() const;
};

// redis://[[user]:password@]host[:port][/database], rediss:// for TLS, unix://[[user]:password@]/path[?db=N]. Bytes as
// %XX. INVALID_ARGUMENT says which part is wrong and shows nothing of the URI, which may hold a password.
arrow::Status ReadUri(const std::string& uri, ServerAddress& address);

}  // namespace adbc_redis
