#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "config/backend_file_internal.h"

namespace hyprstream::config {
namespace {

// Options of ours whose values cannot be secrets.
constexpr std::array<std::string_view, 10> kShown = {"driver",   "entrypoint", "statement_timeout", "connect_timeout",
                                                     "pool_max", "pool_min",   "pool_wait",         "idle_max",
                                                     "life_max", "isolate"};

constexpr const char* kForm = "; write text in quotes, { env = \"NAME\" } or { file = \"path\" }";

// The value itself, or where it is to be found. No error shows it.
arrow::Result<std::string> ValueOf(const toml::node& node, const std::string& folder, const std::string& where) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  if (const auto truth = node.value_exact<bool>()) return std::string(*truth ? "true" : "false");
  const toml::table* place = node.as_table();
  if (place == nullptr || place->size() != 1) return arrow::Status::Invalid(where, " has no such value", kForm);
  const auto only = place->begin();
  const std::string key(only->first.str());
  const auto name = only->second.value_exact<std::string>();
  if (!name || name->empty()) return arrow::Status::Invalid(where, " has no such value", kForm);
  if (key == "file") return ReadSecret(*name, folder, where);
  if (key != "env") return arrow::Status::Invalid(where, ": unknown key '", key, "'", kForm);
  const char* value = std::getenv(name->c_str());
  if (value == nullptr) return arrow::Status::Invalid(where, ": environment variable ", *name, " is not set");
  return std::string(value);
}

arrow::Result<BackendSettings> BackendOf(const std::string& name, const toml::table& keys, const std::string& folder,
                                         const std::string& where) {
  BackendSettings backend{.name = name, .uri = {}, .options = {}};
  for (const auto& [key, node] : keys) {
    const std::string option(key.str());
    if (option == "options") {
      const toml::table* own = node.as_table();
      if (own == nullptr)
        return arrow::Status::Invalid(where, ": write options as a table, [backends.", name, ".options]");
      for (const auto& [own_key, own_node] : *own) {
        const std::string own_option(own_key.str());
        ARROW_ASSIGN_OR_RAISE(auto value, ValueOf(own_node, folder, where + ", option " + own_option));
        backend.options.push_back({.name = own_option, .of_driver = true, .value = std::move(value)});
      }
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto value, ValueOf(node, folder, where + ", " + option));
    if (option == "uri") {
      backend.uri = std::move(value);
    } else {
      const bool shown = std::ranges::find(kShown, option) != kShown.end() && node.as_table() == nullptr;
      backend.options.push_back({.name = option, .of_driver = false, .value = std::move(value), .shown = shown});
    }
  }
  return backend;
}

}  // namespace

arrow::Result<std::vector<BackendSettings>> BackendsOf(const toml::table& table, const std::string& origin,
                                                       const std::string& folder) {
  std::vector<BackendSettings> backends;
  for (const auto& [name, node] : table) {
    const std::string where =
        origin + ", line " + std::to_string(node.source().begin.line) + ", backend " + std::string(name.str());
    const toml::table* keys = node.as_table();
    if (keys == nullptr) return arrow::Status::Invalid(where, ": write a table, [backends.", name.str(), "]");
    ARROW_ASSIGN_OR_RAISE(auto backend, BackendOf(std::string(name.str()), *keys, folder, where));
    backends.push_back(std::move(backend));
  }
  return backends;
}

}  // namespace hyprstream::config
