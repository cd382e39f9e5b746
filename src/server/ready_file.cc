#include "server/ready_file.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

namespace hyprstream::server {

arrow::Result<ReadyFile> ReadyFile::Write(std::string path, const std::string& address) {
  if (path.empty()) return ReadyFile("");
  const std::string aside = path + ".tmp" + std::to_string(getpid());
  errno = 0;
  std::ofstream file(aside, std::ios::trunc);
  file << address << '\n';
  file.close();
  if (!file || std::rename(aside.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(aside.c_str());
    return arrow::Status::IOError("Cannot write the ready file ", path, ": ", reason);
  }
  return ReadyFile(std::move(path));
}

ReadyFile::ReadyFile(ReadyFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}

ReadyFile& ReadyFile::operator=(ReadyFile&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

ReadyFile::~ReadyFile() {
  if (!path_.empty()) std::remove(path_.c_str());
}

}  // namespace hyprstream::server
