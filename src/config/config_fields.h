// The one table of settings: it drives parsing, `hyprstream config`, --help and docs/configuration.md.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/server_config.h"

namespace arrow {
class Status;
}

namespace hyprstream::config {

enum class FieldType { kText, kPath, kInteger, kBytes, kBoolean };

struct ConfigField {
  std::string name;  // TOML key; the flag is --na-me, the variable HYPRSTREAM_NA_ME
  FieldType type;
  std::string default_value;  // as a person would write it
  std::string help;           // one or two sentences

  // Invalid when `text` is no such value or out of bounds; the message names neither field nor origin.
  std::function<arrow::Status(ServerConfig&, std::string_view text)> set;
  std::function<std::string(const ServerConfig&)> get;

  std::string Flag() const;      // --memory-max
  std::string Variable() const;  // HYPRSTREAM_MEMORY_MAX
};

std::span<const ConfigField> ConfigFields();
std::vector<std::string> FieldNames();

}  // namespace hyprstream::config
