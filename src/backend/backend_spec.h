// What names a backend: one value, whether an ATTACH or the configuration file made it.
//
// Thread safety: a value. Its driver options may hold secrets: it is never printed, logged or put into an error; use
// Describe() for people.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::backend {

struct BackendSpec {
  std::string name;        // in SQL; folded
  std::string driver;      // 'postgresql', 'sqlite', 'duckdb', 'flightsql', 'snowflake', 'redis', or an absolute path
  std::string entrypoint;  // of a shared library; empty: the driver manager's rule
  std::string dialect;     // 'hyprstream' behind 'flightsql'; empty: what the driver stands for
  std::map<std::string, std::string> driver_options;  // by their ADBC names, "uri" among them
  std::chrono::milliseconds statement_timeout{60'000};
  std::chrono::milliseconds connect_timeout{10'000};  // of a driver that opens its database or a connection
  int pool_max = 32;
  int pool_min = 0;
  std::chrono::milliseconds pool_wait{10'000};  // for a connection that is free
  std::chrono::milliseconds idle_max{300'000};  // an unused connection is closed after that
  std::chrono::milliseconds life_max{3'600'000};
  std::chrono::milliseconds metadata_ttl{30'000};
  bool isolate = false;      // in a process of its own, where the driver does not always have one
  bool may_be_down = false;  // named by the configuration file: unavailable until it answers, not refused
};

// An option as it was written. Ours are plain words, a driver's are quoted ADBC names.
struct NamedOption {
  std::string name;
  bool quoted = false;
  std::string value;
};

// The spec that `ATTACH '<uri>' AS <name> (TYPE adbc, <options>)` means. Invalid: an unknown option (named), a value
// out of bounds (its option named, the value only where it cannot be a secret), no driver.
arrow::Result<BackendSpec> MakeSpec(const std::string& name, const std::string& uri,
                                    const std::vector<NamedOption>& options);

// The driver and where it connects, without user information, query parameters and options: for system tables and logs.
std::string Describe(const BackendSpec& spec);

}  // namespace hyprstream::backend
