#include "support/server_process.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <thread>

extern char** environ;

namespace hyprstream::testing {
namespace {

constexpr std::chrono::seconds kBound{30};
constexpr std::chrono::milliseconds kPoll{5};

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// Ours without what ./dev sets for the tests: the server refuses HYPRSTREAM_ names that it does not know.
std::vector<char*> CleanEnvironment() {
  std::vector<char*> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with("HYPRSTREAM_")) variables.push_back(*entry);
  }
  variables.push_back(nullptr);
  return variables;
}

}  // namespace

arrow::Result<std::unique_ptr<ServerProcess>> ServerProcess::Start(const std::vector<std::string>& arguments) {
  std::unique_ptr<ServerProcess> server(new ServerProcess());
  server->folder_ = (std::filesystem::temp_directory_path() / "hyprstream-test-XXXXXX").string();
  if (mkdtemp(server->folder_.data()) == nullptr) return arrow::Status::IOError("No temporary folder");
  const char* binary = std::getenv("HYPRSTREAM_BINARY");
  std::vector<std::string> words = {binary == nullptr ? "build/release/hyprstream" : binary,
                                    "serve",
                                    "--port",
                                    "0",
                                    "--ready-file",
                                    server->folder_ + "/ready"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (server->folder_ + "/log").c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  const int spawned = posix_spawn(&server->pid_, argv[0], &actions, nullptr, argv.data(), CleanEnvironment().data());
  posix_spawn_file_actions_destroy(&actions);
  if (spawned != 0) return arrow::Status::IOError("Cannot start ", words[0]);

  ARROW_ASSIGN_OR_RAISE(const std::string address, server->WaitUntilReady());
  const auto colon = address.rfind(':');
  server->host_ = address.substr(0, colon);
  server->port_ = std::atoi(address.c_str() + colon + 1);
  return server;
}

arrow::Result<std::string> ServerProcess::WaitUntilReady() {
  const auto deadline = std::chrono::steady_clock::now() + kBound;
  while (std::chrono::steady_clock::now() < deadline) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return arrow::Status::IOError("The server ended at its start: ", ReadAll(folder_ + "/log"));
    }
    std::string address = ReadAll(folder_ + "/ready");
    std::erase(address, '\n');
    if (!address.empty()) return address;
    std::this_thread::sleep_for(kPoll);
  }
  return arrow::Status::IOError("The server was not ready in time: ", ReadAll(folder_ + "/log"));
}

ServerProcess::~ServerProcess() {
  Terminate();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string ServerProcess::url() const { return "grpc://" + host_ + ":" + std::to_string(port_); }

long ServerProcess::status_value(const std::string& name) const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":")) return std::atol(line.c_str() + name.size() + 1);
  }
  return -1;
}

int ServerProcess::open_files() const {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/" + std::to_string(pid_) + "/fd", error);
  return error ? -1 : static_cast<int>(std::distance(begin(files), end(files)));
}

int ServerProcess::Terminate() {
  if (pid_ <= 0) return -1;
  kill(pid_, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + kBound;
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      Kill();
      return -1;
    }
    std::this_thread::sleep_for(kPoll);
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void ServerProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace hyprstream::testing
