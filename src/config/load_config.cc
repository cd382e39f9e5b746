#include "config/load_config.h"

#include <arpa/inet.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <format>
#include <set>

#include "base/nearest_name.h"
#include "config/config_fields.h"
#include "config/config_file_internal.h"

namespace hyprstream::config {
namespace {

constexpr std::string_view kPrefix = "HYPRSTREAM_";
constexpr std::string_view kConfigVariable = "HYPRSTREAM_CONFIG";
constexpr std::string_view kUsersVariable = "HYPRSTREAM_USERS";

// Variables that are no settings of the server: its files, the clients' and the build's.
const std::vector<std::string>& OtherVariables() {
  static const std::vector<std::string> kNames = {std::string(kConfigVariable), std::string(kUsersVariable),
                                                  "HYPRSTREAM_URL", "HYPRSTREAM_CACHE"};
  return kNames;
}

arrow::Status CheckVariables(const std::map<std::string, std::string>& environment) {
  std::vector<std::string> known = OtherVariables();
  for (const ConfigField& field : ConfigFields()) known.push_back(field.Variable());
  for (const auto& [name, value] : environment) {
    if (name.starts_with(kPrefix) && std::ranges::find(known, name) == known.end()) {
      return arrow::Status::Invalid("Unknown environment variable ", name, DidYouMean(name, known));
    }
  }
  return arrow::Status::OK();
}

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

arrow::Status Validate(const ServerConfig& config) {
  if (config.host.empty()) return arrow::Status::Invalid("host is empty; use 127.0.0.1, or 0.0.0.0 for all addresses");
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return arrow::Status::Invalid("tls_cert and tls_key go together; give ",
                                  config.tls_cert.empty() ? "tls_cert" : "tls_key", " too");
  }
  if (!IsLoopback(config.host) && config.users.empty() && !config.insecure) {
    return arrow::Status::Invalid("host ", config.host,
                                  " can be reached by others and there are no users; add [users.NAME] to the "
                                  "configuration file, or let everybody in with --insecure");
  }
  std::set<std::string_view> tokens;
  for (const User& user : config.users) {
    if (!user.token.empty() && !tokens.insert(user.token).second) {
      return arrow::Status::Invalid("User ", user.name, " has the same token as another user; tokens must differ");
    }
  }
  return arrow::Status::OK();
}

// Where a field's value comes from, the strongest source first.
struct Choice {
  std::string text;
  std::string origin;
};

Choice Choose(const ConfigField& field, const ConfigInputs& inputs, const ConfigFile& file, const std::string& path) {
  if (const auto flag = inputs.flags.find(field.name); flag != inputs.flags.end()) {
    return {flag->second, "flag " + field.Flag()};
  }
  if (const auto variable = inputs.environment.find(field.Variable()); variable != inputs.environment.end()) {
    return {variable->second, "environment " + field.Variable()};
  }
  if (const auto value = file.values.find(field.name); value != file.values.end()) {
    return {value->second.text, std::format("file {}, line {}", path, value->second.line)};
  }
  return {field.default_value, "default"};
}

arrow::Status LoadUsers(const ConfigInputs& inputs, const ConfigFile& file, const std::string& path,
                        LoadedConfig& loaded) {
  if (const auto variable = inputs.environment.find(std::string(kUsersVariable));
      variable != inputs.environment.end()) {
    ARROW_ASSIGN_OR_RAISE(loaded.values.users, ParseUsers(variable->second, variable->first, "."));
    loaded.origins["users"] = "environment " + variable->first;
  } else if (file.users_line > 0) {
    loaded.values.users = file.users;
    loaded.origins["users"] = std::format("file {}, line {}", path, file.users_line);
  }
  return arrow::Status::OK();
}

std::string Quoted(const std::string& value) {
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string Literal(const ConfigField& field, const std::string& value) {
  if (field.type == FieldType::kInteger || field.type == FieldType::kBoolean) return value;
  return Quoted(value);
}

// Of a driver's options only the names: any of them may be a secret.
std::string RenderBackend(const BackendSettings& backend, const LoadedConfig& config) {
  const std::string name = "backends." + Quoted(backend.name);
  std::string out = std::format("\n{:<40}  # {}\n", "[" + name + "]", config.origins.at("backends"));
  if (!backend.uri.empty()) out += "uri = \"***\"\n";
  std::string own;
  for (const auto& option : backend.options) {
    (option.of_driver ? own : out) +=
        std::format("{} = {}\n", Quoted(option.name), option.shown ? Quoted(option.value) : "\"***\"");
  }
  return own.empty() ? out : out + "[" + name + ".options]\n" + own;
}

}  // namespace

arrow::Result<LoadedConfig> LoadConfig(const ConfigInputs& inputs) {
  ARROW_RETURN_NOT_OK(CheckVariables(inputs.environment));
  std::string path = inputs.file;
  if (const auto variable = inputs.environment.find(std::string(kConfigVariable));
      path.empty() && variable != inputs.environment.end()) {
    path = variable->second;
  }
  ConfigFile file;
  if (!path.empty()) {
    ARROW_ASSIGN_OR_RAISE(file, ReadConfigFile(path));
  }
  LoadedConfig loaded;
  for (const ConfigField& field : ConfigFields()) {
    const Choice choice = Choose(field, inputs, file, path);
    if (const arrow::Status status = field.set(loaded.values, choice.text); !status.ok()) {
      return arrow::Status::Invalid(field.name, " (", choice.origin, "): ", status.message());
    }
    loaded.origins[field.name] = choice.origin;
  }
  ARROW_RETURN_NOT_OK(LoadUsers(inputs, file, path, loaded));
  if (file.backends_line > 0) {
    loaded.values.backends = file.backends;
    loaded.origins["backends"] = std::format("file {}, line {}", path, file.backends_line);
  }
  ARROW_RETURN_NOT_OK(Validate(loaded.values));
  return loaded;
}

std::string RenderConfig(const LoadedConfig& config) {
  std::string out;
  for (const ConfigField& field : ConfigFields()) {
    const std::string line = field.name + " = " + Literal(field, field.get(config.values));
    out += std::format("{:<40}  # {}\n", line, config.origins.at(field.name));
  }
  for (const User& user : config.values.users) {
    out += std::format("\n{:<40}  # {}\n", "[users.\"" + user.name + "\"]", config.origins.at("users"));
    if (!user.token.empty()) out += "token = \"***\"\n";
    if (!user.password_hash.empty()) out += "password_hash = \"***\"\n";
    out += std::format("admin = {}\n", user.admin);
  }
  for (const BackendSettings& backend : config.values.backends) out += RenderBackend(backend, config);
  return out;
}

std::string RenderReference() {
  std::string out = "| setting | flag | environment | default | meaning |\n|---|---|---|---|---|\n";
  for (const ConfigField& field : ConfigFields()) {
    const std::string shown = field.default_value.empty() ? "empty" : "`" + field.default_value + "`";
    out += std::format("| `{}` | `{}` | `{}` | {} | {} |\n", field.name, field.Flag(), field.Variable(), shown,
                       field.help);
  }
  return out;
}

}  // namespace hyprstream::config
