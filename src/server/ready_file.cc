#include "server/ready_file.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace hyprstream::server {
namespace {

// Is `path` still the file that `file` has open?
bool IsAt(const std::string& path, int file) {
  struct stat there{};
  struct stat here{};
  return lstat(path.c_str(), &there) == 0 && fstat(file, &here) == 0 && there.st_dev == here.st_dev &&
         there.st_ino == here.st_ino;
}

}  // namespace

void ReadyFile::RemoveStale(const std::string& path) {
  if (path.empty()) return;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return;
  struct stat kind{};
  const bool regular = fstat(file, &kind) == 0 && S_ISREG(kind.st_mode);
  if (regular && flock(file, LOCK_EX | LOCK_NB) == 0 && IsAt(path, file)) unlink(path.c_str());
  close(file);
}

arrow::Result<ReadyFile> ReadyFile::Write(std::string path, const std::string& address) {
  if (path.empty()) return ReadyFile("", -1);
  const std::string aside = path + ".tmp" + std::to_string(getpid());
  const std::string line = address + "\n";
  errno = 0;
  const int file = open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const bool written = file >= 0 && write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (written) flock(file, LOCK_EX | LOCK_NB);  // a file system without locks has no stale files removed either
  if (!written || std::rename(aside.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    if (file >= 0) close(file);
    std::remove(aside.c_str());
    return arrow::Status::IOError("Cannot write the ready file ", path, ": ", reason);
  }
  return ReadyFile(std::move(path), file);
}

ReadyFile::ReadyFile(ReadyFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), file_(std::exchange(other.file_, -1)) {}

ReadyFile& ReadyFile::operator=(ReadyFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  return *this;
}

ReadyFile::~ReadyFile() {
  if (file_ < 0) return;
  if (IsAt(path_, file_)) std::remove(path_.c_str());
  close(file_);
}

}  // namespace hyprstream::server
