#include "support/valkey_server.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

extern char** environ;

namespace hyprstream::testing {
namespace {

constexpr std::chrono::seconds kBound{60};
constexpr std::chrono::milliseconds kPoll{10};

bool Accepts(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool accepts = connect(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(socket_fd);
  return accepts;
}

}  // namespace

arrow::Result<std::unique_ptr<ValkeyServer>> ValkeyServer::Start(std::string password) {
  std::unique_ptr<ValkeyServer> server(new ValkeyServer());
  server->password_ = std::move(password);
  server->folder_ = (std::filesystem::temp_directory_path() / "hyprstream-valkey-XXXXXX").string();
  if (mkdtemp(server->folder_.data()) == nullptr) return arrow::Status::IOError("No temporary folder");
  server->socket_path_ = server->folder_ + "/socket";
  ARROW_RETURN_NOT_OK(server->Restart());
  return server;
}

ValkeyServer::~ValkeyServer() {
  Stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

arrow::Status ValkeyServer::Restart() {
  std::vector<std::string> words = {
      "setpriv", "--pdeathsig",  "KILL", "valkey-server", "--port",     "0",           "--dir", folder_, "--save",
      "",        "--appendonly", "no",   "--unixsocket",  socket_path_, "--daemonize", "no"};
  if (!password_.empty()) words.insert(words.end(), {"--requirepass", password_});
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (folder_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                   0600);
  const int failed = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return arrow::Status::IOError("Cannot start valkey-server: run this in the test root");
  const auto deadline = std::chrono::steady_clock::now() + kBound;
  while (std::chrono::steady_clock::now() < deadline) {
    if (int status = 0; waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return arrow::Status::IOError("Valkey ended at its start");
    }
    if (Accepts(socket_path_)) return arrow::Status::OK();
    std::this_thread::sleep_for(kPoll);
  }
  return arrow::Status::IOError("Valkey was not ready in time");
}

std::string ValkeyServer::uri() const {
  return "unix://" + (password_.empty() ? "" : ":" + password_ + "@") + socket_path_;
}

void ValkeyServer::Stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ValkeyServer::Freeze() const { kill(pid_, SIGSTOP); }
void ValkeyServer::Thaw() const { kill(pid_, SIGCONT); }

}  // namespace hyprstream::testing
