// What was asked for on the command line: the only reader of argv.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "config/load_config.h"

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::config {

struct ServeCommand {
  ConfigInputs inputs;
};

struct ConfigCommand {
  ConfigInputs inputs;
};

struct BackendsCheckCommand {
  ConfigInputs inputs;
  std::vector<std::string> names = {};  // none: all of them
  std::size_t tables_max = 100;         // whose columns are shown
};

struct VersionCommand {};

// Prints `text` and ends well: --help.
struct HelpCommand {
  std::string text;
};

// How a client finds the server and says who it is.
struct ClientSettings {
  std::string url = "grpc://127.0.0.1:31337";  // grpc://, grpc+tls://
  std::string user;
  std::string password_file;
  std::string token_file;
  std::string tls_roots;  // PEM file; empty: the system's
};

enum class OutputFormat { kTable, kCsv, kJson, kArrow };

struct SqlCommand {
  ClientSettings client;
  std::vector<std::string> statements;  // of -c
  std::string file;                     // of -f; `-` is standard input
  OutputFormat format = OutputFormat::kTable;
  std::string history_file;  // of the shell; empty: none is kept
};

enum class OnError { kStop, kSkip };

struct IngestCommand {
  ClientSettings client;
  std::string table;  // `name` or `schema.name`
  std::vector<std::string> files;
  std::string format;  // parquet, csv, json, arrow; empty: by the file's name
  bool create = false;
  double rate = 0;    // rows a second; 0: as fast as it goes
  double replay = 0;  // event time runs this many times faster; 0: no replay
  std::string time_column;
  std::int64_t batch_rows = 0;
  OnError on_error = OnError::kStop;
  bool quiet = false;
};

// The process of an isolated backend's driver, which the server starts; help does not show it.
struct DriverHostCommand {};

using Command = std::variant<ServeCommand, ConfigCommand, BackendsCheckCommand, VersionCommand, HelpCommand, SqlCommand,
                             IngestCommand, DriverHostCommand>;

// Invalid, in one line that says what to do, for anything that is not a command of ours. `environment` is environ's
// form, NAME=VALUE.
arrow::Result<Command> ParseCommandLine(std::span<const char* const> arguments, const char* const* environment);

}  // namespace hyprstream::config
