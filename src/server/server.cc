#include "server/server.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <filesystem>
#include <format>
#include <memory>
#include <optional>
#include <utility>

#include "backend/backend_registry.h"
#include "base/await.h"
#include "base/log.h"
#include "base/masked_values.h"
#include "base/memory_budget.h"
#include "base/process_memory.h"
#include "commit/commit_path.h"
#include "engine/engine.h"
#include "flight/flight_server.h"
#include "http/http_server.h"
#include "server/configured_backends.h"
#include "server/data_folder.h"
#include "server/ready_file.h"
#include "server/server_metrics.h"
#include "server/system_tables.h"
#include "server/tls_files.h"
#include "session/backend_attachments.h"
#include "session/session_registry.h"

namespace hyprstream::server {
namespace {

constexpr std::size_t kLoggedErrorBytes = 200;
constexpr std::chrono::milliseconds kLastCalls{1000};  // for calls that run no statement to end
constexpr std::chrono::seconds kCancelledCalls{15};    // for those that were cancelled then
constexpr std::chrono::seconds kSaving{60};            // where one of them goes on

// What begins with / is nothing but a file to DuckDB, which makes a database elsewhere of `s3:x` and `file:x`.
std::string WholePath(const std::string& path) { return path.empty() ? "" : std::filesystem::absolute(path).string(); }

engine::EngineOptions OptionsOfEngine(const config::ServerConfig& config) {
  const std::string data = WholePath(config.data);
  const bool spills_beside_data = config.temp_directory.empty() && !config.data.empty();
  // The file's name is the catalog's; it must not be that of a schema of ours.
  return {.path = data.empty() ? "" : data + "/tables.duckdb",
          .memory_bytes_max = config::SharesOf(config.memory_max).engine,
          .threads = config.threads,
          .temp_directory = spills_beside_data ? data + "/tmp" : WholePath(config.temp_directory),
          .temp_bytes_max = config.temp_max,
          .sql_bytes_max = config.sql_bytes_max};
}

// DuckDB's words for a locked file name its file and its manual.
arrow::Status ExplainLock(const arrow::Status& status, const std::string& folder) {
  if (status.message().find("Conflicting lock") == std::string::npos) return status;
  return status.WithMessage("The data folder ", folder,
                            " is used by another server; stop that one, or choose another --data");
}

// The shares of memory_max, what is not counted among them (docs/configuration.md), and the program itself. Beyond it
// something grows that nobody has counted. States that were loaded at the start may be larger than their share.
std::int64_t ProcessBytesMax(std::int64_t memory_max) {
  return std::max<std::int64_t>(memory_max / 4 * 5 + (256LL << 20), ResidentBytes() + memory_max / 2);
}

session::SessionLimits LimitsOfSessions(const config::ServerConfig& config) {
  session::SessionLimits limits;
  limits.sessions_max = config.sessions_max;
  limits.subscriptions_max = config.subscriptions_max;
  limits.idle_max = std::chrono::seconds(config.session_idle_s);
  limits.grace_max = std::chrono::seconds(config.session_grace_s);
  limits.statement_max = std::chrono::seconds(config.statement_timeout_s);
  limits.batch_bytes_max = std::min(config.batch_bytes_max, config::SharesOf(config.memory_max).messages);
  limits.memory_is_short = [bytes_max = ProcessBytesMax(config.memory_max)] {
    if (ResidentBytes() <= bytes_max) return false;
    engine::ReturnFreedMemory();
    return ResidentBytes() > bytes_max;
  };
  return limits;
}

}  // namespace

Server::Server(const config::LoadedConfig& settings, Logger& log)
    : settings_(settings), log_(log), started_(std::chrono::steady_clock::now()), credentials_(settings.values.users) {}

Server::~Server() = default;

arrow::Result<std::unique_ptr<Server>> Server::Make(const config::LoadedConfig& settings, Logger& log) {
  ReadyFile::RemoveStale(settings.values.ready_file);
  std::unique_ptr<Server> server(new Server(settings, log));
  ARROW_RETURN_NOT_OK(server->BuildRooms());
  ARROW_RETURN_NOT_OK(server->BuildFlight());
  return server;
}

arrow::Status Server::BuildRooms() {
  const config::ServerConfig& config = settings_.values;
  const config::MemoryShares shares = config::SharesOf(config.memory_max);
  ARROW_ASSIGN_OR_RAISE(
      memory_, MemoryBudget::Make(config.memory_max, {{"messages", shares.messages}, {"parameters", shares.rest}}));
  const engine::EngineOptions options = OptionsOfEngine(config);
  if (!config.data.empty()) ARROW_RETURN_NOT_OK(PrepareFolder(config.data, "data"));
  if (!options.temp_directory.empty()) ARROW_RETURN_NOT_OK(PrepareFolder(options.temp_directory, "temp_directory"));
  backends_ = backend::BackendRegistry::Make({.driver_folder = DriverFolder(config), .own_database = options.path});
  auto engine = engine::Engine::Make(options);
  ARROW_RETURN_NOT_OK(ExplainLock(engine.status(), config.data));
  engine_ = std::move(*engine);
  ARROW_ASSIGN_OR_RAISE(commits_, commit::CommitPath::Make(*engine_, {.state_bytes_max = shares.states}));
  return BuildSessions();
}

arrow::Status Server::BuildSessions() {
  const config::ServerConfig& config = settings_.values;
  ARROW_ASSIGN_OR_RAISE(const auto specs, SpecsOf(config.backends));
  attachments_ = std::make_unique<session::BackendAttachments>(*backends_, *engine_, config.client_attach);
  ARROW_ASSIGN_OR_RAISE(
      sessions_, session::SessionRegistry::Make(*engine_, *commits_, LimitsOfSessions(config), attachments_.get()));
  for (engine::SystemTable& table :
       SystemTables(*commits_, *sessions_, [this] { return ShownBackends(); }, settings_)) {
    ARROW_RETURN_NOT_OK(engine_->AddSystemTable(std::move(table)));
  }
  left_out_ = AttachAll(specs, *attachments_, log_);
  return arrow::Status::OK();
}

// Those that are attached, and those of the configuration that could not be, unless another was attached by the name.
std::vector<backend::BackendInfo> Server::ShownBackends() const {
  auto shown = backends_->Backends();
  for (const auto& backend : left_out_) {
    if (backends_->Find(backend.name) == nullptr) shown.push_back(backend);
  }
  return shown;
}

arrow::Status Server::BuildFlight() {
  const config::ServerConfig& config = settings_.values;
  flight::FlightOptions options;
  options.host = config.host;
  options.port = config.port;
  options.message_bytes_max = std::min(config.message_bytes_max, config::SharesOf(config.memory_max).messages);
  // A message is read before it is reserved of the share: gRPC needs room of its own, or it resets streams before a
  // full share makes anybody wait.
  options.network_bytes_max = config::SharesOf(config.memory_max).messages / 4 * 7;
  options.batch_bytes_max = std::min(config.batch_bytes_max, config::SharesOf(config.memory_max).messages);
  options.connections_max = config.connections_max;
  options.connection_idle_max = std::chrono::seconds(config.session_idle_s);
  options.token_idle_max = std::chrono::seconds(config.token_idle_s);
  options.version = HYPRSTREAM_VERSION;
  if (!config.tls_cert.empty()) {
    ARROW_ASSIGN_OR_RAISE(TlsFiles files, ReadTlsFiles(config.tls_cert, config.tls_key));
    options.tls_cert_pem = std::move(files.cert_pem);
    options.tls_key_pem = std::move(files.key_pem);
  }
  ARROW_ASSIGN_OR_RAISE(
      flight_, flight::FlightServer::Make(std::move(options),
                                          {.sessions = *sessions_,
                                           .credentials = credentials_,
                                           .clock = clock_,
                                           .on_rpc = [this](const auto& event) { LogCall(event); },
                                           .flush = [this] { return commits_->SaveStates(commit::Saving::kMeanwhile); },
                                           .messages = &memory_->share("messages"),
                                           .parameters = &memory_->share("parameters")}));
  return arrow::Status::OK();
}

arrow::Status Server::StartHttp() {
  const config::ServerConfig& config = settings_.values;
  if (!config.http_port) return arrow::Status::OK();
  http::HttpSources sources;
  sources.unready = [this] { return Unready(); };
  sources.metrics = [this, shares = config::SharesOf(config.memory_max)] {
    std::vector<http::Metric> metrics = CollectMetrics({.commits = *commits_,
                                                        .sessions = *sessions_,
                                                        .memory = *memory_,
                                                        .state_bytes_max = shares.states,
                                                        .engine_bytes = engine_->memory_bytes(),
                                                        .engine_bytes_max = shares.engine,
                                                        .version = HYPRSTREAM_VERSION,
                                                        .started = started_});
    metrics.push_back(rpc_counts_.Snapshot());
    return metrics;
  };
  ARROW_ASSIGN_OR_RAISE(
      http_, http::HttpServer::Start({.host = config.http_host, .port = *config.http_port}, std::move(sources)));
  log_.Info("http", {{"host", config.http_host}, {"port", http_->port()}});
  return arrow::Status::OK();
}

arrow::Status Server::Start() {
  ARROW_RETURN_NOT_OK(flight_->Start());
  ARROW_RETURN_NOT_OK(StartHttp());
  ready_ = true;
  ARROW_ASSIGN_OR_RAISE(ReadyFile file, ReadyFile::Write(settings_.values.ready_file, address()));
  ready_file_ = std::make_unique<ReadyFile>(std::move(file));
  return arrow::Status::OK();
}

std::string Server::address() const {
  const std::string& host = settings_.values.host;
  return std::format("{}:{}", host.contains(':') ? "[" + host + "]" : host, flight_->port());
}

std::string Server::announcement() const {
  const config::ServerConfig& config = settings_.values;
  return std::format("hyprstream {} ready on {}://{} ({})", HYPRSTREAM_VERSION,
                     config.tls_cert.empty() ? "grpc" : "grpc+tls", address(),
                     config.data.empty() ? "in memory" : "data " + config.data);
}

arrow::Status Server::Drain() {
  if (drained_) return arrow::Status::OK();
  drained_ = true;
  ready_ = false;
  ready_file_.reset();
  sessions_->Drain(std::chrono::milliseconds(settings_.values.drain_ms));
  const auto stopped = Await([this] { return flight_->Shutdown(kLastCalls); }, kCancelledCalls);
  const auto save = [this] { return commits_->SaveStates(commit::Saving::kAtEnd); };
  if (stopped) {
    const arrow::Status saved = save();
    if (http_ != nullptr) http_->Stop();
    return saved.ok() ? *stopped : saved;
  }
  stuck_ = true;
  const auto saved =
      Await(save, kSaving).value_or(arrow::Status::IOError("the states of views were not saved in time"));
  return arrow::Status::IOError("A statement that was cancelled has not ended, in a driver that cannot be stopped; ",
                                saved.ok() ? "all states of views are saved" : saved.message());
}

bool Server::EngineFailed() {
  const std::string failure = engine_->failure();
  if (failure.empty()) return false;
  if (!failure_logged_.exchange(true)) log_.Error("engine", {{"error", failure}});
  return true;
}

std::string Server::Unready() {
  if (EngineFailed()) return "the database engine has failed (the log has the cause); restart the server";
  return ready_ ? "" : "the server is starting or shutting down";
}

void Server::LogCall(const flight::RpcEvent& event) {
  EngineFailed();
  rpc_counts_.Add(event.method, event.status);
  const std::string masked = MaskValues(event.error);
  const std::string_view error = std::string_view(masked).substr(0, kLoggedErrorBytes);
  if (event.error.empty()) {
    log_.Info("call", {{"request", event.request_id},
                       {"method", event.method},
                       {"user", event.user},
                       {"session", event.session},
                       {"status", event.status},
                       {"ms", event.ms},
                       {"rows", event.rows}});
  } else {
    log_.Warn("call", {{"request", event.request_id},
                       {"method", event.method},
                       {"user", event.user},
                       {"session", event.session},
                       {"status", event.status},
                       {"ms", event.ms},
                       {"rows", event.rows},
                       {"error", error}});
  }
}

}  // namespace hyprstream::server
