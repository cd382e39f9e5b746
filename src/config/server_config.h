// Every setting of the server: plain values, validated once by LoadConfig, passed on by value.
//
// What a setting means, its bounds and its default are said once, in config_fields.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"

namespace hyprstream::config {

// Somebody who may log in: by bearer token, by password, or by either. Secrets are never printed or logged.
struct User {
  std::string name;
  std::string token;          // empty: no bearer token
  std::string password_hash;  // crypt(3) string; empty: no password
  bool admin = false;
};

// A database that is attached at the start, as `[backends.NAME]` names it. May hold secrets: never printed or logged.
struct BackendSettings {
  struct Option {
    std::string name;
    bool of_driver = false;  // an ADBC name, from [backends.NAME.options]; else one of ours
    std::string value;
    bool shown = false;  // by `hyprstream config`: it cannot be a secret
  };
  std::string name;
  std::string uri;
  std::vector<Option> options;
};

struct ServerConfig {
  std::string host;
  int port = 0;
  std::string data;  // empty: in memory
  std::string ready_file;
  std::string http_host;
  std::optional<int> http_port;  // none: no HTTP
  std::int64_t memory_max = 0;
  int threads = 0;
  std::string temp_directory;
  std::int64_t temp_max = 0;
  std::string tls_cert;
  std::string tls_key;
  bool insecure = false;
  bool client_attach = false;
  bool core_dumps = false;
  std::string adbc_drivers;
  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
  int connections_max = 0;
  int sessions_max = 0;
  int subscriptions_max = 0;
  int session_idle_s = 0;
  int session_grace_s = 0;
  int token_idle_s = 0;
  std::int64_t sql_bytes_max = 0;
  std::int64_t message_bytes_max = 0;
  std::int64_t batch_bytes_max = 0;
  int statement_timeout_s = 0;  // 0: none
  int drain_ms = 0;

  std::vector<User> users;
  std::vector<BackendSettings> backends;
};

// How memory_max is divided.
struct MemoryShares {
  std::int64_t engine;    // DuckDB: tables, operators, buffered results
  std::int64_t states;    // states of materialized views
  std::int64_t messages;  // batches and messages in flight
  std::int64_t rest;      // bound parameters and everything else
};
MemoryShares SharesOf(std::int64_t memory_max);

}  // namespace hyprstream::config
