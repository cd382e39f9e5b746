// argv and environment -> one command -> exit code.

#include <arrow/result.h>
#include <arrow/status.h>
#include <unistd.h>

#include <cstdio>
#include <span>
#include <string>
#include <variant>

#include "backend/driver_host.h"
#include "cli/ingest_command.h"
#include "cli/sql_command.h"
#include "config/command_line.h"
#include "config/load_config.h"
#include "server/backend_check.h"
#include "server/serve.h"

namespace {

using namespace hyprstream;

constexpr int kBadUsage = 2;

int Refuse(const arrow::Status& status) {
  std::fprintf(stderr, "hyprstream: %s\n", status.message().c_str());
  return kBadUsage;
}

struct RunCommand {
  int operator()(const config::ServeCommand& command) const {
    const auto settings = config::LoadConfig(command.inputs);
    return settings.ok() ? server::Serve(*settings) : Refuse(settings.status());
  }
  int operator()(const config::ConfigCommand& command) const {
    const auto settings = config::LoadConfig(command.inputs);
    if (!settings.ok()) return Refuse(settings.status());
    return Print(config::RenderConfig(*settings));
  }
  int operator()(const config::BackendsCheckCommand& command) const { return server::CheckBackends(command); }
  int operator()(const config::VersionCommand&) const { return Print("hyprstream " HYPRSTREAM_VERSION "\n"); }
  int operator()(const config::HelpCommand& command) const { return Print(command.text); }
  int operator()(const config::SqlCommand& command) const { return cli::RunSql(command); }
  int operator()(const config::IngestCommand& command) const { return cli::RunIngest(command); }
  int operator()(const config::DriverHostCommand&) const { return backend::RunDriverHost(); }

 private:
  static int Print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
};

}  // namespace

int main(int argc, char** argv) {
  const std::span<const char* const> arguments(argv, static_cast<std::size_t>(argc));
  const auto command = config::ParseCommandLine(arguments, environ);
  if (!command.ok()) return Refuse(command.status());
  return std::visit(RunCommand{}, *command);
}
