// A new empty folder in the place for temporary files that only this user can enter; removed with what it holds.
#pragma once

#include <string>
#include <utility>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::flight {

class PrivateFolder {
 public:
  // IOError when there is no place to write to; the message says what to do.
  static arrow::Result<PrivateFolder> Make();
  PrivateFolder(PrivateFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  PrivateFolder& operator=(PrivateFolder&&) = delete;
  ~PrivateFolder();

  const std::string& path() const { return path_; }

 private:
  explicit PrivateFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace hyprstream::flight
