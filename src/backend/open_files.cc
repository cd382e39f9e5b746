#include "backend/open_files.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace hyprstream::backend {

OpenFiles::Claim& OpenFiles::Claim::operator=(Claim&& other) noexcept {
  if (this != &other) {
    Release();
    table_ = std::move(other.table_);
    file_ = other.file_;
  }
  return *this;
}

void OpenFiles::Claim::Release() {
  if (table_ == nullptr) return;
  {
    MutexLock lock(table_->mutex);
    table_->owners.erase(file_);
  }
  table_.reset();
}

OpenFiles::OpenFiles(std::string own) : own_(std::move(own)), table_(std::make_shared<Table>()) {}

arrow::Result<OpenFiles::Claim> OpenFiles::Take(const std::string& path, const std::string& owner) {
  const auto identify = [](const std::string& name, Claim::File& file) {
    struct stat found{};
    if (stat(name.c_str(), &found) != 0) return false;
    file = {found.st_dev, found.st_ino};
    return S_ISREG(found.st_mode);
  };
  Claim::File file;
  errno = 0;
  if (!identify(path, file)) {
    return arrow::Status::IOError("Cannot open ", path, ": ", errno == 0 ? "it is no file" : std::strerror(errno));
  }
  if (Claim::File own; !own_.empty() && identify(own_, own) && own == file) {
    return arrow::Status::AlreadyExists(path, " is the server's own database: its tables are here already");
  }
  MutexLock lock(table_->mutex);
  const auto [taken, fresh] = table_->owners.try_emplace(file, owner);
  if (fresh) return Claim(table_, file);
  return arrow::Status::AlreadyExists(path, " is open already, as ", taken->second,
                                      "; a file that is open twice loses what is written to it (DETACH ", taken->second,
                                      " first, and let what reads it end)");
}

}  // namespace hyprstream::backend
