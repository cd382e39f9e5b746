#include "server/configured_backends.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <filesystem>
#include <utility>

#include "backend/backend_registry.h"
#include "backend/backend_spec.h"
#include "base/log.h"
#include "config/server_config.h"
#include "session/backend_attachments.h"

namespace hyprstream::server {

arrow::Result<std::vector<backend::BackendSpec>> SpecsOf(const std::vector<config::BackendSettings>& backends) {
  std::vector<backend::BackendSpec> specs;
  for (const auto& settings : backends) {
    std::vector<backend::NamedOption> options;
    for (const auto& option : settings.options) {
      options.push_back({.name = option.name, .quoted = option.of_driver, .value = option.value});
    }
    auto spec = backend::MakeSpec(settings.name, settings.uri, options);
    if (!spec.ok()) return spec.status().WithMessage("[backends.", settings.name, "]: ", spec.status().message());
    spec->may_be_down = true;
    specs.push_back(std::move(spec).ValueUnsafe());
  }
  return specs;
}

std::vector<backend::BackendInfo> AttachAll(const std::vector<backend::BackendSpec>& specs,
                                            session::BackendAttachments& attachments, Logger& log) {
  std::vector<backend::BackendInfo> left_out;
  for (const auto& spec : specs) {
    const auto attached = attachments.Attach(spec);
    if (attached.ok()) {
      log.Info("backend", {{"name", spec.name}, {"target", backend::Describe(spec)}});
    } else {
      log.Error("backend", {{"name", spec.name}, {"error", attached.message()}});
      left_out.push_back({.name = spec.name,
                          .driver = spec.driver,
                          .driver_version = "",
                          .target = backend::Describe(spec),
                          .state = backend::BackendState::kUnavailable,
                          .breaker = "open",
                          .pool_in_use = 0,
                          .pool_idle = 0,
                          .statements = 0,
                          .errors = 1,
                          .latency_p50 = {},
                          .latency_p99 = {},
                          .last_error = attached.message()});
    }
  }
  return left_out;
}

std::string DriverFolder(const config::ServerConfig& config) {
  if (!config.adbc_drivers.empty()) return std::filesystem::absolute(config.adbc_drivers).string();
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? "" : (program.parent_path().parent_path() / "lib" / "hyprstream").string();
}

}  // namespace hyprstream::server
