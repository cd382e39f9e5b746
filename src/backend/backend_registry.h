// The backends that are attached. Each has a thread that looks after it: statement timeouts, cancels, idle connections,
// and another try when it is down.
//
// Thread safety: all methods, from any thread; none holds a lock while it waits for a database. Ownership: the registry
// outlives no statement: those of a detached backend, or of a registry that goes, end with Cancelled.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend_spec.h"
#include "core/backend.h"

namespace hyprstream::backend {

struct BackendReport;

enum class BackendState {
  kAvailable,
  kUnavailable,  // the last attempt to reach it failed; tried again with a growing, jittered pause
};

// A row of hyprstream.backends.
struct BackendInfo {
  std::string name;
  std::string driver;
  std::string driver_version;  // empty: it does not say
  std::string target;          // Describe()
  BackendState state;
  std::string breaker;  // closed, open, half-open
  std::int64_t pool_in_use;
  std::int64_t pool_idle;
  std::int64_t statements;
  std::int64_t errors;
  std::chrono::microseconds latency_p50;  // of the last statements, until their first rows
  std::chrono::microseconds latency_p99;
  std::string last_error;  // empty: none yet
};

struct RegistryOptions {
  std::string driver_folder;                    // where the drivers known by name are
  std::string own_database;                     // the file of the server's own; empty: it has none
  std::string host_program = "/proc/self/exe";  // that has `driver-host`, for isolated backends
};

class BackendRegistry {
 public:
  static std::unique_ptr<BackendRegistry> Make(RegistryOptions options);
  virtual ~BackendRegistry() = default;

  // AlreadyExists: the name is taken. IOError or the driver's own error: it cannot be reached, unless it may be down.
  virtual arrow::Result<std::shared_ptr<Backend>> Attach(const BackendSpec& spec) = 0;
  // KeyError: there is none. Does not wait: running statements end with Cancelled.
  virtual arrow::Status Detach(const std::string& name) = 0;
  // Null: there is none.
  virtual std::shared_ptr<Backend> Find(const std::string& name) const = 0;
  virtual std::vector<BackendInfo> Backends() const = 0;
  // Looks at the database itself, at the columns of so many tables at most (see Inspect()). KeyError: there is none.
  virtual arrow::Result<BackendReport> Inspect(const std::string& name, std::size_t tables_max) const = 0;
};

}  // namespace hyprstream::backend
