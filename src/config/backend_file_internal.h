// `[backends.NAME]` of the TOML file.
//
//   [backends.warehouse]
//   uri = { env = "WAREHOUSE_URI" }      # or "postgresql://..."
//   driver = "postgresql"
//   password = { file = "warehouse.password" }
//   pool_max = 8
//   [backends.warehouse.options]         # the driver's own, by their ADBC names
//   "adbc.some.option" = "value"
#pragma once

#include <string>
#include <toml++/toml.hpp>
#include <vector>

#include "config/server_config.h"

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::config {

// Secrets are looked up now: in the environment, or in a file that is named from `folder`. Invalid, naming `origin`,
// line and backend, for what is no backend, and for a secret that is not there. What an option means is not looked at.
arrow::Result<std::vector<BackendSettings>> BackendsOf(const toml::table& table, const std::string& origin,
                                                       const std::string& folder);

// A secret out of a file: its first line, without the end of the line. `where` begins the error.
arrow::Result<std::string> ReadSecret(const std::string& path, const std::string& folder, const std::string& where);

}  // namespace hyprstream::config
