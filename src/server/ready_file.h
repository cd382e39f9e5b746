// The file that tells scripts where the server listens.
//
// Ownership: the file exists from Write until the ReadyFile is destroyed.
#pragma once

#include <string>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::server {

class ReadyFile {
 public:
  // Writes `address` and a line end, at once or not at all (a reader never sees half of it). An empty path: no file.
  static arrow::Result<ReadyFile> Write(std::string path, const std::string& address);
  ReadyFile(ReadyFile&& other) noexcept;
  ReadyFile& operator=(ReadyFile&& other) noexcept;
  ~ReadyFile();

 private:
  explicit ReadyFile(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: nothing to remove
};

}  // namespace hyprstream::server
