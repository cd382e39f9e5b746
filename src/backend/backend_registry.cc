#include "backend/backend_registry.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "backend/adbc_backend.h"
#include "backend/backend_core.h"
#include "backend/backend_report.h"
#include "backend/dialect.h"
#include "backend/driver.h"
#include "backend/open_files.h"
#include "base/nearest_name.h"

namespace hyprstream::backend {
namespace {

// The drivers that are part of the server, or are built with its runtime and pinned, may run in it. Others never do.
bool MayRunHere(const std::string& driver) {
  static constexpr std::array<std::string_view, 4> kHere = {"postgresql", "sqlite", kDuckdb, kRedis};
  return std::ranges::find(kHere, driver) != kHere.end();
}

arrow::Result<std::unique_ptr<const Dialect>> DialectOf(const BackendSpec& spec, const std::string& library) {
  if (spec.dialect == "hyprstream" && spec.driver != "flightsql") {
    return arrow::Status::Invalid("Backend ", spec.name, ": dialect 'hyprstream' is one of driver 'flightsql'");
  }
  if (spec.dialect == "generic") {
    // It would take away what keeps a connection from writing.
    if (MayRunHere(spec.driver) || library == kDuckdb || library == kRedis) {
      return arrow::Status::Invalid("Backend ", spec.name, ": driver '", spec.driver,
                                    "' has a dialect of its own, and dialect 'generic' is for databases that are not "
                                    "known (leave DIALECT out)");
    }
    return MakeGenericDialect();
  }
  if (library == kDuckdb) return MakeDuckdbDialect();
  if (library == kRedis) return MakeRedisDialect();
  const auto file = library.substr(library.rfind('/') + 1);
  if (file.find("postgresql") != std::string::npos) return MakePostgresDialect();
  if (file.find("sqlite") != std::string::npos) return MakeSqliteDialect();
  if (spec.driver == "snowflake") return MakeSnowflakeDialect();
  return spec.dialect == "hyprstream" ? MakeHyprstreamDialect() : MakeGenericDialect();
}

class AdbcRegistry final : public BackendRegistry {
 public:
  explicit AdbcRegistry(RegistryOptions options)
      : options_(std::move(options)), files_(std::make_shared<OpenFiles>(options_.own_database)) {}

  ~AdbcRegistry() override {
    MutexLock lock(mutex_);
    for (const auto& [name, entry] : entries_) {
      if (entry.core != nullptr) entry.core->Close();
    }
  }

  arrow::Result<std::shared_ptr<Backend>> Attach(const BackendSpec& wanted) override {
    auto spec = wanted;
    auto library = DriverLibrary(spec.driver, options_.driver_folder);
    if (!library.ok()) return library.status().WithMessage("Backend ", spec.name, ": ", library.status().message());
    ARROW_ASSIGN_OR_RAISE(auto dialect, DialectOf(spec, *library));
    if (spec.isolate && (*library == kDuckdb || *library == kRedis)) {
      return arrow::Status::NotImplemented("Backend ", spec.name, ": driver ", *library,
                                           " is part of the server and does not run in a process of its own yet");
    }
    if (!MayRunHere(spec.driver)) spec.isolate = true;
    {
      MutexLock lock(mutex_);
      if (!entries_.try_emplace(spec.name).second) {
        return arrow::Status::AlreadyExists("There is a backend ", spec.name, " (DETACH ", spec.name, " first)");
      }
    }
    // The name is taken while it connects.
    auto core = std::make_shared<BackendCore>(spec, *library, std::move(dialect), files_, options_.host_program);
    const auto opened = core->Open();
    MutexLock lock(mutex_);
    if (!opened.ok() && !(spec.may_be_down && opened.IsIOError())) {
      entries_.erase(spec.name);
      return opened;
    }
    auto& entry = entries_[spec.name];
    entry.core = core;
    entry.backend = MakeAdbcBackend(std::move(core));
    return entry.backend;
  }

  arrow::Status Detach(const std::string& name) override {
    Entry entry;
    {
      MutexLock lock(mutex_);
      const auto found = entries_.find(name);
      if (found == entries_.end() || found->second.core == nullptr) return NoSuch(name);
      entry = std::move(found->second);
      entries_.erase(found);
    }
    entry.core->Close();
    return arrow::Status::OK();
  }

  std::shared_ptr<Backend> Find(const std::string& name) const override {
    MutexLock lock(mutex_);
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : found->second.backend;
  }

  arrow::Result<BackendReport> Inspect(const std::string& name, std::size_t tables_max) const override {
    std::shared_ptr<BackendCore> core;
    {
      MutexLock lock(mutex_);
      const auto found = entries_.find(name);
      if (found != entries_.end()) core = found->second.core;
      if (core == nullptr) return NoSuch(name);
    }
    return backend::Inspect(core, tables_max);
  }

  std::vector<BackendInfo> Backends() const override {
    std::vector<std::shared_ptr<BackendCore>> cores;
    {
      MutexLock lock(mutex_);
      for (const auto& [name, entry] : entries_) {
        if (entry.core != nullptr) cores.push_back(entry.core);
      }
    }
    std::vector<BackendInfo> infos;
    for (const auto& core : cores) infos.push_back(core->info());
    return infos;
  }

 private:
  struct Entry {
    std::shared_ptr<BackendCore> core;  // null: it is being attached
    std::shared_ptr<Backend> backend;
  };

  arrow::Status NoSuch(const std::string& name) const REQUIRES(mutex_) {
    std::vector<std::string> names;
    for (const auto& [known, entry] : entries_) names.push_back(known);
    return arrow::Status::KeyError("Unknown backend: ", name, DidYouMean(name, names));
  }

  const RegistryOptions options_;
  const std::shared_ptr<OpenFiles> files_;
  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<BackendRegistry> BackendRegistry::Make(RegistryOptions options) {
  return std::make_unique<AdbcRegistry>(std::move(options));
}

}  // namespace hyprstream::backend
