#include "config/command_line.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "base/nearest_name.h"
#include "config/config_fields.h"

namespace hyprstream::config {
namespace {

constexpr const char* kFooter =
    "Every setting of `serve` may also come from the environment (HYPRSTREAM_PORT for --port) or from the TOML file "
    "of --config; flags win over the environment, the environment over the file.";

const char* Placeholder(FieldType type) {
  switch (type) {
    case FieldType::kInteger:
      return "N";
    case FieldType::kBytes:
      return "SIZE";
    case FieldType::kPath:
      return "PATH";
    case FieldType::kText:
    case FieldType::kBoolean:
      break;
  }
  return "TEXT";
}

void AddServerFlags(CLI::App& app, ConfigInputs& inputs) {
  app.add_option("--config", inputs.file, "TOML file with settings (or HYPRSTREAM_CONFIG)")->type_name("FILE");
  for (const ConfigField& field : ConfigFields()) {
    const std::string shown = field.default_value.empty() ? "" : " [" + field.default_value + "]";
    auto keep = [&inputs, name = field.name](const std::string& text) { inputs.flags[name] = text; };
    if (field.type == FieldType::kBoolean) {
      app.add_flag(field.Flag(), field.help)->each(keep);  // "true", or what follows `=`: `--insecure=no`
    } else {
      app.add_option_function<std::string>(field.Flag(), keep, field.help + shown)
          ->type_name(Placeholder(field.type))
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
  app.footer(kFooter);
}

void AddClientFlags(CLI::App& app, ClientSettings& client) {
  app.add_option("--url", client.url, "The server: grpc://HOST:PORT or grpc+tls://HOST:PORT (or HYPRSTREAM_URL)")
      ->type_name("URL")
      ->capture_default_str();
  app.add_option("--user", client.user, "Log in as this user, with --password-file")->type_name("NAME");
  app.add_option("--password-file", client.password_file, "File that holds the password")->type_name("FILE");
  app.add_option("--token-file", client.token_file, "File that holds a bearer token")->type_name("FILE");
  app.add_option("--tls-roots", client.tls_roots, "PEM file of the authorities to trust, instead of the system's")
      ->type_name("FILE");
}

void AddSqlFlags(CLI::App& app, SqlCommand& sql) {
  AddClientFlags(app, sql.client);
  app.add_option("-c,--command", sql.statements, "Run this SQL and leave; may be given several times")
      ->type_name("SQL")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("-f,--file", sql.file, "Run the SQL in this file and leave; - is standard input")->type_name("FILE");
  const std::map<std::string, OutputFormat> formats = {{"table", OutputFormat::kTable},
                                                       {"csv", OutputFormat::kCsv},
                                                       {"json", OutputFormat::kJson},
                                                       {"arrow", OutputFormat::kArrow}};
  app.add_option("--format", sql.format, "How rows are printed: table, csv, json (one object a line), arrow (a stream)")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("NAME");
}

void AddIngestFlags(CLI::App& app, IngestCommand& ingest) {
  AddClientFlags(app, ingest.client);
  app.add_option("--table", ingest.table, "The table that gets the rows: NAME or SCHEMA.NAME")
      ->type_name("NAME")
      ->required();
  app.add_option("files", ingest.files, "Parquet, CSV, JSON lines or Arrow files; - is standard input")
      ->type_name("FILE")
      ->required();
  app.add_option("--format", ingest.format, "parquet, csv, json or arrow, when a file's name does not tell")
      ->check(CLI::IsMember({"parquet", "csv", "json", "arrow"}).description(""))
      ->type_name("NAME");
  app.add_flag("--create", ingest.create, "Make the table from the rows' types when it is missing");
  auto* rate = app.add_option("--rate", ingest.rate, "Send this many rows a second")
                   ->check(CLI::PositiveNumber.description(""))
                   ->type_name("N");
  auto* time = app.add_option("--time", ingest.time_column, "The column that holds the event time, for --replay")
                   ->type_name("COLUMN");
  app.add_option("--replay", ingest.replay, "Play event time this many times faster; needs --time")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("X")
      ->needs(time)
      ->excludes(rate);
  app.add_option("--batch-rows", ingest.batch_rows, "Rows in a batch [65536, fewer with --rate or --replay]")
      ->check(CLI::Range(1, 10'000'000).description(""))
      ->type_name("N");
  const std::map<std::string, OnError> choices = {{"stop", OnError::kStop}, {"skip", OnError::kSkip}};
  app.add_option("--on-error", ingest.on_error, "What to do at a line that cannot be read: stop, or skip it [stop]")
      ->transform(CLI::CheckedTransformer(choices).description(""))
      ->type_name("NAME");
  app.add_flag("--quiet", ingest.quiet, "No progress, only the summary");
}

// A command that has commands of its own.
CLI::App* AddBackendsCommand(CLI::App& app, BackendsCheckCommand& check) {
  CLI::App* backends = app.add_subcommand("backends", "Look at the databases of the configuration file");
  backends->require_subcommand(1);
  CLI::App* check_app =
      backends->add_subcommand("check", "Connect, read a row of each table, and show what becomes of its types");
  check_app->add_option("names", check.names, "Backends of the configuration file [all of them]")->type_name("NAME");
  check_app->add_option("--tables", check.tables_max, "Look at so many tables of a backend")
      ->check(CLI::Range(1, 1'000'000).description(""))
      ->type_name("N")
      ->capture_default_str();
  AddServerFlags(*check_app, check.inputs);
  return check_app;
}

std::map<std::string, std::string> AllVariables(const char* const* environment) {
  std::map<std::string, std::string> variables;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    const std::size_t equals = entry.find('=');
    if (equals != std::string_view::npos) variables.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return variables;
}

std::string Value(const std::map<std::string, std::string>& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}

// Where the XDG base directory specification wants it.
std::string HistoryFile(const std::map<std::string, std::string>& variables) {
  if (const std::string state = Value(variables, "XDG_STATE_HOME"); !state.empty())
    return state + "/hyprstream/history";
  const std::string home = Value(variables, "HOME");
  return home.empty() ? std::string() : home + "/.local/state/hyprstream/history";
}

std::vector<std::string> KnownWords(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  for (const CLI::App* command : app.get_subcommands({})) words.push_back(command->get_name());
  return words;
}

// The error in our words: one line, with the nearest flag for one that is unknown.
arrow::Status Explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* deepest = &app;
  std::string path = app.get_name();
  for (auto chosen = app.get_subcommands(); !chosen.empty(); chosen = deepest->get_subcommands()) {
    deepest = chosen.front();
    path += " " + deepest->get_name();
  }
  const CLI::App& at = *deepest;
  const std::string see = "; see " + path + " --help";
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const std::vector<std::string> extras = app.remaining(true);
    std::string word = extras.empty() ? std::string() : extras.front();
    word = word.substr(0, word.find('='));
    return arrow::Status::Invalid(word.starts_with('-') ? "Unknown flag " : "Unknown argument ", word,
                                  DidYouMean(word, KnownWords(at)), see);
  }
  std::string text = error.what();
  std::ranges::replace(text, '\n', ' ');
  return arrow::Status::Invalid(text, see);
}

}  // namespace

arrow::Result<Command> ParseCommandLine(std::span<const char* const> arguments, const char* const* environment) {
  CLI::App app("Aggregates over arriving data, kept current and served over Arrow Flight SQL.", "hyprstream");
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  ServeCommand serve;
  ConfigCommand config;
  SqlCommand sql;
  IngestCommand ingest;
  BackendsCheckCommand backends_check;
  std::map<std::string, std::string> variables = AllVariables(environment);
  sql.history_file = HistoryFile(variables);
  std::erase_if(variables, [](const auto& variable) { return !variable.first.starts_with("HYPRSTREAM_"); });
  if (const std::string url = Value(variables, "HYPRSTREAM_URL"); !url.empty()) {
    sql.client.url = ingest.client.url = url;
  }
  CLI::App* serve_app = app.add_subcommand("serve", "Run the server");
  AddServerFlags(*serve_app, serve.inputs);
  CLI::App* sql_app = app.add_subcommand("sql", "Ask SQL, interactively or from a script");
  AddSqlFlags(*sql_app, sql);
  CLI::App* ingest_app = app.add_subcommand("ingest", "Send files of rows to a table");
  AddIngestFlags(*ingest_app, ingest);
  CLI::App* config_app = app.add_subcommand("config", "Print the effective settings and where each comes from");
  AddServerFlags(*config_app, config.inputs);
  const CLI::App* check_app = AddBackendsCommand(app, backends_check);
  app.add_subcommand("version", "Print the version");
  CLI::App* host_app = app.add_subcommand("driver-host", "")->group("");
  bool version = false;
  app.add_flag("--version", version, "Print the version");

  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  if (!reversed.empty()) reversed.pop_back();  // the program's own name
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return HelpCommand{app.help()};
  } catch (const CLI::ParseError& error) {
    return Explain(app, error);
  }
  serve.inputs.environment = config.inputs.environment = backends_check.inputs.environment = variables;
  if (*serve_app) return serve;
  if (*sql_app) return sql;
  if (*ingest_app) return ingest;
  if (*config_app) return config;
  if (*check_app) return backends_check;
  if (*host_app) return DriverHostCommand{};
  if (version || app.got_subcommand("version")) return VersionCommand{};
  return HelpCommand{app.help()};
}

}  // namespace hyprstream::config
