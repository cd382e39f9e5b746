#include "backend/duckdb_opening.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <thread>
#include <utility>

#include "backend/redaction.h"

namespace hyprstream::backend {
namespace {

using Option = std::pair<const char*, const char*>;

// What nobody changes.
constexpr std::array<Option, 4> kFixed = {{{"enable_external_access", "false"},
                                           {"autoinstall_known_extensions", "false"},
                                           {"autoload_known_extensions", "false"},
                                           {"allow_community_extensions", "false"}}};
// What would undo it.
constexpr std::array<std::string_view, 5> kRefused = {"lock_configuration", "allowed_paths", "allowed_directories",
                                                      "allowed_configs", "allow_unsigned_extensions"};
// Texts are compared by their bytes, here as in the server.
constexpr std::string_view kCollation = "default_collation";
// Each instance would claim all cores and most of the memory. Without a folder to spill to, a statement that needs more
// memory fails.
constexpr unsigned kThreadsMax = 4;
constexpr const char* kMemoryLimit = "512MB";

std::string OptionOf(const BackendSpec& spec, const std::string& name) {
  const auto found = spec.driver_options.find(name);
  return found == spec.driver_options.end() ? std::string() : found->second;
}

}  // namespace

arrow::Result<std::string> DuckdbFile(const BackendSpec& spec) {
  std::string path = OptionOf(spec, "path");
  std::string uri = OptionOf(spec, "uri");
  if (!path.empty() && !uri.empty()) {
    return arrow::Status::Invalid("Backend ", spec.name, " has its file twice: as the URI, and as the option path");
  }
  if (path.empty()) {
    if (uri.starts_with("file:")) {
      uri.erase(0, 5);
      if (uri.starts_with("//")) uri.erase(0, 2);
      uri = PercentDecoded(uri);
    }
    path = std::move(uri);
  }
  if (path.empty() || path.starts_with(':') || path.find("://") != std::string::npos) {
    return arrow::Status::Invalid("Backend ", spec.name,
                                  " needs the path of a DuckDB file that is there: ATTACH '/data/x.duckdb' AS ",
                                  spec.name, " (TYPE adbc, DRIVER 'duckdb')");
  }
  return std::filesystem::absolute(path).lexically_normal().string();
}

arrow::Result<std::map<std::string, std::string>> DuckdbOptions(const BackendSpec& spec) {
  ARROW_ASSIGN_OR_RAISE(const auto path, DuckdbFile(spec));
  std::map<std::string, std::string> options = spec.driver_options;
  const auto refuse = [&](std::string_view name) {
    return arrow::Status::Invalid("Backend ", spec.name, ": option ", name,
                                  " is not to be set: what runs in a DuckDB file reaches no other");
  };
  for (const auto& [name, value] : kFixed) {
    if (!options.try_emplace(name, value).second) return refuse(name);
  }
  for (const auto name : kRefused) {
    if (options.contains(std::string(name))) return refuse(name);
  }
  if (options.contains(std::string(kCollation))) {
    return arrow::Status::Invalid("Backend ", spec.name, ": option ", kCollation,
                                  " is not to be set: texts are compared by their bytes; give columns a collation");
  }
  options.erase("uri");
  options["path"] = path;
  options.try_emplace("threads", std::to_string(std::clamp(std::thread::hardware_concurrency(), 1U, kThreadsMax)));
  options.try_emplace("memory_limit", kMemoryLimit);
  options.try_emplace("temp_directory", "");
  // One that has gone meanwhile is not made anew.
  if (access(path.c_str(), W_OK) != 0) options.try_emplace("access_mode", "READ_ONLY");
  return options;
}

std::vector<std::string> DuckdbLockDown() {
  return {"SET GLOBAL TimeZone = 'UTC'", "SET GLOBAL lock_configuration = true"};
}

}  // namespace hyprstream::backend
