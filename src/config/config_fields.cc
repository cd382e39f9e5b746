#include "config/config_fields.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include "base/nearest_name.h"
#include "config/config_values.h"

namespace hyprstream::config {
namespace {

constexpr std::int64_t kIntMax = std::numeric_limits<int>::max();
constexpr std::int64_t kGiB = 1LL << 30;

ConfigField Text(std::string name, std::string default_value, std::string ServerConfig::* member, std::string help) {
  return {.name = std::move(name),
          .type = FieldType::kText,
          .default_value = std::move(default_value),
          .help = std::move(help),
          .set =
              [member](ServerConfig& config, std::string_view text) {
                config.*member = std::string(text);
                return arrow::Status::OK();
              },
          .get = [member](const ServerConfig& config) { return config.*member; }};
}

// As a shell hands it over: nothing here puts a home folder in the place of ~, but DuckDB would.
ConfigField Path(std::string name, std::string ServerConfig::* member, std::string help) {
  ConfigField field = Text(std::move(name), "", member, std::move(help));
  field.type = FieldType::kPath;
  field.set = [text_set = field.set](ServerConfig& config, std::string_view text) {
    if (!text.starts_with('~')) return text_set(config, text);
    return arrow::Status::Invalid("'", text,
                                  "' begins with ~, which only a shell replaces; write the whole path, or ./", text,
                                  " for a file of that name");
  };
  return field;
}

ConfigField DataFolder() {
  ConfigField field =
      Path("data", &ServerConfig::data,
           "Folder that keeps tables and views; made when missing. Empty: everything is in memory only.");
  field.set = [path_set = field.set](ServerConfig& config, std::string_view text) {
    if (text.find("://") != std::string_view::npos) {
      return arrow::Status::Invalid("'", text, "' is a URL; give a folder of this machine");
    }
    std::error_code error;
    const std::string whole = std::filesystem::absolute(text, error).string();
    if (error && !text.empty()) {
      return arrow::Status::Invalid("'", text, "' leads nowhere: ", error.message(), "; write the whole path");
    }
    if (whole.contains('?')) {  // where a file's name ends for DuckDB, which would keep its log under another
      return arrow::Status::Invalid("'", whole, "' holds a question mark; choose a folder without one");
    }
    return path_set(config, text);
  };
  return field;
}

// An address of IPv6 may stand in the brackets that it has in a URL.
ConfigField Host(std::string name, std::string ServerConfig::* member, std::string help) {
  ConfigField field = Text(std::move(name), "127.0.0.1", member, std::move(help));
  field.set = [text_set = field.set](ServerConfig& config, std::string_view text) {
    const bool bracketed = text.starts_with('[') && text.ends_with(']');
    return text_set(config, bracketed ? text.substr(1, text.size() - 2) : text);
  };
  return field;
}

ConfigField Integer(std::string name, std::string default_value, int ServerConfig::* member, std::int64_t least,
                    std::int64_t most, std::string help) {
  return {.name = std::move(name),
          .type = FieldType::kInteger,
          .default_value = std::move(default_value),
          .help = std::move(help),
          .set =
              [=](ServerConfig& config, std::string_view text) {
                ARROW_ASSIGN_OR_RAISE(const std::int64_t value, ParseInteger(text, least, most));
                config.*member = static_cast<int>(value);
                return arrow::Status::OK();
              },
          .get = [member](const ServerConfig& config) { return std::to_string(config.*member); }};
}

ConfigField Bytes(std::string name, std::string default_value, std::int64_t ServerConfig::* member, std::int64_t least,
                  std::int64_t most, std::string help) {
  return {.name = std::move(name),
          .type = FieldType::kBytes,
          .default_value = std::move(default_value),
          .help = std::move(help),
          .set =
              [=](ServerConfig& config, std::string_view text) {
                ARROW_ASSIGN_OR_RAISE(config.*member, ParseBytes(text, least, most));
                return arrow::Status::OK();
              },
          .get = [member](const ServerConfig& config) { return FormatBytes(config.*member); }};
}

template <class Enum>
ConfigField Choice(std::string name, std::vector<std::pair<std::string, Enum>> choices, std::string default_value,
                   Enum ServerConfig::* member, std::string help) {
  return {.name = std::move(name),
          .type = FieldType::kText,
          .default_value = std::move(default_value),
          .help = std::move(help),
          .set =
              [=](ServerConfig& config, std::string_view text) {
                std::vector<std::string> names;
                for (const auto& [choice, value] : choices) {
                  names.push_back(choice);
                  if (choice != text) continue;
                  config.*member = value;
                  return arrow::Status::OK();
                }
                std::string list;
                for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
                return arrow::Status::Invalid("'", text, "' is not one of ", list, DidYouMean(text, names));
              },
          .get =
              [=](const ServerConfig& config) {
                return std::ranges::find(choices, config.*member, &std::pair<std::string, Enum>::second)->first;
              }};
}

ConfigField Switch(std::string name, bool ServerConfig::* member, std::string help) {
  return {.name = std::move(name),
          .type = FieldType::kBoolean,
          .default_value = "false",
          .help = std::move(help),
          .set =
              [member](ServerConfig& config, std::string_view text) {
                ARROW_ASSIGN_OR_RAISE(config.*member, ParseBoolean(text));
                return arrow::Status::OK();
              },
          .get = [member](const ServerConfig& config) { return std::string(config.*member ? "true" : "false"); }};
}

ConfigField HttpPort() {
  return {.name = "http_port",
          .type = FieldType::kText,
          .default_value = "off",
          .help = "Port of the HTTP pages /healthz, /readyz and /metrics; 0 takes a free one, off means none.",
          .set =
              [](ServerConfig& config, std::string_view text) {
                if (text == "off") {
                  config.http_port.reset();
                  return arrow::Status::OK();
                }
                ARROW_ASSIGN_OR_RAISE(const std::int64_t port, ParseInteger(text, 0, 65535));
                config.http_port = static_cast<int>(port);
                return arrow::Status::OK();
              },
          .get =
              [](const ServerConfig& config) {
                return config.http_port ? std::to_string(*config.http_port) : std::string("off");
              }};
}

// The machine's memory, or the container's bound where that is less.
std::int64_t MachineMemoryBytes() {
  std::int64_t bytes = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  std::ifstream cgroup("/sys/fs/cgroup/memory.max");
  std::int64_t bound = 0;
  if (cgroup >> bound && bound > 0) bytes = std::min(bytes, bound);
  return bytes;
}

ConfigField MemoryMax() {
  ConfigField field = Bytes("memory_max", "auto", &ServerConfig::memory_max, 256LL << 20, 1LL << 50,
                            "The one memory bound: 60 % for DuckDB, 20 % for the states of views, 15 % for incoming "
                            "batches, 5 % for bound parameters. auto takes 75 % of the machine's or container's.");
  field.set = [bytes = field.set](ServerConfig& config, std::string_view text) {
    if (text != "auto") return bytes(config, text);
    config.memory_max = std::max<std::int64_t>(256LL << 20, MachineMemoryBytes() / 4 * 3 >> 20 << 20);
    return arrow::Status::OK();
  };
  return field;
}

std::vector<ConfigField> NetworkFields() {
  return {
      Host("host", &ServerConfig::host, "Address to listen on. One that others can reach needs users, or insecure."),
      Integer("port", "31337", &ServerConfig::port, 0, 65535, "Port of Flight and Flight SQL; 0 takes a free one."),
      Path("ready_file", &ServerConfig::ready_file,
           "File that gets HOST:PORT once connections are accepted, for scripts."),
      Host("http_host", &ServerConfig::http_host, "Address of the HTTP pages. They ask for no password."),
      HttpPort(),
      Path("tls_cert", &ServerConfig::tls_cert, "PEM file with the server's certificate chain; turns TLS on."),
      Path("tls_key", &ServerConfig::tls_key, "PEM file with the certificate's private key."),
      Switch("insecure", &ServerConfig::insecure,
             "Allow an address that others can reach without any users, so that everybody there is let in."),
      Path("adbc_drivers", &ServerConfig::adbc_drivers,
           "Folder with the ADBC drivers of backends. Empty: lib/hyprstream beside the program's own folder."),
      Switch("client_attach", &ServerConfig::client_attach,
             "Let everybody ATTACH and DETACH backends, not only users with admin = true."),
      Switch("core_dumps", &ServerConfig::core_dumps,
             "Let the system write the process's memory to a file when it crashes. It holds clients' rows and "
             "passwords of "
             "backends."),
  };
}

std::vector<ConfigField> ResourceFields() {
  return {
      DataFolder(),
      MemoryMax(),
      Integer("threads", "0", &ServerConfig::threads, 0, 4096, "Threads for queries; 0 takes one per core."),
      Path("temp_directory", &ServerConfig::temp_directory,
           "Folder where large queries may spill. Empty: DATA/tmp, or none in memory."),
      Bytes("temp_max", "10GiB", &ServerConfig::temp_max, 0, 1LL << 50, "How much may be spilled there."),
  };
}

std::vector<ConfigField> LimitFields() {
  return {
      Integer("connections_max", "1000", &ServerConfig::connections_max, 1, 100000,
              "Network connections at once; more are refused."),
      Integer("sessions_max", "1000", &ServerConfig::sessions_max, 1, 100000,
              "Sessions at once; then one of the same user makes room, or the new one is refused."),
      Integer("subscriptions_max", "200", &ServerConfig::subscriptions_max, 1, 800,
              "Subscriptions to materialized views at once; more are refused. Each is a call that goes on."),
      Integer("session_idle_s", "3600", &ServerConfig::session_idle_s, 1, kIntMax,
              "Seconds after which an unused session ends, likewise unused transactions, prepared statements and "
              "tickets; what was not committed is rolled back."),
      Integer(
          "session_grace_s", "60", &ServerConfig::session_grace_s, 0, kIntMax,
          "Seconds that a session lives on when the last connection that it was used through has ended, for clients "
          "that connect again; then it ends, and what was not committed is rolled back."),
      Integer("token_idle_s", "86400", &ServerConfig::token_idle_s, 1, kIntMax,
              "Seconds after which a bearer token that a handshake issued is refused when no call used it."),
      Bytes("sql_bytes_max", "1MiB", &ServerConfig::sql_bytes_max, 1024, kGiB, "Longest SQL text."),
      Bytes("message_bytes_max", "256MiB", &ServerConfig::message_bytes_max, 1LL << 20, 2 * kGiB - 1,
            "Largest message taken from the network; never more than the share of memory_max for messages."),
      Bytes("batch_bytes_max", "1GiB", &ServerConfig::batch_bytes_max, 1LL << 20, 1LL << 40,
            "Largest incoming batch after decompression; never more than the share of memory_max for messages."),
      Integer("statement_timeout_s", "0", &ServerConfig::statement_timeout_s, 0, kIntMax,
              "Seconds after which a statement is cancelled, the reading of its rows included; 0: never."),
      Integer("drain_ms", "10000", &ServerConfig::drain_ms, 0, kIntMax,
              "Milliseconds that running statements get to finish at shutdown before they are cancelled."),
  };
}

std::vector<ConfigField> LogFields() {
  return {
      Choice<LogFormat>("log_format", {{"text", LogFormat::kText}, {"json", LogFormat::kJson}}, "text",
                        &ServerConfig::log_format, "How a log line looks: text or json."),
      Choice<LogLevel>("log_level",
                       {{"debug", LogLevel::kDebug},
                        {"info", LogLevel::kInfo},
                        {"warn", LogLevel::kWarn},
                        {"error", LogLevel::kError},
                        {"off", LogLevel::kOff}},
                       "info", &ServerConfig::log_level, "What is logged: debug, info, warn, error or off."),
  };
}

std::vector<ConfigField> AllFields() {
  std::vector<ConfigField> all;
  for (auto group : {NetworkFields(), ResourceFields(), LimitFields(), LogFields()}) {
    std::ranges::move(group, std::back_inserter(all));
  }
  return all;
}

}  // namespace

std::string ConfigField::Flag() const {
  std::string flag = "--" + name;
  std::ranges::replace(flag, '_', '-');
  return flag;
}

std::string ConfigField::Variable() const {
  std::string variable = "HYPRSTREAM_" + name;
  std::ranges::transform(variable, variable.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return variable;
}

std::span<const ConfigField> ConfigFields() {
  static const std::vector<ConfigField> kFields = AllFields();
  return kFields;
}

std::vector<std::string> FieldNames() {
  std::vector<std::string> names;
  for (const ConfigField& field : ConfigFields()) names.push_back(field.name);
  return names;
}

MemoryShares SharesOf(std::int64_t memory_max) {
  return {.engine = memory_max / 100 * 60,
          .states = memory_max / 100 * 20,
          .messages = memory_max / 100 * 15,
          .rest = memory_max / 100 * 5};
}

}  // namespace hyprstream::config
