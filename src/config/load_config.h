// The server's settings from flags over environment over one TOML file over defaults, validated once.
#pragma once

#include <map>
#include <string>

#include "config/server_config.h"

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::config {

struct ConfigInputs {
  std::map<std::string, std::string> flags = {};        // field name -> text
  std::map<std::string, std::string> environment = {};  // the variables that begin with HYPRSTREAM_
  std::string file = {};                                // of --config; empty: HYPRSTREAM_CONFIG, else none
};

struct LoadedConfig {
  ServerConfig values;
  // Field name (and "users") -> where its value came from: `default`, `file PATH, line N`, `environment NAME`,
  // `flag --name`.
  std::map<std::string, std::string> origins;
};

// Invalid with one line that names setting, value, origin and what to do: unknown names (with the nearest), values out
// of bounds, settings that contradict each other, an address that others can reach without users.
arrow::Result<LoadedConfig> LoadConfig(const ConfigInputs& inputs);

// All settings as TOML with the origin of each behind it; secrets as ***.
std::string RenderConfig(const LoadedConfig& config);

// The tables of docs/configuration.md, in Markdown.
std::string RenderReference();

}  // namespace hyprstream::config
