// argv and environment -> one command -> exit code.

#include <arrow/result.h>
#include <arrow/status.h>
#include <unistd.h>

#include <cstdio>
#include <span>
#include <string>
#include <variant>

#include "backend/backend_spec.h"
#include "backend/driver_host.h"
#include "base/extension_types.h"
#include "base/standard_output.h"
#include "cli/ingest_command.h"
#include "cli/sql_command.h"
#include "config/command_line.h"
#include "config/load_config.h"
#include "server/backend_check.h"
#include "server/configured_backends.h"
#include "server/serve.h"

namespace {

using namespace hyprstream;

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

int Fail(int exit_code, const arrow::Status& status) {
  std::fprintf(stderr, "hyprstream: %s\n", status.message().c_str());
  return exit_code;
}

int Say(const std::string& text) {
  const arrow::Status printed = Print(text);
  return printed.ok() ? 0 : Fail(kFailed, printed);
}

struct RunCommand {
  int operator()(const config::ServeCommand& command) const {
    const auto settings = config::LoadConfig(command.inputs);
    return settings.ok() ? server::Serve(*settings) : Fail(kBadUsage, settings.status());
  }
  int operator()(const config::ConfigCommand& command) const {
    const auto settings = config::LoadConfig(command.inputs);
    if (!settings.ok()) return Fail(kBadUsage, settings.status());
    const auto backends = server::SpecsOf(settings->values.backends);
    if (!backends.ok()) return Fail(kBadUsage, backends.status());
    return Say(config::RenderConfig(*settings));
  }
  int operator()(const config::BackendsCheckCommand& command) const { return server::CheckBackends(command); }
  int operator()(const config::VersionCommand&) const { return Say("hyprstream " HYPRSTREAM_VERSION "\n"); }
  int operator()(const config::HelpCommand& command) const { return Say(command.text); }
  int operator()(const config::SqlCommand& command) const { return cli::RunSql(command); }
  int operator()(const config::IngestCommand& command) const { return cli::RunIngest(command); }
  int operator()(const config::DriverHostCommand&) const { return backend::RunDriverHost(); }
};

}  // namespace

int main(int argc, char** argv) {
  BoundExtensionTypes();
  const std::span<const char* const> arguments(argv, static_cast<std::size_t>(argc));
  const auto command = config::ParseCommandLine(arguments, environ);
  if (!command.ok()) return Fail(kBadUsage, command.status());
  return std::visit(RunCommand{}, *command);
}
