// Reading the TOML file, and users from any TOML text.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/server_config.h"

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::config {

struct FileValue {
  std::string text;
  unsigned line;
};

struct ConfigFile {
  std::map<std::string, FileValue> values;  // field name -> text
  std::vector<User> users;
  unsigned users_line = 0;  // 0: the file has no [users]
  std::vector<BackendSettings> backends;
  unsigned backends_line = 0;  // 0: the file has no [backends]
};

// IOError when it cannot be read; Invalid, naming path and line, for bad TOML and unknown keys.
arrow::Result<ConfigFile> ReadConfigFile(const std::string& path);

// `alice = { token_file = "…", admin = true }`, one user a key, at least one: none would let everybody in. `origin` is
// named in errors. Paths are relative to `folder`.
arrow::Result<std::vector<User>> ParseUsers(std::string_view toml, const std::string& origin,
                                            const std::string& folder);

}  // namespace hyprstream::config
