#include "support/postgres_server.h"

#include <arpa/inet.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

extern char** environ;

namespace hyprstream::testing {
namespace {

constexpr std::chrono::seconds kBound{60};
constexpr std::chrono::milliseconds kPoll{10};
constexpr int kAttempts = 5;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The folder of the newest version's programs.
arrow::Result<std::string> FindPrograms() {
  int newest = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
  }
  if (newest == 0) return arrow::Status::IOError("No PostgreSQL under /usr/lib/postgresql: run this in the test root");
  return "/usr/lib/postgresql/" + std::to_string(newest) + "/bin";
}

arrow::Result<int> FreePort() {
  const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool found = bind(socket_fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(socket_fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(socket_fd);
  if (!found) return arrow::Status::IOError("No free port");
  return ntohs(address.sin_port);
}

// Output and errors go to `log`, appended. -1: it could not be started.
pid_t Spawn(std::vector<std::string> command, const std::string& log) {
  std::vector<char*> argv;
  for (auto& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = -1;
  if (posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

// IOError with what it printed when it fails.
arrow::Status RunToEnd(std::vector<std::string> command, const std::string& log) {
  const std::string name = command[0];
  const pid_t pid = Spawn(std::move(command), log);
  int status = -1;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
    return arrow::Status::IOError(name, " failed: ", ReadAll(log));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::unique_ptr<PostgresServer>> PostgresServer::Start(PostgresOptions options) {
  std::unique_ptr<PostgresServer> server(new PostgresServer());
  server->options_ = std::move(options);
  ARROW_ASSIGN_OR_RAISE(server->newest_, FindPrograms());
  const char* chosen = std::getenv("HYPRSTREAM_POSTGRES");
  server->programs_ = chosen != nullptr && *chosen != '\0' ? chosen : server->newest_;
  server->folder_ = (std::filesystem::temp_directory_path() / "hyprstream-postgres-XXXXXX").string();
  if (mkdtemp(server->folder_.data()) == nullptr) return arrow::Status::IOError("No temporary folder");
  ARROW_RETURN_NOT_OK(server->Initialize());
  // Somebody else may take the port before the server does.
  arrow::Status started;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(server->port_, FreePort());
    started = server->Launch();
    if (started.ok()) return server;
  }
  return started;
}

PostgresServer::~PostgresServer() {
  Stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<std::string> PostgresServer::AsServerUser(std::vector<std::string> command) const {
  // It dies with the test, also where that dies of a signal.
  std::vector<std::string> words = {"setpriv", "--pdeathsig", "QUIT"};
  if (getuid() == 0) {
    words.insert(words.end(), {"--reuid=postgres", "--regid=postgres", "--clear-groups"});
  }
  words.insert(words.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
  return words;
}

arrow::Status PostgresServer::Initialize() {
  const std::string password_file = folder_ + "/password";
  std::vector<std::string> words = {programs_ + "/initdb", "--pgdata",         folder_ + "/data", "--username", user_,
                                    "--encoding=UTF8",     "--locale=C.UTF-8", "--no-sync",       "--auth"};
  if (options_.password.empty()) {
    words.emplace_back("trust");
  } else {
    words.insert(words.end(), {"scram-sha-256", "--pwfile", password_file});
    std::ofstream(password_file) << options_.password << '\n';
  }
  if (getuid() == 0) {
    const auto* user = getpwnam("postgres");
    if (user == nullptr) return arrow::Status::IOError("No user postgres: PostgreSQL refuses to run as root");
    for (const auto& path : {folder_, password_file}) {
      if (chown(path.c_str(), user->pw_uid, user->pw_gid) != 0 && path == folder_) {
        return arrow::Status::IOError("Cannot give a folder to the user postgres");
      }
    }
  }
  return RunToEnd(AsServerUser(std::move(words)), folder_ + "/initdb.log");
}

arrow::Status PostgresServer::Launch() {
  std::vector<std::string> words = {programs_ + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-p",
                                    std::to_string(port_)};
  for (const char* setting : {"listen_addresses=127.0.0.1", "fsync=off", "autovacuum=off"}) {
    words.insert(words.end(), {"-c", setting});
  }
  for (const auto& setting : options_.settings) words.insert(words.end(), {"-c", setting});
  pid_ = Spawn(AsServerUser(std::move(words)), folder_ + "/log");
  if (pid_ < 0) return arrow::Status::IOError("Cannot start PostgreSQL");
  return WaitUntilReady();
}

arrow::Status PostgresServer::WaitUntilReady() {
  // The last line of this file says what state it is in.
  const std::string state = folder_ + "/data/postmaster.pid";
  const auto deadline = std::chrono::steady_clock::now() + kBound;
  while (std::chrono::steady_clock::now() < deadline) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return arrow::Status::IOError("PostgreSQL ended at its start: ", ReadAll(folder_ + "/log"));
    }
    const std::string text = ReadAll(state);
    if (text.starts_with(std::to_string(pid_) + "\n") && text.find("\nready") != std::string::npos) {
      return arrow::Status::OK();
    }
    std::this_thread::sleep_for(kPoll);
  }
  Stop();
  return arrow::Status::IOError("PostgreSQL was not ready in time: ", ReadAll(folder_ + "/log"));
}

std::string PostgresServer::uri(const std::string& database) const {
  const std::string password = options_.password.empty() ? "" : ":" + options_.password;
  return "postgresql://" + user_ + password + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

arrow::Result<std::string> PostgresServer::Run(const std::string& sql, const std::string& database) const {
  const std::string file = folder_ + "/statements.sql";
  const std::string rows = folder_ + "/rows";
  std::error_code ignored;
  std::filesystem::remove(rows, ignored);
  std::filesystem::remove(folder_ + "/psql.log", ignored);
  std::ofstream(file) << sql << '\n';
  ARROW_RETURN_NOT_OK(RunToEnd({newest_ + "/psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only",
                                "--set=ON_ERROR_STOP=1", "--file=" + file, "--output=" + rows, uri(database)},
                               folder_ + "/psql.log"));
  std::string text = ReadAll(rows);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void PostgresServer::Stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGINT);  // "fast": it ends its connections
  const auto deadline = std::chrono::steady_clock::now() + kBound;
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      kill(pid_, SIGQUIT);
      waitpid(pid_, nullptr, 0);
      break;
    }
    std::this_thread::sleep_for(kPoll);
  }
  pid_ = -1;
}

arrow::Status PostgresServer::Restart() {
  Stop();
  return Launch();
}

}  // namespace hyprstream::testing
