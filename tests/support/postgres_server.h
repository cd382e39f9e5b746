// A real PostgreSQL, as a child process on a free loopback port, its data in a temporary folder.
//
// The programs are those of the newest version under /usr/lib/postgresql, the server's those of the folder
// HYPRSTREAM_POSTGRES where that is set, to test with another version; as root it runs as the user `postgres`, which
// its package makes. Thread safety: one thread. Ownership: the destructor stops it and removes its data.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::testing {

struct PostgresOptions {
  // Empty: whoever connects is trusted.
  std::string password = {};
  // Settings of postgresql.conf, each `name=value`.
  std::vector<std::string> settings = {};
};

class PostgresServer {
 public:
  // Returns once it accepts connections; IOError with its log when it does not.
  static arrow::Result<std::unique_ptr<PostgresServer>> Start(PostgresOptions options = {});
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  int port() const { return port_; }
  const std::string& user() const { return user_; }  // a superuser
  // postgresql://user[:password]@127.0.0.1:port/database
  std::string uri(const std::string& database = "postgres") const;

  // Runs statements through psql, apart from anything of ours; the rows as text, columns separated by '|'. An error is
  // IOError with psql's words.
  arrow::Result<std::string> Run(const std::string& sql, const std::string& database = "postgres") const;

  // Ends every connection and the server; its data stays.
  void Stop();
  // After Stop(): on the same port, over the same data.
  arrow::Status Restart();

 private:
  PostgresServer() = default;
  arrow::Status Initialize();
  arrow::Status Launch();
  arrow::Status WaitUntilReady();
  // As the user that the server runs as; what it printed is in the folder's `log`.
  std::vector<std::string> AsServerUser(std::vector<std::string> command) const;

  PostgresOptions options_;
  std::string folder_;
  std::string newest_;    // its programs
  std::string programs_;  // the server's
  std::string user_ = "postgres";
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace hyprstream::testing
